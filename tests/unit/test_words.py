"""Numbers in words, of times and of memory."""

from __future__ import annotations

import pytest

from harness.model import Measure
from harness.stats import Verdict
from reports.words import between, change, duration, seconds, share, verdict_on


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (1.24, "24 % slower"),
        (1 / 1.24, "24 % faster"),
        (1.5, "1.50× slower"),
        (0.25, "4.00× faster"),
        (1.0, "no different"),
        (0.999, "no different"),
    ],
)
def test_a_change_in_words(ratio: float, words: str) -> None:
    assert change(ratio) == words


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (1.22, 1.26, "22 % to 26 %"),
        (1 / 1.26, 1 / 1.22, "22 % to 26 %"),
        (0.5, 0.625, "1.60× to 2.00×"),
        (1.45, 1.7, "1.45× to 1.70×"),
        (0.98, 1.03, "2 % faster to 3 % slower"),
        (0.999, 1.03, "0 % to 3 % slower"),
        (float("nan"), float("nan"), "unknown"),
    ],
)
def test_an_interval_in_words(low: float, high: float, words: str) -> None:
    assert between(low, high) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [(12.345, "12.3 s"), (1.0, "1.00 s"), (0.0201, "20.1 ms"), (3.5e-6, "3.50 µs"), (4.2e-8, "42.0 ns"), (0.0, "0 ns")],
)
def test_seconds_have_three_digits_and_a_unit(value: float, words: str) -> None:
    assert seconds(value) == words


@pytest.mark.parametrize(("value", "words"), [(0.2, "0 s"), (59.6, "1 min"), (160, "2 min 40 s"), (7260, "2 h 1 min")])
def test_durations(value: float, words: str) -> None:
    assert duration(value) == words


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (1.12, "12 % more"),
        (0.88, "12 % less"),
        (1.6, "1.60× as much"),
        (0.5, "50 % less"),
        (1.0, "no different"),
        (0.999, "no different"),
    ],
)
def test_a_change_of_memory_is_told_against_what_the_baseline_takes(ratio: float, words: str) -> None:
    assert change(ratio, Measure.MEMORY) == words


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (1.11, 1.13, "11 % to 13 %"),
        (0.88, 0.92, "8 % to 12 %"),
        (0.3, 0.4, "60 % to 70 %"),
        (1.5, 1.8, "1.50× to 1.80×"),
        (0.98, 1.03, "2 % less to 3 % more"),
        (float("nan"), float("nan"), "unknown"),
    ],
)
def test_an_interval_of_memory_in_words(low: float, high: float, words: str) -> None:
    assert between(low, high, Measure.MEMORY) == words


def test_no_verdict_on_memory_is_about_speed() -> None:
    assert [verdict_on(Measure.MEMORY, verdict) for verdict in Verdict] == ["less", "more", "same", "undecided"]
    assert [verdict_on(Measure.TIME, verdict) for verdict in Verdict] == ["faster", "slower", "same", "undecided"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "0.0 %"),
        (0.00001, "below 0.01 %"),
        (0.0004, "0.04 %"),
        (0.00099, "0.1 %"),
        (0.042, "4.2 %"),
        (1.5, "150.0 %"),
    ],
)
def test_a_share_that_is_there_never_reads_zero(value: float, words: str) -> None:
    assert share(value) == words
