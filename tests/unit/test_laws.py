"""Scaling laws of speedups as a run finds them, in words and as a curve."""

import math
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from harness import stats
from harness.model import Case, Measure, Placement, Split, Strategy
from harness.scaling import Fit, Unfitted
from reports import laws
from reports.findings import Laws, Speedup

CPUS = tuple(range(16))
CONFIDENCE = 0.95


def case(workers: int, cpus: tuple[int, ...] = CPUS, strategy: Strategy = Strategy.THREADS) -> Case:
    return Case(
        id=f"pure_python/cpu_bound {strategy} threads={workers} cpus={cpus}",
        workload="pure_python/cpu_bound",
        strategy=strategy,
        threads=workers,
        cpus=cpus,
    )


def measured(
    sigma: float,
    kappa: float = 0.0,
    counts: Sequence[int] = (2, 4, 8, 16),
    *,
    cpus: tuple[int, ...] = CPUS,
    build: str = "3.14t",
    blocks: Sequence[int] = tuple(range(0, 48, 4)),
    noise: float = 0.004,
) -> list[Speedup]:
    """Speedups of a build whose law is known, measured in `blocks` of a plan."""
    rng = np.random.default_rng(1967)
    found: list[Speedup] = []
    for workers in counts:
        gain = workers / (1 + sigma * (workers - 1) + kappa * workers * (workers - 1))
        found.append(
            Speedup(
                case=case(workers, cpus),
                base=case(1, cpus, Strategy.SERIAL),
                build=build,
                planned=len(blocks),
                effect=stats.effect(math.log(gain) + rng.normal(0, noise, len(blocks))),
                blocks=tuple(blocks),
            )
        )
    return found


def only(members: Sequence[Speedup]) -> Laws:
    (found,) = laws.of(members, CONFIDENCE)
    return found


def words(members: Sequence[Speedup]) -> tuple[str, ...]:
    return laws.sentences(only(members))


# -- what is fitted ----------------------------------------------------------------------------------------------------


def test_a_family_is_fitted_with_both_laws() -> None:
    found = only(measured(0.04, 0.002))
    assert (found.build, found.case.threads, found.base.threads) == ("3.14t", 16, 1)
    assert isinstance(found.amdahl, Fit)
    assert isinstance(found.usl, Fit)
    assert found.usl.sigma.low < 0.04 < found.usl.sigma.high
    assert found.usl.kappa.low < 0.002 < found.usl.kappa.high
    assert [point.workers for point in found.usl.points] == [2, 4, 8, 16]


def test_builds_strategies_cpu_sets_and_measures_are_fitted_apart() -> None:
    several = [
        *measured(0.04),
        *measured(0.9, build="3.14"),
        *_of(measured(0.1), strategy=Strategy.PROCESSES),
        *measured(0.2, counts=(2, 4, 8), cpus=tuple(range(8))),
        *_of(measured(0.3), measure=Measure.CAPACITY),
        *_of(measured(0.4), placement=Placement.FREE),
        *_of(measured(0.5), split=Split.WHOLE),
    ]
    found = list(laws.of(several, CONFIDENCE))
    assert [one.amdahl.sigma.value for one in found if isinstance(one.amdahl, Fit)] == pytest.approx(
        [0.04, 0.9, 0.1, 0.2, 0.3, 0.4, 0.5], abs=0.005
    )


def _of(members: Sequence[Speedup], **fields: object) -> list[Speedup]:
    """The same speedups of other cases."""
    return [replace(one, case=msgspec.structs.replace(one.case, **fields)) for one in members]


def test_blocks_are_matched_by_their_indices() -> None:
    """In another order, each with its index, they are the same blocks; one that lacks a count has no value there."""
    members = measured(0.04, noise=0.02)
    straight = only(members).amdahl
    back = only([_chosen(member, slice(None, None, -1)) for member in members]).amdahl
    fewer = only([*members[:-1], _chosen(members[-1], slice(4, None))]).amdahl
    assert isinstance(straight, Fit)
    assert isinstance(back, Fit)
    assert isinstance(fewer, Fit)
    assert back.sigma == straight.sigma
    assert [point.blocks for point in fewer.points] == [12, 12, 12, 8]
    assert fewer.points[:3] == tuple(
        replace(point, fitted=other.fitted) for point, other in zip(straight.points, fewer.points[:3], strict=False)
    )


def _chosen(speedup: Speedup, blocks: slice) -> Speedup:
    """Some of the blocks of a speedup, or all in another order."""
    assert speedup.effect is not None
    return replace(speedup, effect=stats.effect(speedup.effect.logs[blocks]), blocks=speedup.blocks[blocks])


def test_indices_that_are_not_those_of_the_logs_are_refused() -> None:
    first, *rest = measured(0.04)
    with pytest.raises(ValueError, match="zip"):
        list(laws.of([replace(first, blocks=first.blocks[1:]), *rest], CONFIDENCE))


def test_what_is_undecided_does_not_count() -> None:
    first, *rest = measured(0.04, counts=(2, 4, 8))
    found = only([replace(first, decided=False), *rest])
    assert isinstance(found.amdahl, Fit)
    assert [point.workers for point in found.amdahl.points] == [4, 8]
    assert isinstance(found.usl, Unfitted)
    assert found.usl.counts == (4, 8)


