"""Dask distributed, the fleet's engine: the only room that knows it.

What goes over it of ours is JSON in bytes, and the name of one function, `measure`.  Dask's own messages are msgpack,
and it unpickles that name, exceptions, and whatever another client of the same scheduler may send: whoever can connect
can execute code on every worker.  So plain tcp is refused off loopback, and tls wants a certificate of both sides.

Dask's defaults are for throughput.  Here a worker that dies takes its block with it instead of passing it on, nothing
moves between workers, and nothing wakes up a hundred times a second beside what is measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import logging
import os
import queue
import secrets
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar
from urllib.parse import urlsplit

import dask
import msgspec
from distributed import Client, Future, Scheduler, Security, Worker, get_worker
from distributed.diagnostics.plugin import WorkerPlugin

from harness import certificates
from harness.errors import HostError, RequestError
from harness.fleet import Answer, BlockTask, Offer, Parcel, Receipt, SchedulerGoneError, Unanswered
from harness.progress import Progress

SILENCE_SECONDS = 60.0
"""A worker that has not been heard of for as long is taken to be dead."""

LEAST_SILENCE = 5.0
"""Ten heartbeats: less cannot be told from a busy network."""

_CONNECT_SECONDS = 10.0
_RETRY_SECONDS = 1.0
_AT_ONCE = 256
"""Results that are fetched together at most: while they are, nobody is asked."""
_OFFER = "gilometer"
_PLUGIN = "gilometer"
_PORT = 8786

_SETTINGS = {
    "distributed.scheduler.allowed-failures": 0,  # a dead worker's block is ours to ask for again
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,  # samples every thread every 10 ms
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.system-monitor.gil.enabled": False,  # polls every millisecond
    "distributed.comm.timeouts.connect": f"{_CONNECT_SECONDS:g}s",
    "distributed.diagnostics.nvml": False,
}


_T = TypeVar("_T")
_Decoder = msgspec.json.Decoder[_T] | msgspec.msgpack.Decoder[_T]
_ANSWERS = msgspec.json.Decoder(Answer)
_RECEIPTS = msgspec.msgpack.Decoder(Receipt)


# -- addresses and certificates ----------------------------------------------------------------------------------------


def address(text: str) -> str:
    """tcp://HOST:PORT or tls://HOST:PORT.  RequestError for anything else, and for tcp that leaves this machine."""
    parts = urlsplit(text if "://" in text else f"tls://{text}")
    try:
        name, port = parts.hostname, parts.port or _PORT
    except ValueError:
        name, port = None, 0
    if parts.scheme not in ("tcp", "tls") or not name or parts.path:
        raise RequestError(f"{text} is no address of a scheduler", hint="Such as tls://bench.example:8786.")
    if parts.scheme == "tcp" and not _is_loopback(name):
        raise RequestError(
            f"{text}: tcp has neither secrecy nor authentication, and {name} is not this machine",
            hint=f"Use tls://{name}:{port} with --certificates; tcp is for 127.0.0.1.",
        )
    host = f"[{name}]" if ":" in name else name
    return f"{parts.scheme}://{host}:{port}"


def host_of(where: str) -> str:
    """Name or IP address in an address."""
    return urlsplit(where).hostname or ""


def security(where: str, folder: Path | None, *, listens: bool = False) -> Security | None:
    """Of a connection: for tls the certificate in a folder, which is checked here first; None for tcp.

    Dask wants a certificate of the same authority from either side.  It does not compare names (`check_hostname` is
    off), but OpenSSL does refuse a client's certificate where a scheduler or a worker is called.

    RequestError where there is none, it is not good, or it is a client's and `listens`.
    """
    if where.startswith("tcp:"):
        return None
    if folder is None:
        raise RequestError(f"{where} wants certificates", hint="--certificates DIR, as inv fleet init writes them.")
    files = certificates.Files(folder)
    member = certificates.check(files, datetime.datetime.now(datetime.UTC))
    if listens and member.role is certificates.Role.CLIENT:
        raise RequestError(f"{folder} has the certificate of a client, which can be neither scheduler nor worker")
    pair = {"cert": str(files.certificate), "key": str(files.key)}
    roles = ("scheduler", "worker", "client")
    return Security(
        require_encryption=True,
        tls_ca_file=str(files.authority),
        **{f"tls_{role}_{kind}": path for role in roles for kind, path in pair.items()},
    )


