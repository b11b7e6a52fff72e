"""What a hunt for races found: how often each job was done under stress, and what went wrong; nothing of time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.journal import BlockRecord, Calibration, Failure, JournalLine, Reason, Sample
from harness.model import Case, Run
from reports.words import count, listed, sharing

RACES = (Reason.WRONG_ANSWER, Reason.KILLED, Reason.CRASHED, Reason.TIMED_OUT)
"""How a race shows: a wrong answer, a crash, an exception, threads that wait for each other for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunt:
    """One case on one build."""

    case: Case
    build: str
    executions: int
    """Whole jobs whose answer was right, warm-ups included."""
    processes: int
    failures: tuple[Failure, ...]

    @property
    def races(self) -> tuple[Failure, ...]:
        """Failures that a race could be the reason of."""
        return tuple(failure for failure in self.failures if failure.reason in RACES)


def hunts(run: Run, journal: Iterable[JournalLine]) -> tuple[Hunt, ...]:
    """One per case and build, in the order of the plan."""
    samples: defaultdict[tuple[str, str], list[Sample]] = defaultdict(list)
    failures: defaultdict[tuple[str, str], list[Failure]] = defaultdict(list)
    for outcome in _outcomes(journal):
        match outcome:
            case Sample():
                samples[outcome.case, outcome.build].append(outcome)
            case Failure():
                failures[outcome.case, outcome.build].append(outcome)
    return tuple(
        Hunt(
            case=case,
            build=build,
            executions=sum(_executions(sample) for sample in samples[case.id, build]),
            processes=len(samples[case.id, build]),
            failures=tuple(failures[case.id, build]),
        )
        for case in run.plan.cases
        for build in run.plan.builds
    )


def _outcomes(journal: Iterable[JournalLine]) -> Iterator[Sample | Failure]:
    for line in journal:
        match line:
            case BlockRecord():
                yield from line.outcomes
            case Calibration(failure=Failure() as failure):
                yield failure


def _executions(sample: Sample) -> int:
    return sample.loops * (len(sample.warmups) + len(sample.settling) + len(sample.values))


def text(run: Run, journal: Iterable[JournalLine]) -> str:
    """A line for each case and build, and the sum."""
    found = hunts(run, journal)
    lines = [f"  {_line(hunt)}" for hunt in found]
    skipped = [f"  left out: {skip.case}: {skip.reason}" for skip in run.plan.skipped]
    return "\n".join([*lines, *skipped, "", verdict(found)])


def _line(hunt: Hunt) -> str:
    where = f"{hunt.case.workload}, {sharing(hunt.case)} on {hunt.build}"
    done = f"{count(hunt.executions, 'right answer')} in {count(hunt.processes, 'process')}"
    if not hunt.failures:
        return f"{where}: {done}"
    reasons = dict.fromkeys(f"{failure.reason}: {failure.message}" for failure in hunt.failures)
    return f"{where}: {done}, {count(len(hunt.failures), 'failure')}: {'; '.join(reasons)}"


def verdict(found: Iterable[Hunt]) -> str:
    """Whether a race was found, and in what."""
    every = tuple(found)
    racing = dict.fromkeys(hunt.case.workload for hunt in every if hunt.races)
    executions = count(sum(hunt.executions for hunt in every), "execution")
    if racing:
        return f"There is a race, or something else that only shows under stress, in {listed([*racing])}."
    if any(hunt.failures for hunt in every):
        return f"No race was found in {executions}, but something failed."
    return f"No race was found in {executions} under stress.  That is no proof that there is none."


def data(run: Run, journal: Iterable[JournalLine]) -> dict[str, Any]:
    """The same as plain data for `--json`."""
    found = hunts(run, journal)
    return {
        "run": run.id,
        "command": run.command,
        "verdict": verdict(found),
        "cases": [
            {
                "case": hunt.case.id,
                "build": hunt.build,
                "executions": hunt.executions,
                "processes": hunt.processes,
                "races": len(hunt.races),
                "failures": [{"reason": one.reason.value, "message": one.message} for one in hunt.failures],
            }
            for hunt in found
        ],
        "skipped": [{"case": skip.case, "reason": skip.reason} for skip in run.plan.skipped],
    }
