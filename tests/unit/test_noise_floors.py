"""Noise floors are kept per machine and case, and used where they are known."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from harness import floors
from harness.errors import RequestError
from harness.model import NoiseFloor
from tests import made_up

RUN = made_up.run()
HOST, CASES = RUN.host, RUN.plan.cases


def noise(case: int, change: float, run: str = "one") -> floors.Noise:
    return floors.Noise(case=CASES[case].id, change=change, build="3.13t", run=run)


def test_nothing_is_known_of_a_new_machine(tmp_path: Path) -> None:
    assert floors.known(tmp_path, HOST, CASES) == ()


def test_a_floor_is_the_largest_difference_of_the_last_five_in_that_case(tmp_path: Path) -> None:
    floors.learn(tmp_path, HOST, [noise(0, 0.09, "run 0"), noise(1, 0.001, "run 0")])
    for number in range(1, 6):
        floors.learn(tmp_path, HOST, [noise(0, 0.01 * number, f"run {number}")])
    assert floors.known(tmp_path, HOST, CASES) == (
        NoiseFloor(case=CASES[0].id, change=0.05),
        NoiseFloor(case=CASES[1].id, change=0.001),
    )


def test_a_run_that_was_resumed_counts_once(tmp_path: Path) -> None:
    floors.learn(tmp_path, HOST, [noise(0, 0.5)])
    floors.learn(tmp_path, HOST, [noise(0, 0.01)])
    assert floors.known(tmp_path, HOST, CASES) == (NoiseFloor(case=CASES[0].id, change=0.01),)


def test_another_machine_knows_nothing_of_it(tmp_path: Path) -> None:
    floors.learn(tmp_path, HOST, [noise(0, 0.5)])
    for change in ({"name": "bench-2"}, {"cpu_model": "another"}, {"memory": 1 << 40}):
        assert floors.known(tmp_path, msgspec.structs.replace(HOST, **change), CASES) == ()
    newer = msgspec.structs.replace(HOST, kernel="Linux 7", settings={})
    assert floors.known(tmp_path, newer, CASES), "the same machine after an upgrade"


def test_a_hostile_host_name_stays_in_the_folder(tmp_path: Path) -> None:
    floors.learn(tmp_path, msgspec.structs.replace(HOST, name="../../etc/passwd"), [noise(0, 0.5)])
    (written,) = (path for path in tmp_path.rglob("*") if path.is_file())
    assert written.parent == tmp_path / floors.FOLDER


def test_a_damaged_file_is_named_and_kept(tmp_path: Path) -> None:
    floors.learn(tmp_path, HOST, [noise(0, 0.5)])
    (path,) = (tmp_path / floors.FOLDER).iterdir()
    path.write_text("[{]")
    with pytest.raises(RequestError, match="is damaged"):
        floors.known(tmp_path, HOST, CASES)
    with pytest.raises(RequestError, match="is damaged"):
        floors.learn(tmp_path, HOST, [noise(0, 0.5)])
    assert path.read_text() == "[{]"
