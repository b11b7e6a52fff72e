# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Messages to a local server and back, over a connection per thread or per task of an event loop."
# strategies = ["threads", "pool", "asyncio"]
# sized = true
# full_seconds = 1.2
# ///
"""Messages of a kilobyte over TCP: each thread or task has a connection, sends one and awaits its echo.

It stands for clients of databases, caches and services: a little Python for each request, then waiting.  Waiting
threads let go of the GIL, so that nothing much should change between builds; how threads and asyncio compare may.

The server is a process of its own, in Python, on the CPU set of the case: the little that it needs is taken from the
same CPUs.  It waits for 2 ms before each answer.
"""

import asyncio
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _echo import ADDRESS, SILENCE, open_server
from _parallel import Scale, chunks, run

SIZES = {
    "quick": Scale(messages=16, latency_ms=2, expected=16),
    "full": Scale(messages=500, latency_ms=2, expected=500),
}


class Conversation(NamedTuple):
    """What is sent over one connection, and to which port."""

    port: int
    messages: Sequence[bytes]


def job(messages: int, latency_ms: int) -> Conversation:
    return Conversation(open_server(latency_ms), [f"{number:08}".encode() * 128 for number in range(messages)])


def split(job: Conversation, count: int) -> list[Conversation]:
    return [Conversation(job.port, messages) for messages in chunks(job.messages, count)]


def converse(part: Conversation) -> int:
    """How many messages came back as they were sent."""
    with (
        socket.create_connection((ADDRESS, part.port), timeout=SILENCE) as connection,
        connection.makefile("rwb") as stream,
    ):
        echoes = 0
        for message in part.messages:
            stream.write(message)
            stream.flush()
            echoes += stream.read(len(message)) == message
        return echoes


async def converse_in_task(part: Conversation) -> int:
    reader, writer = await asyncio.open_connection(ADDRESS, part.port)
    echoes = 0
    async with asyncio.timeout(SILENCE):
        for message in part.messages:
            writer.write(message)
            await writer.drain()
            echoes += await reader.readexactly(len(message)) == message
    writer.close()
    await writer.wait_closed()
    return echoes


if __name__ == "__main__":
    run("io/sockets", sizes=SIZES, job=job, split=split, work=converse, task=converse_in_task)
