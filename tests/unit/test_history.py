"""A history of made-up runs whose truth is known, what is wrong with a run, and the page over all of them."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from harness import archive, floors, store
from harness.errors import RequestError
from harness.journal import JournalLine, Reason
from harness.model import BuildFacts, Run
from reports import digest, index
from reports.digest import Broken, Digest
from reports.trends import History, history
from tests import made_up

HOSTILE = "</script><script>alert('x')</script><img src=x onerror=alert(1)>&\"{{ 7 * 7 }}"
WORKLOADS = (made_up.WORKLOADS[0], made_up.WORKLOADS[-1])


def _run(day: int, **changes: object) -> Run:
    """A run of two workloads on that day."""
    made = made_up.run(_pair("3.13.5"), workloads=WORKLOADS, threads=(1,))
    when = datetime.datetime(2025, 7, 1, 9, 30, tzinfo=datetime.UTC) + datetime.timedelta(days=day)
    return msgspec.structs.replace(made, **{"id": f"{when:%Y%m%d}-run", "created": when.isoformat(), **changes})


def _pair(release: str) -> tuple[BuildFacts, BuildFacts]:
    return made_up.build("3.13"), made_up.build("3.13t", release=release)


def _write(results: Path, run: Run, journal: tuple[JournalLine, ...]) -> Path:
    directory = store.create(results, run)
    lines = (msgspec.json.encode(line) + b"\n" for line in journal)
    (directory / store.OUTCOMES).write_bytes(b"".join(lines))
    return directory


def _journal(run: Run, cost: float = 1.24, seed: int = 1) -> tuple[JournalLine, ...]:
    return made_up.journal(run, made_up.truth(cost), seed=seed)


def _digest(run: Run, cost: float = 1.24, seed: int = 1) -> Digest:
    return digest.make(run.id, run, _journal(run, cost, seed))


def _years(slower: float = 1.0) -> list[Digest | Broken]:
    """Twelve runs, the last four with a new release that is so much slower."""
    return [
        _digest(_run(day, builds=_pair("3.13.6" if day >= 8 else "3.13.5")), 1.24 * (slower if day >= 8 else 1), day)
        for day in range(12)
    ]


@pytest.fixture(scope="module")
def found() -> History:
    return history(reversed(_years(1.1)))


def test_a_case_that_became_slower_is_found_with_what_changed(found: History) -> None:
    assert [run.run for run in found.runs] == sorted(run.run for run in found.runs), "the oldest first"
    ((family, trend, shift),) = found.shifts
    assert trend.name == "pure_python/cpu_bound, 1 thread, CPUs 0-1"
    assert (family.baseline, family.build) == ("3.13 (plain)", "3.13t (plain)")
    assert (shift.last.digest.run, shift.first.digest.run) == ("20250708-run", "20250709-run")
    assert shift.step.ratio == pytest.approx(1.1, abs=0.01)
    assert ("3.13t: release", "3.13.5", "3.13.6") in [(one.what, one.before, one.after) for one in shift.changes]
    assert not any(one.what.startswith("3.13: ") for one in shift.changes)
    assert "10 % slower than before relative to the baseline" in index.shift_sentence(shift)
    assert index.headline(found) == "12 runs: 1 step in the 2 trends of cases that were measured more than once"


def test_without_a_change_there_is_no_step() -> None:
    steady = history(_years())

    assert steady.trends == 2
    assert steady.shifts == []


@pytest.mark.parametrize(
    "change",
    [
        lambda run: {"host": msgspec.structs.replace(run.host, cpu_model="another")},
        lambda run: {"engine": msgspec.structs.replace(run.engine, kind="host")},
        lambda run: {"builds": tuple(msgspec.structs.replace(one, optimize="pgo-lto") for one in run.builds)},
    ],
    ids=["machine", "engine", "optimisation"],
)
def test_only_like_is_compared_with_like(change: Callable[[Run], dict[str, object]]) -> None:
    one, other = _run(1), _run(2)

    assert history([_digest(one), _digest(other)]).trends == 2
    assert history([_digest(one), _digest(msgspec.structs.replace(other, **change(other)))]).trends == 0


def test_a_host_of_another_name_is_the_same_machine() -> None:
    other = _run(2)
    other = msgspec.structs.replace(other, host=msgspec.structs.replace(other.host, name="bench-2"))

    assert history([_digest(_run(1)), _digest(other)]).trends == 2


def test_failures_and_runs_that_did_not_finish_are_told() -> None:
    run = _run(1)
    failure = made_up.failure(run, "numpy/inverse", "3.13t", Reason.CRASHED)

    told = digest.make("a", run, made_up.journal(run, failures=[failure], blocks=range(10), complete=False))

    assert told.troubles == ("5 samples failed: crashed", "not finished: 10 of 16 blocks")


def test_a_run_is_analysed_once_and_again_when_it_has_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = _run(1)
    directory = _write(tmp_path, run, _journal(run))
    first = digest.read(directory)
    calls = []
    make = digest.make

    def counted(*arguments: object) -> Digest:
        calls.append(arguments)
        return make(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(digest, "make", counted)
    assert digest.read(directory) == first
    assert calls == []
    with (directory / store.OUTCOMES).open("ab") as file:
        file.write(msgspec.json.encode(_journal(run)[-1]) + b"\n")
    assert isinstance(digest.read(directory), Digest)
    assert len(calls) == 1
    (directory / digest.DIGEST).write_text("{")
    assert isinstance(digest.read(directory), Digest)
    assert len(calls) == 2


def _damage(text: bytes) -> Callable[[Path], object]:
    return lambda directory: (directory / store.RUN).write_bytes(text)


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (_damage(b'{"schema": 1'), "run.json is damaged"),
        (_damage(b'{"schema": 99}'), "run.json has schema 99"),
        (lambda directory: (directory / store.RUN).unlink(), "is not a run: it has no run.json"),
        (lambda directory: (directory / store.OUTCOMES).write_text("{}\n"), "outcomes.jsonl, line 1, is damaged"),
    ],
)
def test_what_cannot_be_read_is_listed_with_the_reason(
    harm: Callable[[Path], object], reason: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for day in (1, 2):
        run = _run(day)
        broken = _write(tmp_path, run, _journal(run))
    harm(broken)
    (tmp_path / floors.FOLDER).mkdir()
    (tmp_path / floors.FOLDER / "host.json").write_text("[]")
    (tmp_path / "20250703-never-begun").mkdir()

    archive.history(str(tmp_path), as_json=True)

    said = json.loads(capsys.readouterr().out)
    assert [run["run"] for run in said["runs"]] == ["20250702-run"]
    assert [one["run"] for one in said["broken"]] == ["20250703-never-begun", "20250703-run"]
    assert reason in said["broken"][1]["reason"]
    page = (tmp_path / "index.html").read_text()
    assert "2 directories could not be read" in page
    assert "20250703-never-begun" in page


def test_a_run_that_makes_no_sense_keeps_nobody_from_being_listed(tmp_path: Path) -> None:
    run = _run(1)
    directory = _write(tmp_path, msgspec.structs.replace(run, created="yesterday"), _journal(run))

    read = digest.read(directory)

    assert isinstance(read, Broken)
    assert "cannot be analysed: ValueError" in read.reason


def test_an_empty_folder_has_no_history(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(RequestError, match="there is no run in"):
            archive.history(str(folder))
    assert list(tmp_path.iterdir()) == []


def test_the_page_lists_every_run_and_links_to_those_with_a_page(found: History) -> None:
    html = index.render(found, {"20250701-run", "20250712-run"})

    for run in found.runs:
        assert run.run in html
    assert 'href="20250701-run/index.html"' in html
    assert 'href="20250702-run/index.html"' not in html
    assert html == index.render(found, {"20250701-run", "20250712-run"})
    assert html.count('class="trend"') == 2


def test_whatever_a_run_contains_is_text() -> None:
    workloads = (made_up.workload(f"pure_python/{HOSTILE}", threaded=False),)
    run = made_up.run(workloads=workloads, threads=(1,))
    hostile = msgspec.structs.replace(run, command=HOSTILE, host=msgspec.structs.replace(run.host, name=HOSTILE))
    read = [digest.make(name, hostile, made_up.journal(hostile, seed=3)) for name in (HOSTILE, "b")]

    html = index.render(history([*read, Broken(run=HOSTILE, reason=HOSTILE)]), {HOSTILE})

    assert html.count("<script>") == 1
    assert html.count("</script>") == 1
    assert "<img" not in html
    assert "&lt;img src=x" in html
    assert "{{ 7 * 7 }}" in html
    assert re.search(r"\w://(?!www\.w3\.org)", html) is None
