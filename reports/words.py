"""Numbers in words.

"24 % slower" is 1.24 times the baseline's time; "24 % faster" means that the baseline takes 1.24 times as long.  From a
factor of 1.5 on it is written as a factor: "1.60× faster".  Of memory "12 % more" is 1.12 times what the baseline takes
and "12 % less" is 0.88 times, and a factor is "1.60× as much".
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.model import Case, Measure, Split, Strategy
from harness.stats import Effect, Verdict

_FACTOR = 1.5
"""From here on a change is written as a factor."""

_SHARING = {
    Strategy.SERIAL: "thread",
    Strategy.THREADS: "thread",
    Strategy.POOL: "thread",
    Strategy.PROCESSES: "process",
    Strategy.INTERPRETERS: "interpreter",
    Strategy.ASYNCIO: "asyncio task",
}

_OF_MEMORY = {Verdict.SLOWER: "more", Verdict.FASTER: "less"}


# -- changes -----------------------------------------------------------------------------------------------------------


def change(ratio: float, measure: Measure = Measure.TIME, *, precise: bool = False) -> str:
    """A ratio in words: 1.24 is "24 % slower" or "24 % more", 0.5 is "2.00× faster" or "50 % less"."""
    told = _told(ratio, measure)
    amount = _amount(told, as_factor=told >= _FACTOR, precise=precise)
    if not _shows(amount):
        return "no different"
    if measure is Measure.MEMORY:
        return f"{amount} {'as much' if told >= _FACTOR else 'more' if ratio > 1 else 'less'}"
    return f"{amount} {'slower' if ratio > 1 else 'faster'}"


def between(low: float, high: float, measure: Measure = Measure.TIME, *, precise: bool = False) -> str:
    """An interval of ratios in words: "22 % to 26 %", or "2 % faster to 3 % slower" where it includes 1."""
    if math.isnan(low):
        return "unknown"
    if low <= 1 <= high:
        ends = (change(end, measure, precise=precise) for end in (low, high))
        return " to ".join(ends).replace("no different", "0 %")
    near, far = sorted((_told(end, measure) for end in (low, high)), key=lambda told: abs(told - 1))
    as_factor = math.sqrt(near * far) >= _FACTOR
    return (
        f"{_amount(near, as_factor=as_factor, precise=precise)} to {_amount(far, as_factor=as_factor, precise=precise)}"
    )


def change_of(effect: Effect, measure: Measure = Measure.TIME) -> str:
    """The change that an effect is, as precise as its interval is narrow."""
    return change(effect.ratio, measure, precise=_is_precise(effect))


def ends(effect: Effect, measure: Measure = Measure.TIME) -> str:
    """The interval of an effect in words, without its name."""
    return between(effect.low, effect.high, measure, precise=_is_precise(effect))


def interval(effect: Effect, measure: Measure = Measure.TIME) -> str:
    """The interval of an effect in words."""
    return "one block, so no interval" if math.isnan(effect.low) else f"95 % interval {ends(effect, measure)}"


def verdict_on(measure: Measure, verdict: Verdict) -> str:
    """A verdict in the words of what was measured: memory is "more" or "less"."""
    return _OF_MEMORY.get(verdict, verdict.value) if measure is Measure.MEMORY else verdict.value


def _told(ratio: float, measure: Measure) -> float:
    """The factor that is told: of times the longer over the shorter, of memory always over the baseline's."""
    return ratio if measure is Measure.MEMORY else max(ratio, 1 / ratio)


def _amount(factor: float, *, as_factor: bool, precise: bool) -> str:
    return times(factor) if as_factor else f"{abs(factor - 1) * 100:.{int(precise)}f} %"


def _is_precise(effect: Effect) -> bool:
    """Whole per cents would hide a narrow interval."""
    return not math.isnan(effect.low) and effect.half_width < 0.015


def _shows(amount: str) -> bool:
    """Whether anything is left of it after rounding."""
    return any(digit in amount for digit in "123456789")


# -- quantities --------------------------------------------------------------------------------------------------------


def times(factor: float) -> str:
    """A speedup: "1.93×"."""
    return f"{factor:.2f}×"


def share(value: float) -> str:
    """A share or a relative difference: "4.2 %", "0.04 %"; what is there but too small to show is "below 0.01 %"."""
    if 0 < value < 0.00005:
        return "below 0.01 %"
    return f"{value * 100:.{2 if 0 < value < 0.00095 else 1}f} %"


def plus_minus(half_width: float) -> str:
    """A half-width: "±5 %", or "±5.3 %"; rounded up, so that what is too wide never looks narrow enough."""
    return f"±{math.ceil(round(half_width * 1000, 6)) / 10:g} %"


def seconds(value: float) -> str:
    """A duration with three significant digits and the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{_three_digits(value / size)} {unit}"
    return f"{_three_digits(value / 1e-9)} ns"


def duration(value: float) -> str:
    """A long time: "2 min 40 s"."""
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (rest, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number) or "0 s"


def size(value: float) -> str:
    """A number of bytes, in the unit that suits it."""
    for unit, bytes_ in (("GiB", 2**30), ("MiB", 2**20)):
        if value >= bytes_:
            return f"{_three_digits(value / bytes_)} {unit}"
    return f"{_three_digits(value / 2**10)} KiB"


def _three_digits(value: float) -> str:
    return f"{value:.{max(0, 2 - math.floor(math.log10(value)))}f}" if value > 0 else "0"


# -- lists -------------------------------------------------------------------------------------------------------------


def listed(words: Sequence[str]) -> str:
    """Words as a list in a sentence: "a, b and c"."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def count(number: int, noun: str) -> str:
    """A number with its noun: "1 block", "2 blocks", "2 processes"."""
    plural = "es" if noun.endswith("s") else "s"
    return f"{number} {noun}{plural * (number != 1)}"


def span(numbers: Sequence[int]) -> str:
    """The least and the most of some numbers: "8 to 16", or "8"."""
    return " to ".join(map(str, dict.fromkeys((min(numbers), max(numbers)))))


def printable(text: str) -> str:
    """Text without anything that a terminal would obey."""
    return "".join(one if one.isprintable() or one == "\n" else "\N{REPLACEMENT CHARACTER}" for one in text)


# -- cases -------------------------------------------------------------------------------------------------------------


def sharing(case: Case) -> str:
    """What shares the job of a case: "2 threads", "2 threads of a pool", "4 processes with a whole job each"."""
    pool = " of a pool" * (case.strategy is Strategy.POOL)
    whole = " with a whole job each" * (case.split is Split.WHOLE)
    return f"{count(case.threads, _SHARING[case.strategy or Strategy.SERIAL])}{pool}{whole}"