def _is_loopback(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


# -- the scheduler -----------------------------------------------------------------------------------------------------


def schedule(where: str, keys: Path | None, progress: Progress, silence: float = SILENCE_SECONDS) -> None:
    """Be the scheduler at an address, until SIGINT or SIGTERM.  HostError where the address cannot be had."""
    asyncio.run(_schedule(where, security(where, keys, listens=True), progress, silence))


async def _schedule(where: str, keys: Security | None, progress: Progress, silence: float) -> None:
    parts = urlsplit(where)
    with dask.config.set(_SETTINGS), _stopping() as stop:
        _quiet()
        try:
            scheduler = await Scheduler(
                host=parts.hostname,
                port=parts.port or _PORT,
                protocol=f"{parts.scheme}://",
                security=keys,
                dashboard=False,
                dashboard_address=":0",
                worker_ttl=max(silence, LEAST_SILENCE),
            )
        except OSError as error:
            raise HostError(f"no scheduler at {where}: {error.strerror or error}") from error
        progress.say(f"scheduler at {scheduler.address}; workers join with: ./inv worker --scheduler {where}")
        await stop.wait()
        await scheduler.close()


# -- a worker ----------------------------------------------------------------------------------------------------------


class Hands(Protocol):
    """What a worker has at its host.  Both are called from any thread."""

    @property
    def offer(self) -> Offer:
        """As it is now; a worker whose offer has changed joins again."""

    def measure(self, data: bytes) -> bytes:
        """A `BlockTask` in, an `Answer` out, both as JSON."""

    def receive(self, data: bytes) -> bytes:
        """A `Parcel` in, a `Receipt` out, both as msgpack."""


def measure(data: bytes) -> bytes:
    """What workers are asked to execute: this and `receive` are all of ours whose names cross the wire."""
    return _hands().measure(data)


def receive(data: bytes) -> bytes:
    """What workers are asked to take."""
    return _hands().receive(data)


def _hands() -> Hands:
    plugin = get_worker().plugins[_PLUGIN]
    assert isinstance(plugin, _Plugin)
    return plugin.hands


@dataclass
class _Plugin(WorkerPlugin):
    """Gives `measure` and `receive` what they act on."""

    hands: Hands
    name: str = _PLUGIN

    def setup(self, worker: Worker) -> None:
        """Nothing: it is only looked up."""


def serve(where: str, keys: Path | None, hands: Hands, progress: Progress) -> None:
    """Be a worker of a scheduler until SIGINT or SIGTERM; joins again whenever the scheduler is back."""
    asyncio.run(_serve(where, security(where, keys, listens=True), hands, progress))


async def _serve(where: str, keys: Security | None, hands: Hands, progress: Progress) -> None:
    waiting = False
    with (
        dask.config.set(_SETTINGS),
        tempfile.TemporaryDirectory(prefix="gilometer-dask-", ignore_cleanup_errors=True) as scratch,
        _stopping() as stop,
    ):
        _quiet()
        while not stop.is_set():
            offer = hands.offer
            worker = await _join(where, keys, hands, scratch)
            if worker is None:
                if not waiting:
                    progress.say(f"no scheduler at {where}; waiting for one")
                waiting = True
                await _either(stop, asyncio.sleep(_RETRY_SECONDS))
                continue
            waiting = False
            progress.say(f"joined {where} as {offer}")
            await _either(stop, worker.finished(), _renewed(hands, offer))
            if not stop.is_set() and hands.offer == offer:
                progress.say("the scheduler is gone, or took this worker for dead; joining again")
            await worker.close(executor_wait=False, nanny=False)


async def _renewed(hands: Hands, announced: Offer) -> None:
    """Wait until something else is offered, and whoever made it so has its answer."""
    while hands.offer == announced:
        await asyncio.sleep(_RETRY_SECONDS)
    await asyncio.sleep(_RETRY_SECONDS)


async def _join(where: str, keys: Security | None, hands: Hands, scratch: str) -> Worker | None:
    """A worker that has joined; None where there is no scheduler, or none that wants it."""
    offer = hands.offer
    announced = msgspec.json.encode(offer).decode()
    worker = Worker(
        where,
        name=f"{offer.host}-{secrets.token_hex(3)}",
        nthreads=len(offer.slots),
        resources={"slot": float(len(offer.slots))},
        memory_limit=0,
        local_directory=scratch,
        security=keys,
        startup_information={_OFFER: lambda _: announced},
        plugins=(_Plugin(hands),),
        dashboard=False,
        dashboard_address=":0",
        death_timeout=_CONNECT_SECONDS,
    )
    try:
        await worker
    except (OSError, TimeoutError, RuntimeError, ValueError):
        await worker.close(executor_wait=False, nanny=False)
        return None
    return worker


async def _either(stop: asyncio.Event, *others: Any) -> None:
    """Wait until told to stop or until one of the others is done."""
    tasks = {asyncio.ensure_future(stop.wait()), *map(asyncio.ensure_future, others)}
    _, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()


@contextlib.contextmanager
def _stopping() -> Iterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _quiet() -> None:
    """Dask tells its log of every connection; what matters of it is said by us."""
    for name in list(logging.root.manager.loggerDict):  # Dask gives each of its own a level
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


# -- a client ----------------------------------------------------------------------------------------------------------


class Crew:
    """The workers of a scheduler, asked and listened to from one thread.  HostError where there is no scheduler."""

    def __init__(self, where: str, keys: Path | None) -> None:
        self.where = where
        self._settings = dask.config.set(_SETTINGS)
        _quiet()
        try:
            self._client = Client(
                where,
                security=security(where, keys) or {},
                set_as_default=False,
                timeout=_CONNECT_SECONDS,
                name=f"gilometer-{os.getpid()}",
            )
        except (OSError, TimeoutError) as error:
            raise HostError(
                f"no scheduler at {where}, or none that lets us in", hint="inv scheduler starts one."
            ) from error
        self._events: queue.SimpleQueue[Future[bytes]] = queue.SimpleQueue()
        self._receipts: queue.SimpleQueue[Future[bytes]] = queue.SimpleQueue()
        self._futures: dict[str, Future[bytes]] = {}
        self._offers: dict[str, Offer] = {}

    def offers(self) -> Mapping[str, Offer]:
        """What is offered now, by the address of the worker.  SchedulerGoneError where nobody answers."""
        self._check()
        try:
            there = self._client.nthreads()
            if not there.keys() <= self._offers.keys():
                workers = self._client.scheduler_info(n_workers=-1)["workers"]
                self._offers |= {
                    name: msgspec.json.decode(known[_OFFER], type=Offer)
                    for name, known in workers.items()
                    if name not in self._offers and _OFFER in known
                }
        except (OSError, TimeoutError, CancelledError, RuntimeError, AttributeError) as error:
            raise SchedulerGoneError(str(error)) from error
        return {name: self._offers[name] for name in there if name in self._offers}

    def ask(self, worker: str, task: BlockTask) -> None:
        """Have a worker execute a task; what becomes of it is told by `events`."""
        self._submit(measure, worker, task.key, msgspec.json.encode(task)).add_done_callback(self._events.put)

    def send(self, worker: str, parcel: Parcel) -> None:
        """Give a worker a parcel; what becomes of it is told by `receipts`."""
        self._submit(receive, worker, parcel.key, msgspec.msgpack.encode(parcel)).add_done_callback(self._receipts.put)

    def _submit(self, what: Callable[[bytes], bytes], worker: str, key: str, data: bytes) -> Future[bytes]:
        try:
            future = self._client.submit(
                what,
                data,
                key=f"{key}/{secrets.token_hex(3)}",
                workers=[worker],
                allow_other_workers=False,
                resources={"slot": 1},
                pure=False,
                retries=0,
            )
        except (OSError, RuntimeError, AttributeError) as error:
            raise SchedulerGoneError(str(error)) from error
        self._futures[key] = future
        return future

    def events(self, seconds: float) -> Iterator[Answer | Unanswered]:
        """What has come, waited for as long.  SchedulerGoneError where nothing more will."""
        return self._ended(self._events, seconds, _ANSWERS)

    def receipts(self, seconds: float) -> Iterator[Receipt | Unanswered]:
        """The same of parcels."""
        return self._ended(self._receipts, seconds, _RECEIPTS)

    def _ended(
        self, ended: queue.SimpleQueue[Future[bytes]], seconds: float, decoder: _Decoder[_T]
    ) -> Iterator[_T | Unanswered]:
        futures: list[Future[bytes]] = []
        with contextlib.suppress(queue.Empty):
            futures.append(ended.get(timeout=seconds))
            while len(futures) < _AT_ONCE:
                futures.append(ended.get_nowait())
        fetched = self._fetched([one for one in futures if one.status == "finished"])
        for future in futures:
            key = str(future.key).rpartition("/")[0]
            self._futures.pop(key, None)
            data = fetched.get(future.key) or _result(key, future)
            try:
                yield decoder.decode(data) if isinstance(data, bytes) else data
            except msgspec.MsgspecError as error:
                yield Unanswered(key=key, why=f"its answer is damaged: {error}")
        self._check()

    def _fetched(self, futures: Sequence[Future[bytes]]) -> dict[Any, bytes]:
        """Results by key, in one journey for all; empty where that fails, since it does not say for whom."""
        if len(futures) < 2:
            return {}

        async def gathered() -> list[bytes]:
            return list(await self._client.gather(list(futures), asynchronous=True))

        loop: asyncio.AbstractEventLoop = self._client.loop.asyncio_loop  # type: ignore[union-attr]
        waiting = asyncio.run_coroutine_threadsafe(gathered(), loop)
        try:
            return dict(zip([one.key for one in futures], waiting.result(_CONNECT_SECONDS), strict=True))
        except Exception:  # a worker that left meanwhile, or is silent: each is asked for by itself
            waiting.cancel()
            return {}

    def forget(self, key: str) -> None:
        """No answer to this attempt is wanted any more."""
        if future := self._futures.pop(key, None):
            future.release()

    def publish(self, run: str, data: bytes) -> None:
        """Leave a note on a run with the scheduler, for `inv fleet status`."""
        self._check()
        try:
            self._client.set_metadata([_OFFER, run], data.decode())
        except (OSError, TimeoutError, CancelledError, RuntimeError, AttributeError) as error:
            raise SchedulerGoneError(str(error)) from error

    def published(self) -> Mapping[str, bytes]:
        """The notes that were left, by run."""
        notes: Mapping[str, str] = self._client.get_metadata([_OFFER], default={})
        return {run: text.encode() for run, text in notes.items()}

    def executing(self) -> Mapping[str, tuple[str, ...]]:
        """Keys of the attempts that each worker has, by its address."""
        return {name: tuple(key.rpartition("/")[0] for key in keys) for name, keys in self._client.processing().items()}

    def close(self) -> None:
        """Leave; what was asked and not answered is not wanted any more."""
        self._futures.clear()
        self._client.close(timeout=2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check(self) -> None:
        """Not to wait for Dask to connect again: what it was asked is lost, so a new connection is as good."""
        if self._client.status != "running":
            raise SchedulerGoneError(f"the connection is {self._client.status}")


def _result(key: str, future: Future[bytes]) -> bytes | Unanswered:
    try:
        return future.result(timeout=_CONNECT_SECONDS)
    except CancelledError:
        return Unanswered(key=key, why="the scheduler went away")
    except Exception as error:  # whatever a worker raised: its block is measured again
        died = type(error).__name__ == "KilledWorker"
        why = "its worker died, or was silent for too long" if died else f"{type(error).__name__}: {error}"
        return Unanswered(key=key, why=why)
