"""Releases side by side: lines, predecessors and twins, what each comparison says, and the page."""

from __future__ import annotations

import random
from html.parser import HTMLParser

import msgspec
import pytest

from harness import runs
from harness.errors import RequestError
from harness.model import BuildFacts, Case, Run, Source
from harness.request import BenchOptions
from harness.stats import Verdict
from reports import release_page, release_prose, releases
from reports.releases import Releases, version
from tests import made_up

RELEASES = {"3.13": "3.13.5", "3.14": "3.14.6", "3.15": "3.15.0a2"}
BUILDS = tuple(
    made_up.build(f"{series}{kind}", release=release) for kind in ("", "t") for series, release in RELEASES.items()
)
FASTER = {"3.13": 1.0, "3.14": 0.9, "3.15": 0.8}
"""Time with the GIL, by series."""
COST = {"3.13": 1.4, "3.14": 1.1, "3.15": 1.0}
"""What free threading costs on one thread."""
HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7 * 7 }}"


def truth(one: Case, facts: BuildFacts) -> float:
    """Everything scales on free-threaded builds, and nothing with the GIL; sums never change."""
    if one.workload == "numpy/square_sum":
        return 0.02
    seconds = 0.02 * FASTER[facts.build.series]
    return seconds * COST[facts.build.series] / one.threads if facts.free_threaded else seconds


def run_of(*builds: BuildFacts, workloads: tuple[str, ...] = ()) -> Run:
    wanted = [one for one in made_up.WORKLOADS if not workloads or one.name in workloads]
    return made_up.run(builds, workloads=wanted, blocks=12)


def compared(*builds: BuildFacts) -> Releases:
    run = run_of(*builds)
    return releases.compare(run, made_up.journal(run, truth, noise=0.005))


@pytest.fixture(scope="module")
def all_of_them() -> Releases:
    """Six builds; the order in which they were named is none."""
    first, *others = BUILDS
    random.Random(1).shuffle(others)
    return compared(first, *others)


def names(contrasts: tuple[releases.Contrast, ...]) -> list[tuple[str, str]]:
    return [(one.build.build.name, one.against.build.name) for one in contrasts]


def test_versions_are_in_the_order_of_releases() -> None:
    ordered = ["3.9.21", "3.13.5", "3.14.0rc3", "3.14.0", "3.14.6", "3.15.0a2+", "3.15.0b1"]
    assert sorted(random.Random(1).sample(ordered, len(ordered)), key=version) == ordered


def test_who_is_compared_with_whom(all_of_them: Releases) -> None:
    assert [[build.build.name for build in line] for line in all_of_them.lines] == [
        ["3.13", "3.14", "3.15"],
        ["3.13t", "3.14t", "3.15t"],
    ]
    assert all_of_them.base.build.name == "3.13"
    assert names(all_of_them.against_base) == [(name, "3.13") for name in ("3.14", "3.15", "3.13t", "3.14t", "3.15t")]
    assert names(all_of_them.against_predecessor) == [
        ("3.14", "3.13"),
        ("3.15", "3.14"),
        ("3.14t", "3.13t"),
        ("3.15t", "3.14t"),
    ]
    assert names(all_of_them.against_gil) == [("3.13t", "3.13"), ("3.14t", "3.14"), ("3.15t", "3.15")]
    assert names(all_of_them.across) == [("3.15", "3.13"), ("3.15t", "3.13t")]


def test_a_predecessor_is_made_alike_where_there_is_a_choice() -> None:
    packaged = made_up.build("3.13-debian")
    packaged = msgspec.structs.replace(packaged, build=msgspec.structs.replace(packaged.build, source=Source.DEBIAN))
    for order in ((BUILDS[0], packaged), (packaged, BUILDS[0])):
        assert names(compared(*order, BUILDS[1]).against_predecessor) == [("3.14", "3.13")]


