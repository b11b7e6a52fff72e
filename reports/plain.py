"""Findings as plain data for JSON, each by itself.  What is unknown is None."""

from __future__ import annotations

import math
from typing import Any

from harness.model import Case, Measure, cpu_list
from harness.scaling import Estimate, Fit, Unfitted
from harness.stats import Effect
from reports.accounts import RULES
from reports.evidence import Deepening, Failures, Irregularity, Ledger, Peak, Precision, Share
from reports.findings import Advice, Choice, Comparison, FalseAlarms, Laws, Parity, Speedup, Suite
from reports.words import verdict_on

Plain = dict[str, Any]


def comparison(one: Comparison) -> Plain:
    """A build against the baseline in one case."""
    return {
        **case(one.case),
        "build": one.build,
        **judged(one),
        "half_width": known(one.judgement.effect.half_width) if one.judgement else None,
        "detectable": known(one.judgement.mde) if one.judgement else None,
        "noise_floor": one.noise_floor or None,
        "below_noise_floor": one.is_below_floor,
        "blocks": len(one.blocks),
        "planned_blocks": one.planned,
        "confounders": list(one.confounders),
    }


def judged(one: Comparison) -> Plain:
    """Ratio, corrected interval and verdict alone."""
    if one.judgement is None:
        return {"ratio": None, "low": None, "high": None, "verdict": None}
    return {
        "ratio": one.judgement.effect.ratio,
        "low": known(one.judgement.low),
        "high": known(one.judgement.high),
        "verdict": verdict_on(one.case.measure, one.judgement.verdict),
    }


def suite(one: Suite) -> Plain:
    """A build against the baseline over several workloads."""
    return {
        "build": one.build,
        "category": one.category,
        "threads": one.threads,
        "cpus": cpu_list(one.cpus),
        "workloads": len(one.cases),
        "verdict": verdict_on(one.measure, one.judgement.verdict),
        **_effect(one.judgement.effect, "ratio"),
    }


def completion(one: Speedup) -> Plain:
    """Time to completion on more threads; what is undecided has no speedup, only what was measured."""
    answer = _effect(one.answer, "speedup")
    return {
        **case(one.case),
        "build": one.build,
        "from_threads": one.base.threads,
        **answer,
        "blocks": one.effect.n if one.effect else 0,
        "decided": one.decided,
        "measured": one.effect.ratio if one.effect else None,
        "turns": one.turns,
        "undisturbed_turns": one.undisturbed if one.gauged else None,
    }


def capacity(one: Speedup) -> Plain:
    """Work that gets done on more threads."""
    return {
        **case(one.case),
        "build": one.build,
        "from_threads": one.base.threads,
        **_effect(one.effect, "capacity"),
    }


def choice(one: Choice) -> Plain:
    """The ways of sharing a job on one build, the fastest first."""
    return {
        "build": one.build,
        "workload": one.best.case.workload,
        "threads": one.best.case.threads,
        "cpus": cpu_list(one.best.case.cpus),
        "ways": [
            {
                "case": way.case.id,
                "strategy": way.case.strategy.value if way.case.strategy else None,
                "behind": math.expm1(way.behind) if way.behind is not None else 0.0,
                "known_slower": way.beaten,
                **_effect(way.speedup.answer if way.speedup else None, "speedup"),
            }
            for way in one.ways
        ],
    }


def advice(one: Advice) -> Plain:
    """What to do with a workload; every ratio is the build's time over the baseline's."""
    return {
        **case(one.case),
        "build": one.build,
        "verdict": one.verdict.value if one.verdict else None,
        "best": one.best.id if one.best else None,
        "rival": one.rival.id if one.rival else None,
        "ratio": one.judgement.effect.ratio if one.judgement else None,
        "low": known(one.judgement.low) if one.judgement else None,
        "high": known(one.judgement.high) if one.judgement else None,
        "breaks_even": one.breaks_even,
        "never": one.never,
        "undecided_ways": sorted(one.open),
    }


def laws(one: Laws) -> Plain:
    """What was fitted to one build's speedups on one workload."""
    return {**case(one.case), "build": one.build, "amdahl": _fit(one.amdahl), "usl": _fit(one.usl)}


def _fit(fit: Fit | Unfitted) -> Plain | None:
    if isinstance(fit, Unfitted):
        return None
    return {
        "sigma": _estimate(fit.sigma),
        "kappa": _estimate(fit.kappa),
        "best": _estimate(fit.best) if fit.best else None,
        "points": [{"threads": point.workers, "fitted": point.fitted, "leaves": point.leaves} for point in fit.points],
    }


