"""From a run and its journal to findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from harness.journal import JournalLine
from harness.model import Run
from harness.planning import level
from reports import advice, effects, laws, measured, parity, strategies
from reports.findings import Findings, Parity
from reports.records import needed, sort


def analyse(run: Run, journal: Iterable[JournalLine]) -> Findings:
    """Everything that a report of this run says.  The same run and journal give the same findings, to the last bit."""
    records = sort(journal)
    blocks = needed(run, records)
    planned = Counter(case for block in blocks for case in block.cases)
    pairs = tuple(_parity(run))
    comparisons = tuple(effects.of_times(run, records, planned, pairs))
    memories = tuple(effects.of_memory(run, records, planned, pairs))
    containers = effects.of_containers(run, records, planned, pairs)
    speedups = tuple(effects.completions(run, records, planned))
    capacities = tuple(effects.capacities(run, records, planned))
    # A run stops on speedups only where there is nothing else.
    gains = capacities if len(run.plan.builds) > 1 else (*speedups, *capacities)
    return Findings(
        run=run,
        comparisons=comparisons,
        suites=tuple(effects.suites(comparisons, level(run.plan))),
        speedups=speedups,
        capacities=capacities,
        choices=tuple(strategies.choices(run, records, speedups)),
        advice=tuple(advice.of(run, pairs, comparisons, speedups, memories)),
        laws=tuple(laws.of((*speedups, *capacities), level(run.plan))),
        memories=memories,
        container_memories=tuple(one for one in containers if one.judgement),
        memory_suites=tuple(effects.suites(memories, level(run.plan))),
        false_alarms=tuple(effects.false_alarms((*comparisons, *memories), pairs)),
        peaks=tuple(measured.peaks(run, records)),
        ledger=measured.ledger(run, records, blocks),
        series=tuple(measured.series(run, records)),
        proofs=tuple(measured.proofs(run, records)),
        failures=tuple(measured.failures(records)),
        irregularities=tuple(measured.irregularities(run, records, blocks)),
        parity=pairs,
        coverage=measured.coverage(run, records, blocks),
        precisions=tuple(effects.precisions(run, records, (*comparisons, *memories), gains)),
        deepenings=tuple(effects.deepenings(run, records)),
    )


def _parity(run: Run) -> Iterator[Parity]:
    """Each contender and the baseline, where there are facts of both."""
    facts = {build.build.name: build for build in run.builds}
    baseline, *contenders = run.plan.builds
    for build in contenders:
        if baseline in facts and build in facts:
            yield parity.parity(facts[baseline], facts[build], run.plan.workloads)