def test_every_comparison_finds_what_is_true_of_its_two_builds(all_of_them: Releases) -> None:
    every = (
        *all_of_them.against_base,
        *all_of_them.against_predecessor,
        *all_of_them.against_gil,
        *all_of_them.across,
    )
    for contrast in every:
        for one in contrast.comparisons:
            assert one.judgement is not None
            expected = truth(one.case, contrast.build) / truth(one.case, contrast.against)
            assert one.judgement.effect.ratio == pytest.approx(expected, rel=0.01)
    (step, *_) = all_of_them.against_predecessor
    cpus, _ = all_of_them.threads[0]
    mean = step.of_category("pure_python", cpus, 1)
    assert mean is not None
    assert mean.judgement.effect.ratio == pytest.approx(0.9, rel=0.01)
    assert step.overall(cpus, 16) is None


def test_what_moved_most_comes_first(all_of_them: Releases) -> None:
    contrast = next(one for one in all_of_them.against_gil if one.build.build.name == "3.13t")

    improved, regressed = contrast.movers(Verdict.FASTER), contrast.movers(Verdict.SLOWER)

    assert {one.case.threads for one in improved} == {2}
    assert {one.case.threads for one in regressed} == {1}
    assert len(regressed) <= releases.MOVERS
    assert "numpy/square_sum" not in {one.case.workload for one in (*improved, *regressed)}
    sizes = [abs(one.judgement.effect.log) for one in improved if one.judgement]
    assert sizes == sorted(sizes, reverse=True)


def test_the_headlines_follow_both_lines_and_what_free_threading_costs(all_of_them: Releases) -> None:
    cost, gil, free = release_prose.headlines(all_of_them)

    assert cost.startswith("Without the GIL, code on 1 thread (6 workloads) is ")
    assert gil.startswith("With the GIL it became ")
    assert "faster (95 % interval" in gil
    assert gil.endswith("from 3.13.5 to 3.15.0a2")
    assert free.startswith("Free-threaded it became ")
    for release in ("on 3.13.5", "on 3.14.6", "on 3.15.0a2"):
        assert release in cost


def test_only_runs_of_several_releases_have_such_a_page() -> None:
    assert not releases.spans(made_up.run())
    assert releases.spans(run_of(*BUILDS[:2]))
    assert not releases.spans(run_of(BUILDS[0], BUILDS[4])), "two lines of one release each"


def test_what_else_two_builds_differ_in_is_said() -> None:
    clang = msgspec.structs.replace(BUILDS[1], compiler="clang 19")
    (sentence,) = release_prose.confounded(compared(BUILDS[0], clang))
    assert "also in compiler" in sentence


class _Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data.replace("\xa0", " ")


def test_the_page_stands_alone_and_is_the_same_each_time(all_of_them: Releases) -> None:
    html = release_page.render(all_of_them)
    page = _Page(html)

    links = [value for _, name, value in page.attributes if name in ("href", "src")]
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert {link for link in links if not link.startswith("#")} == {"data:,", "index.html"}
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)
    assert len(ids) == len(set(ids))
    assert (page.tags.count("h1"), page.tags.count("script")) == (1, 1)
    assert page.tags.count("th") == sum(1 for tag, name, _ in page.attributes if (tag, name) == ("th", "scope"))
    assert "3.15 (3.15.0a2) after 3.14 (3.14.6)" in page.text
    assert release_page.render(all_of_them) == html


def test_whatever_a_run_contains_is_text_to_the_page() -> None:
    run = made_up.run(BUILDS[:2], workloads=(made_up.workload(f"pure_python/{HOSTILE}", threaded=True),))
    run = msgspec.structs.replace(run, id=HOSTILE)
    found = releases.compare(
        run, made_up.journal(run, lambda one, facts: 0.02 * (1.3 if facts.build.series == "3.14" else 1.0))
    )

    page = _Page(release_page.render(found))

    assert (page.tags.count("script"), page.tags.count("img")) == (1, 0)
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    assert HOSTILE in page.text
    assert "49" not in page.text.replace(HOSTILE, "").partition("Every case")[2].partition("All builds")[0].replace(
        "0.", ""
    )


@pytest.mark.parametrize(
    ("options", "base", "said"),
    [
        (BenchOptions(builds="3.14,3.14t"), None, "of one release series"),
        (BenchOptions(builds="3.13,3.14"), "3.15", 'there is no "3.15"'),
        (BenchOptions(builds="3.13,3.99"), None, 'there is no build "3.99"'),
    ],
)
def test_a_wrong_request_is_refused(options: BenchOptions, base: str | None, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        runs.releases(options, base=base)
