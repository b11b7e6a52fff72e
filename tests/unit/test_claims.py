"""Published numbers as data: what rounding leaves open, what is refused, and what claims need."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import builds, claims, specs
from harness.claims import Claim, Place, Publication, Range, Reading
from harness.errors import RequestError
from harness.model import Measure, Source, Split, Strategy

ROOT = Path(__file__).parents[2]
PUBLISHED = claims.load(ROOT / "reports" / "published")

HEAD = """
title = "T"
author = "A"
about = "B"
conditions = "C"
tolerance = 0.05
because = "D"
"""
CLAIM = """
[[claims]]
id = "one"
says = "S"
workload = "pure_python/cpu_bound"
slow = { build = "3.14t" }
fast = { build = "3.14t", threads = 2 }
"""


def claim(**fields: object) -> Claim:
    return Claim(id="one", says="", workload="w", slow=Place(build="3.14"), fast=Place(build="3.14t"), **fields)  # type: ignore[arg-type]


def test_seconds_leave_open_what_they_were_rounded_from() -> None:
    found = claim(seconds=("2.45", "1.28")).published
    assert found.low == pytest.approx(2.445 / 1.285)
    assert found.high == pytest.approx(2.455 / 1.275)
    assert found.low < 1.91 < found.high


def test_a_number_of_few_digits_leaves_much_open() -> None:
    assert claim(seconds=("1.2", "1.2")).published == Range(pytest.approx(1.15 / 1.25), pytest.approx(1.25 / 1.15))  # type: ignore[arg-type]
    assert claim(ratio=("0.99",)).published == Range(pytest.approx(0.985), pytest.approx(0.995))  # type: ignore[arg-type]
    assert claim(ratio=("3",)).published == Range(2.5, 3.5)


def test_seconds_of_several_jobs_are_compared_per_job() -> None:
    found = claim(seconds=("1.61", "1.58"), jobs=(1, 2), split=Split.WHOLE).published
    assert found.middle == pytest.approx(2 * 1.61 / 1.58, rel=1e-4)
    assert found.low == pytest.approx(2 * 1.605 / 1.585)


def test_a_claim_may_have_a_tolerance_of_its_own() -> None:
    strict, lax = claim(ratio=("1.10",), tolerance=0.01), claim(ratio=("1.10",))
    publication = Publication(
        title="T", author="A", about="B", conditions="C", tolerance=0.05, because="D", claims=(strict, lax)
    )
    assert publication.accepts(strict) == strict.published.widened(0.01)
    assert publication.accepts(lax) == lax.published.widened(0.05)


def test_another_reading_changes_how_work_is_given_and_nothing_else() -> None:
    one = claim(ratio=("3.1",), split=Split.WHOLE, beside=Reading(says="shared", strategy=Strategy.POOL))
    itself, other = one.readings
    assert itself is one
    assert (other.split, other.beside, other.ratio) == (Split.SHARE, None, one.ratio)
    assert [(place.build, place.strategy) for place in other.places] == [
        ("3.14", Strategy.POOL),
        ("3.14t", Strategy.POOL),
    ]
    assert [*claim(ratio=("1",)).readings] == [claim(ratio=("1",))]


def test_a_range_keeps_its_ends() -> None:
    found = claim(ratio=("1.10", "1.15")).published
    assert [found.low, found.high] == pytest.approx([1.095, 1.155])


def test_tolerance_widens_both_ends_alike() -> None:
    found = Range(1.0, 2.0).widened(0.1)
    assert [found.low, found.high] == pytest.approx([1 / 1.1, 2.2])
    assert found.middle == pytest.approx(2**0.5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "needs either two seconds or a ratio"),
        ('seconds = ["2.45"]', "needs either two seconds or a ratio"),
        ('seconds = ["2.45", "1.28"]\nratio = ["1.9"]', "needs either two seconds or a ratio"),
        ('ratio = ["1.9x"]', '"1.9x" is not a number'),
        ('seconds = ["2.45", "0.00"]', '"0.00" is not a number'),
        ('ratio = ["1.9"]\ncontradicts = ["two"]', "contradicts two, which there is not"),
        ('ratio = ["1.9"]\nseconds_ = []', "cannot be read"),
        ('ratio = ["1.9"]\ntolerance = 0.0', "tolerance of 0.0, which is not above 0"),
        ('ratio = ["1.9"]\nsplit = "whole"\nmeasure = "memory"', "about memory, of which there is one job only"),
        ('seconds = ["2", "1"]\njobs = [0, 1]', "has seconds of 0 jobs"),
    ],
)
def test_a_claim_that_says_nothing_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "source.toml").write_text(HEAD + CLAIM + text)
    with pytest.raises(RequestError, match=r"source\.toml") as caught:
        claims.load(tmp_path)
    assert said in caught.value.message


def test_twins_and_places_that_are_the_same_are_refused(tmp_path: Path) -> None:
    good = CLAIM + 'ratio = ["1.9"]\n'
    (tmp_path / "source.toml").write_text(HEAD + good + good)
    with pytest.raises(RequestError, match="two claims one"):
        claims.load(tmp_path)
    (tmp_path / "source.toml").write_text(HEAD + good.replace(", threads = 2", ""))
    with pytest.raises(RequestError, match="compares a place with itself"):
        claims.load(tmp_path)


def test_claims_share_a_run_where_one_has_all_their_builds() -> None:
    def about(*names: str) -> Claim:
        slow, fast = Place(build=names[0]), Place(build=names[-1], threads=2)
        return Claim(id="-".join(names), says="", workload="w", slow=slow, fast=fast)

    names = {name: name for name in ("3.13", "3.14", "3.14t")}
    wanted = [about("3.14t"), about("3.13", "3.14"), about("3.14", "3.14t"), about("3.13", "3.14t")]
    found = claims.parts(wanted, names)
    assert {part.builds: [one.id for one in part.claims] for part in found} == {
        ("3.13", "3.14"): ["3.13-3.14"],
        ("3.13", "3.14t"): ["3.14t", "3.13-3.14t"],
        ("3.14", "3.14t"): ["3.14-3.14t"],
    }


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_published_names_builds_and_workloads_that_there_are(name: str) -> None:
    known = specs.load_workloads(ROOT / "workloads")
    catalogue = builds.load()
    for one in PUBLISHED[name].claims:
        chosen = specs.select_workloads(one.workload, known)
        assert chosen
        for place in (place for way in one.readings for place in way.places):
            (build,) = builds.resolve([place.build], catalogue)
            assert build.source is not Source.HOST
            for workload in chosen:
                assert place.threads == 1 or place.strategy in workload.strategies, one.id
                assert all(way.split in workload.splits for way in one.readings)
                assert one.measure is not Measure.CAPACITY
        assert one.published.low < one.published.high


def test_whole_jobs_have_another_reading_beside_them() -> None:
    """Where a source gives every thread a whole job, the fair version is measured as well."""
    for publication in PUBLISHED.values():
        for one in publication.claims:
            assert (one.beside is not None) is (one.split is Split.WHOLE), one.id


def test_what_stands_for_a_suite_is_the_same_everywhere_and_said() -> None:
    suites = [one for source in PUBLISHED.values() for one in source.claims if "pyperformance:short" in one.workload]
    assert len(suites) > 10
    assert all("pyperformance:short" in one.reading for one in suites)


def test_contradictions_are_said_on_both_sides() -> None:
    for publication in PUBLISHED.values():
        by_id = {one.id: one for one in publication.claims}
        for one in publication.claims:
            for other in one.contradicts:
                assert one.id in by_id[other].contradicts
                mine, theirs = one.published, by_id[other].published
                assert mine.high < theirs.low or theirs.high < mine.low


def test_the_article_has_its_ten_rows() -> None:
    rows = {"threads-2", "threads-4", "gil-2", "gil-4", "records-4", "records-release", "scrape-100", "matrix"}
    rows |= {"numpy-sum", "io-async"}
    assert rows < {one.id for one in PUBLISHED["article"].claims}
