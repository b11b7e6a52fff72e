"""What else happened on the machine, as it was counted."""

from __future__ import annotations

import msgspec
import pytest

from harness.journal import BlockRecord, Disturbance, JournalLine, Noise, Settled, Stop
from harness.model import Block, Measure
from reports.analysis import analyse
from reports.evidence import Oddity
from tests import made_up


def test_shares_are_of_the_cpu_time_of_the_blocks() -> None:
    run = made_up.run(blocks=2)

    def happened(block: Block, attempt: int) -> tuple[Noise | None, tuple[Disturbance, ...]]:
        return made_up.beside(block, stolen=0.04 if block.index == 3 else 0.0, others=0.01 * block.index), ()

    ledger = analyse(run, made_up.journal(run, happened=happened)).ledger

    assert ledger.stolen is not None
    assert ledger.others is not None
    assert (ledger.stolen.overall, ledger.stolen.highest) == pytest.approx((0.04 / 12, 0.04))
    assert (ledger.others.overall, ledger.others.highest) == pytest.approx((0.055, 0.11))
    assert [block.block for block in ledger.blocks] == list(range(12))
    assert [block.stolen for block in ledger.blocks] == pytest.approx([0.04 * (index == 3) for index in range(12)])


def test_what_could_not_be_read_is_unknown() -> None:
    run = made_up.run(blocks=2)

    ledger = analyse(run, made_up.journal(run, happened=lambda block, attempt: (None, ()))).ledger

    assert (ledger.stolen, ledger.others, ledger.load) == (None, None, None)
    assert (ledger.megahertz, ledger.celsius, ledger.containers) == (None, None, None)
    assert {(block.stolen, block.others) for block in ledger.blocks} == {(None, None)}


def test_extremes_are_kept() -> None:
    run = made_up.run(blocks=1)
    readings = iter([(2000.0, 50.0, 0), (2600.5, 61.0, 2), (None, None, None)] * 2)

    def happened(block: Block, attempt: int) -> tuple[Noise | None, tuple[Disturbance, ...]]:
        megahertz, celsius, containers = next(readings)
        noise = made_up.beside(block)
        return msgspec.structs.replace(noise, megahertz=megahertz, celsius=celsius, containers=containers), ()

    ledger = analyse(run, made_up.journal(run, happened=happened)).ledger

    assert (ledger.megahertz, ledger.celsius, ledger.containers) == ((2000.0, 2600.5), 61.0, 2)
    assert ledger.load == pytest.approx(0.25 + 5 / 100)


def test_a_block_without_time_has_shares_nevertheless() -> None:
    run = made_up.run(blocks=1, workloads=made_up.WORKLOADS[:1])

    def happened(block: Block, attempt: int) -> tuple[Noise | None, tuple[Disturbance, ...]]:
        return msgspec.structs.replace(made_up.beside(block), seconds=0.0, stolen=0.02), ()

    stolen = analyse(run, made_up.journal(run, happened=happened)).ledger.stolen
    assert stolen is not None
    assert (stolen.overall, stolen.highest) == pytest.approx((0.1, 0.1))


def test_invalid_measurements_are_counted_by_rule_and_by_what_became_of_the_block() -> None:
    run = made_up.run()
    lost = made_up.disturbed(5, times=3, rule=Disturbance.CROWDED)

    def happened(block: Block, attempt: int) -> tuple[Noise | None, tuple[Disturbance, ...]]:
        found = lost(block, attempt)
        return found if found[1] else made_up.disturbed(3, 7)(block, attempt)

    findings = analyse(run, made_up.journal(run, happened=happened))

    ledger = findings.ledger
    assert (len(ledger.blocks), ledger.invalid, ledger.remeasured, ledger.lost) == (48 + 2 + 2, 5, 2, (5,))
    assert {rule: number for rule, number in ledger.broken.items() if number} == {
        Disturbance.STOLEN: 2,
        Disturbance.CROWDED: 3,
    }
    (irregularity,) = findings.irregularities
    assert (irregularity.kind, irregularity.blocks) == (Oddity.INVALID_BLOCKS, (5,))
    assert findings.coverage.blocks == 47


def test_a_block_that_was_invalid_and_then_not_needed_is_not_lost() -> None:
    run = made_up.run(workloads=made_up.WORKLOADS[:1], blocks=9)
    run = msgspec.structs.replace(run, plan=msgspec.structs.replace(run.plan, target=0.05))
    journal = [
        line
        for line in made_up.journal(run, happened=made_up.disturbed(8))
        if not (isinstance(line, BlockRecord) and line.index == 8 and not line.invalid)
    ]
    settled = Settled(cases=run.plan.blocks[0].group, blocks=8, half_width=0.01, reason=Stop.TARGET)

    findings = analyse(run, (*journal, settled))

    assert (findings.ledger.invalid, findings.ledger.lost, findings.irregularities) == (1, (), ())


def test_peaks_are_medians_over_valid_blocks() -> None:
    run = made_up.run(workloads=made_up.WORKLOADS[:1], threads=(1,), measures=(Measure.MEMORY,), blocks=3)
    journal: tuple[JournalLine, ...] = made_up.journal(run, noise=0.0, happened=made_up.disturbed(1))

    peaks = {peak.build: (peak.process, peak.container) for peak in analyse(run, journal).peaks}

    assert peaks == {"3.13": (20 * 2**20, 5 * 2**20), "3.13t": (24 * 2**20, 9 * 2**20)}