def test_more_workers_than_cpus_do_not_count() -> None:
    found = only(measured(0.04, counts=(2, 4, 8, 16), cpus=(0, 1, 2, 3)))
    assert isinstance(found.amdahl, Fit)
    assert [point.workers for point in found.amdahl.points] == [2, 4]
    assert (found.case.threads, found.amdahl.most) == (16, 4)


# -- words -------------------------------------------------------------------------------------------------------------


def test_both_laws_in_words() -> None:
    amdahl, usl = words(measured(0.04, 0.0003))
    assert amdahl == (
        "Amdahl’s law on 3.14t, 2 to 16 threads: as if 4.4 % of the work were serial (95 % interval 4.4 % to 4.4 %); "
        "what was measured leaves the curve at 2 workers (0.5 % above), 4 (0.7 % above), 8 (1.0 % above) and 16 (0.8 % "
        "below)."
    )
    assert usl == (
        "Universal Scalability Law on 3.14t, 2 to 16 threads: contention 4.0 %, coherency 0.03 % (95 % intervals 3.9 % "
        "to 4.1 % and 0.03 % to 0.04 %); best at about 55 workers (50 to 62), beyond the 16 that were measured; no "
        "measured point leaves the curve."
    )


def test_a_law_names_what_shares_the_job() -> None:
    members = _of(measured(0.1, counts=(2, 4, 8, 32)), strategy=Strategy.PROCESSES, split=Split.WHOLE)
    amdahl, usl = words(members)
    assert amdahl.startswith("Amdahl’s law on 3.14t, 2 to 8 processes with a whole job each: as if 10")
    assert usl.startswith("Universal Scalability Law on 3.14t, 2 to 8 processes with a whole job each: contention ")


def test_a_best_number_among_those_measured_is_not_beyond_them() -> None:
    _, usl = words(measured(0.02, 0.02))
    assert "; best at about 7 workers (7 to 7); " in usl
    assert "beyond" not in usl


def test_without_coherency_no_number_is_best() -> None:
    _, usl = words(measured(0.04))
    assert "; no best number of workers is known, since coherency may be 0; " in usl


def test_where_threads_only_cost_one_worker_is_best() -> None:
    amdahl, usl = words(measured(1.0, 0.01))
    assert "as if 100.0 % of the work were serial" in amdahl
    assert "; best at about 1 worker" in usl


def test_a_point_that_leaves_the_curve_is_named_with_its_distance() -> None:
    members = measured(0.04)
    last = members[-1]
    assert last.effect is not None
    cliff = replace(last, effect=stats.effect([log - 0.4 for log in last.effect.logs]))
    amdahl, _ = words([*members[:-1], cliff])
    found = only([*members[:-1], cliff]).amdahl
    assert isinstance(found, Fit)
    first, *_, end = found.points
    assert first.residual > 0 > end.residual
    assert (
        f"; what was measured leaves the curve at 2 workers ({math.expm1(first.residual) * 100:.1f} % above), 4 ("
        in amdahl
    )
    assert amdahl.endswith(f" and 16 ({-math.expm1(end.residual) * 100:.1f} % below).")


def test_two_cpus_are_too_few_and_the_page_says_what_would_do() -> None:
    (only_one,) = words(measured(0.04, counts=(2,), cpus=(0, 1)))
    assert only_one == (
        "Amdahl’s law is not fitted: it needs two worker counts from 2 to the number of CPUs (2 here) with 6 blocks "
        "each, such as 1,2,4,8 on 8 CPUs; measured: 2."
    )
    _, usl = words(measured(0.04, counts=(2, 4), cpus=(0, 1, 2, 3)))
    assert "needs three worker counts" in usl
    assert usl.endswith("; measured: 2 and 4.")
    (nothing,) = words(measured(0.04, counts=(2,), cpus=(0, 1), blocks=(0, 1)))
    assert nothing.endswith("; measured: none.")


def test_without_one_worker_there_is_no_law() -> None:
    members = [replace(one, base=case(2)) for one in measured(0.04, counts=(4, 8, 16))]
    assert words(members) == ("No scaling law is fitted: nothing was measured with one worker.",)


# -- the curve ---------------------------------------------------------------------------------------------------------


def test_the_curve_is_the_laws_from_one_worker_to_the_most() -> None:
    found = only(measured(0.04, 0.002))
    assert isinstance(found.usl, Fit)
    workers, gains = zip(*laws.curve(found), strict=True)
    assert (len(workers), workers[0], workers[-1]) == (33, 1, 16)
    assert (gains[0], gains[-1]) == pytest.approx((1, found.usl.points[-1].fitted))
    assert gains == pytest.approx([found.usl.speedup(each).value for each in workers])


def test_the_curve_is_amdahls_where_the_other_law_needs_more_counts() -> None:
    found = only(measured(0.04, counts=(2, 4)))
    assert isinstance(found.amdahl, Fit)
    assert laws.curve(found)[-1] == pytest.approx((4, found.amdahl.speedup(4).value))


def test_without_a_law_there_is_no_curve() -> None:
    assert laws.curve(only(measured(0.04, counts=(2,)))) == ()