def _estimate(one: Estimate) -> Plain:
    return {"value": one.value, "low": one.low, "high": one.high}


def peak(one: Peak) -> Plain:
    """The most memory that was held, bytes."""
    return {**case(one.case), "build": one.build, "process_bytes": one.process, "container_bytes": one.container}


def false_alarms(one: FalseAlarms) -> Plain:
    """A build that was compared with itself."""
    return {
        "build": one.build,
        "baseline": one.baseline,
        "measure": one.measure.value,
        "cpus": cpu_list(one.cpus),
        "blocks": one.blocks,
        "comparisons": one.comparisons,
        "called_different": one.called,
        "share": one.called / one.comparisons if one.comparisons else None,
        "low": known(one.low),
        "high": known(one.high),
        "cases": [
            {
                "case": case.case.id,
                "comparisons": case.comparisons,
                "called_different": case.called,
                "noise": case.noise,
            }
            for case in one.cases
        ],
    }


def precision(one: Precision) -> Plain:
    """What became of the blocks of a workload in a run that stops at a target."""
    return {
        **_group(one.workload, one.measure, one.cpus),
        "blocks": one.blocks,
        "half_width": one.half_width,
        "reason": one.reason.value,
        "needed_blocks": one.needed,
        "needed_seconds": one.seconds,
    }


def deepening(one: Deepening) -> Plain:
    """How many values a worker measured, and why."""
    return {
        **_group(one.workload, one.measure, one.cpus),
        "planned_values": one.planned,
        "values": one.values,
        "deviation_within_blocks": one.within,
        "deviation_between_blocks": one.between,
        "block_seconds": one.block_seconds,
        "value_seconds": one.value_seconds,
    }


def ledger(one: Ledger) -> Plain:
    """What else happened on the machine, and what it made invalid."""
    return {
        "measurements": len(one.blocks),
        "invalid": one.invalid,
        "rules": [
            {"rule": rule.value, "invalid_when": text, "invalid": one.broken[rule]} for rule, text in RULES.items()
        ],
        "remeasured_blocks": one.remeasured,
        "lost_blocks": list(one.lost),
        "stolen": _share(one.stolen),
        "others": _share(one.others),
        "load": one.load,
        "megahertz": list(one.megahertz) if one.megahertz else None,
        "celsius": one.celsius,
        "containers": one.containers,
        "blocks": [
            {
                "block": block.block,
                "started": block.started,
                "stolen": block.stolen,
                "others": block.others,
                "invalid": [rule.value for rule in block.invalid],
            }
            for block in one.blocks
        ],
    }


def parity(one: Parity) -> Plain:
    """How alike two builds are."""
    return {
        "build": one.build,
        "baseline": one.baseline,
        "compared": one.compared,
        "confounded_by": [
            {"what": difference.what, "baseline": difference.baseline, "build": difference.build}
            for difference in one.differences
        ],
    }


def failure(one: Failures) -> Plain:
    """What failed."""
    return {
        "case": one.case,
        "build": one.build,
        "reason": one.reason.value,
        "message": one.message,
        "blocks": list(one.blocks),
    }


def irregularity(one: Irregularity) -> Plain:
    """What is wrong without being a failure."""
    return {"kind": one.kind.value, "subject": one.subject, "text": one.text, "blocks": list(one.blocks)}


def known(value: float) -> float | None:
    """JSON has no nan."""
    return None if math.isnan(value) else value


def case(one: Case) -> Plain:
    """What belongs to a case names it with these."""
    return {
        "case": one.id,
        "workload": one.workload,
        "strategy": one.strategy.value if one.strategy else None,
        "threads": one.threads,
        "placement": one.placement.value,
        "split": one.split.value,
        "cpus": cpu_list(one.cpus),
    }


def _group(workload: str, measure: Measure, cpus: tuple[int, ...]) -> Plain:
    return {"workload": workload, "measure": measure.value, "cpus": cpu_list(cpus)}


def _effect(effect: Effect | None, name: str) -> Plain:
    if effect is None:
        return {name: None, "low": None, "high": None, "blocks": 0}
    return {name: effect.ratio, "low": known(effect.low), "high": known(effect.high), "blocks": effect.n}


def _share(share: Share | None) -> Plain | None:
    return {"overall": share.overall, "highest": share.highest} if share else None
