"""What a hunt for races says."""

from __future__ import annotations

import msgspec

from harness.journal import Calibration, Failure, Reason
from harness.model import Run, Skipped
from reports import stress
from tests import made_up

RUN = made_up.run(workloads=made_up.WORKLOADS[:2], threads=(8,), blocks=2, values=4)
CASE = RUN.plan.cases[0].id


def failure(reason: Reason, build: str = "3.13t") -> Failure:
    return Failure(case=CASE, build=build, reason=reason, message="expected 4, got 3")


def test_right_answers_are_counted() -> None:
    found = stress.hunts(RUN, made_up.journal(RUN))
    loops, turns, blocks = 4, 1 + 4, 2
    assert [(hunt.case.threads, hunt.build, hunt.executions, hunt.processes) for hunt in found] == [
        (8, build, loops * turns * blocks, blocks) for _ in range(2) for build in ("3.13", "3.13t")
    ]
    assert stress.verdict(found) == (
        "No race was found in 160 executions under stress.  That is no proof that there is none."
    )


def test_a_wrong_answer_is_a_race_in_its_workload() -> None:
    journal = made_up.journal(RUN, failures=[failure(Reason.WRONG_ANSWER)])
    text = stress.text(RUN, journal)
    assert (
        f"{RUN.plan.workloads[0].name}, 8 threads on 3.13t: 0 right answers in 0 processes, 2 failures: wrong" in text
    )
    assert text.endswith(
        f"There is a race, or something else that only shows under stress, in {RUN.plan.workloads[0].name}."
    )
    (racing, *_) = [one for one in stress.data(RUN, journal)["cases"] if one["races"]]
    assert (racing["case"], racing["build"], racing["races"]) == (CASE, "3.13t", 2)


def test_an_engine_that_fails_is_no_race() -> None:
    text = stress.text(RUN, made_up.journal(RUN, failures=[failure(Reason.ENGINE)]))
    assert "There is a race" not in text
    assert text.endswith("but something failed.")


def test_what_was_left_out_is_named() -> None:
    skipped = Skipped(case="io/sleeps threads=1", reason="io/sleeps has no threads, so nothing can race")
    run: Run = msgspec.structs.replace(RUN, plan=msgspec.structs.replace(RUN.plan, skipped=(skipped,)))
    assert "left out: io/sleeps threads=1: io/sleeps has no threads" in stress.text(run, ())


def test_a_crash_before_the_first_value_counts_too() -> None:
    crash = failure(Reason.CRASHED, build="3.13")
    (hunt, *_) = stress.hunts(RUN, [Calibration(case=CASE, loops=0, seconds=0.1, failure=crash)])
    assert hunt.races == (crash,)
