"""Turns: one worker at a time, none waits for a dead one, none starts before all are ready."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.lockstep import Lockstep, Track, back_and_forth


@dataclass
class Player:
    """A worker's side of the protocol, in a thread."""

    seat: str
    path: Path
    log: list[tuple[str, str]]
    warmups: int = 1
    values: int = 3
    dies_before: int | None = None
    falls_silent_before: int | None = None
    late: float = 0.0
    connects: bool = True
    killed: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        threading.Thread(target=self._play, daemon=True).start()

    def _play(self) -> None:
        time.sleep(self.late)
        self.log.append((self.seat, "arrives"))
        if self.connects:
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as harness:
                harness.connect(str(self.path))
                harness.sendall(self.seat.encode() + b"\n")
                self._take_turns(harness)
        self.ended.set()

    def _take_turns(self, harness: socket.socket) -> None:
        turn = 0
        for phase in (self.warmups, self.values):
            for _ in range(phase):
                if turn == self.dies_before:
                    return
                if turn == self.falls_silent_before:
                    self.killed.wait(10)
                    return
                harness.sendall(b"?")
                if harness.recv(1) != b"!":
                    return
                self.log.append((self.seat, "begins"))
                time.sleep(0.002)
                self.log.append((self.seat, "ends"))
                turn += 1
            harness.sendall(b"=")
            harness.recv(1)
        self.log.append((self.seat, "free"))

    def poll(self) -> int | None:
        return 0 if self.ended.is_set() else None

    def output(self) -> str:
        return ""

    def kill(self) -> None:
        self.killed.set()


Table = tuple[dict[str, Track], list[tuple[str, str]], dict[str, Player]]


HOME = min(os.sched_getaffinity(0))


def play(
    tmp_path: Path,
    *make: Callable[[Path, list[tuple[str, str]]], Player],
    schedule: list[str] | None = None,
    timeout: float = 5.0,
) -> Table:
    log: list[tuple[str, str]] = []
    with Lockstep(tmp_path) as table:
        players = {player.seat: player for player in (one(table.path, log) for one in make)}
        for player in players.values():
            player.start()
        table.seat(players, timeout)
        tracks = table.take_turns(schedule or back_and_forth(list(players), 4), HOME)
        for player in players.values():
            player.ended.wait(5)
    return tracks, log, players


def test_one_worker_at_a_time_and_every_second_turn_backwards(tmp_path: Path) -> None:
    tracks, log, _ = play(tmp_path, lambda p, g: Player("a", p, g), lambda p, g: Player("b", p, g))
    turns = [seat for seat, what in log if what == "begins"]
    assert turns == ["a", "b", "b", "a", "a", "b", "b", "a"]
    taken = log[2:-2]  # after both arrived, before both are free
    for (seat, what), (next_seat, next_what) in zip(taken[::2], taken[1::2], strict=True):
        assert (seat, what, next_what) == (next_seat, "begins", "ends")
    assert [len(track.turns) for track in tracks.values()] == [4, 4]


def test_turns_follow_any_schedule(tmp_path: Path) -> None:
    schedule = ["b", "b", "b", "a", "b", "a", "a", "a"]
    tracks, log, _ = play(tmp_path, lambda p, g: Player("a", p, g), lambda p, g: Player("b", p, g), schedule=schedule)
    assert [seat for seat, what in log if what == "begins"] == schedule
    assert [len(track.turns) for track in tracks.values()] == [4, 4]


def test_between_turns_the_harness_is_on_the_workers_cpu(tmp_path: Path) -> None:
    allowed, seen = os.sched_getaffinity(0), []

    class Observed(list[str]):
        def __iter__(self) -> Iterator[str]:
            for seat in super().__iter__():
                seen.append(os.sched_getaffinity(0))
                yield seat

    tracks, _, _ = play(tmp_path, lambda p, g: Player("a", p, g), schedule=Observed(["a"] * 4))
    assert len(tracks["a"].turns) == 4
    assert seen[-4:] == [{HOME}] * 4
    assert os.sched_getaffinity(0) == allowed


def test_nobody_is_free_to_end_before_all_have_had_their_turns(tmp_path: Path) -> None:
    _, log, _ = play(tmp_path, lambda p, g: Player("a", p, g), lambda p, g: Player("b", p, g))
    assert {what for _, what in log[-2:]} == {"free"}


def test_no_turn_is_given_before_the_last_worker_is_ready(tmp_path: Path) -> None:
    _, log, _ = play(tmp_path, lambda p, g: Player("a", p, g), lambda p, g: Player("b", p, g, late=0.3))
    assert log.index(("b", "arrives")) < log.index(("a", "begins"))
    assert len([1 for seat, what in log if (seat, what) == ("b", "begins")]) == 4


def test_a_worker_that_dies_leaves_the_others_their_turns(tmp_path: Path) -> None:
    tracks, _, players = play(tmp_path, lambda p, g: Player("a", p, g, dies_before=2), lambda p, g: Player("b", p, g))
    assert len(tracks["a"].turns) < 4
    assert len(tracks["b"].turns) == 4
    assert not tracks["a"].silent
    assert not players["a"].killed.is_set()


def test_a_silent_worker_is_killed_and_the_others_go_on(tmp_path: Path) -> None:
    tracks, _, players = play(
        tmp_path,
        lambda p, g: Player("a", p, g, falls_silent_before=2),
        lambda p, g: Player("b", p, g),
        timeout=0.3,
    )
    assert tracks["a"].silent
    assert players["a"].killed.is_set()
    assert len(tracks["b"].turns) == 4


def test_a_worker_that_ends_without_a_word_is_not_waited_for(tmp_path: Path) -> None:
    tracks, _, _ = play(tmp_path, lambda p, g: Player("a", p, g, connects=False), lambda p, g: Player("b", p, g))
    assert tracks["a"].turns == []
    assert not tracks["a"].silent
    assert len(tracks["b"].turns) == 4


def test_a_worker_that_lives_but_never_gets_ready_is_killed(tmp_path: Path) -> None:
    tracks, _, players = play(
        tmp_path, lambda p, g: Player("a", p, g, late=2.0), lambda p, g: Player("b", p, g), timeout=0.3
    )
    assert tracks["a"].silent
    assert players["a"].killed.is_set()
    assert len(tracks["b"].turns) == 4
