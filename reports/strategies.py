"""Which way of sharing a job is the best one, for each workload, build and number of threads.

Ways are compared with each other in pairs within blocks, like everything else, and all pairs of a choice are judged
together: the best one of several looks better than it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

from harness import ratios, stats
from harness.model import Case, Measure, Run
from harness.planning import level
from harness.stats import Judgement
from reports.findings import MARGIN, Choice, Speedup, Way
from reports.records import Records


def choices(run: Run, records: Records, speedups: Sequence[Speedup]) -> Iterator[Choice]:
    """One per workload, CPU set, number of threads and build, where there is more than one way."""
    gains = {(speedup.case.id, speedup.build): speedup for speedup in speedups}
    families: defaultdict[tuple[str, tuple[int, ...], int], list[Case]] = defaultdict(list)
    for case in run.plan.cases:
        if case.measure is Measure.TIME and case.threads > 1:
            families[case.workload, case.cpus, case.threads].append(case)
    for cases in families.values():
        for build in run.plan.builds if len(cases) > 1 else ():
            if found := _choice(run, records, cases, build, gains):
                yield found


def _choice(
    run: Run, records: Records, cases: Sequence[Case], build: str, gains: dict[tuple[str, str], Speedup]
) -> Choice | None:
    """None where fewer than two ways were measured, or two of them never in the same block."""
    measured = [case for case in cases if records.of(case, build)]
    pairs = [(one, other, _logs(records, one, other, build)) for one, other in combinations(measured, 2)]
    if len(measured) < 2 or not all(logs for _, _, logs in pairs):
        return None
    effects = [stats.effect(logs, level(run.plan)) for _, _, logs in pairs]
    together = stats.judge(effects, margin=MARGIN, confidence=level(run.plan))
    judged = {(one.id, other.id): judgement for (one, other, _), judgement in zip(pairs, together, strict=True)}
    first = measured[0]
    logs = {case.id: 0.0 if case is first else judged[first.id, case.id].effect.log for case in measured}
    best, *_ = ranked = sorted(measured, key=lambda case: logs[case.id])
    return Choice(
        build=build,
        ways=tuple(
            Way(
                case=case,
                speedup=gains.get((case.id, build)),
                behind=None if case is best else logs[case.id] - logs[best.id],
                beaten=case is not best and _is_slower(judged, case, best),
            )
            for case in ranked
        ),
    )


def _logs(records: Records, one: Case, other: Case, build: str) -> list[float]:
    """Of each block that has both, the log ratio of times, `other` over `one`."""
    left, right = records.of(one, build), records.of(other, build)
    found = (ratios.builds(left[index], right[index], Measure.TIME) for index in left if index in right)
    return [stats.block_estimate(logs) for logs in found if len(logs)]


def _is_slower(judged: dict[tuple[str, str], Judgement], case: Case, best: Case) -> bool:
    """Whether it is known to be slower than the best one."""
    if found := judged.get((best.id, case.id)):
        return found.low > 1
    return judged[case.id, best.id].high < 1
