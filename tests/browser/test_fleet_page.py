"""The page of a fleet's run in a real Chromium: classes side by side, readable on a phone and without its script."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from harness.model import Measure
from reports import fleet_page
from tests.browser.test_page import HOSTILE, LOWEST_CONTRAST, chromium, open_page, scheme, violations
from tests.fleets_made_up import attempts, findings, measured, run

__all__ = ["chromium", "scheme"]

MEASURES = (Measure.TIME, Measure.MEMORY, Measure.CAPACITY)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes: one of three hosts, one of another architecture with failures, and one with a hostile name."""
    shares = [measured(f"rack-{n}", "big", cpus=4, cost=1 + n / 10, seed=n, measures=MEASURES) for n in (1, 2, 3)]
    shares.append(measured(HOSTILE, f"{HOSTILE} {'x' * 60}", seed=4, measures=MEASURES, warnings=("y" * 300,)))
    shares.append(measured("pi", "arm", machine="aarch64", image="sha256:2", cost=0.8, seed=5, crashes="z" * 3000))
    return fleet_page.write(tmp_path_factory.mktemp("fleet"), run(shares), findings(shares), attempts(shares))


def test_it_asks_the_network_for_nothing_and_says_nothing_on_the_console(chromium: Browser, path: Path) -> None:
    page = chromium.new_page()
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    page.on("console", lambda message: seen.append(message.text))
    page.on("pageerror", lambda error: seen.append(str(error)))

    page.goto(path.as_uri(), wait_until="networkidle")

    assert [one for one in seen if not one.startswith("data:")] == [path.as_uri()]


def test_axe_finds_no_violation(chromium: Browser, path: Path, scheme: str) -> None:
    assert violations(open_page(chromium, path, dark=scheme == "dark")) == []


def test_every_text_has_enough_contrast(chromium: Browser, path: Path, scheme: str) -> None:
    page = open_page(chromium, path, dark=scheme == "dark")
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")

    contrast, text = page.evaluate(LOWEST_CONTRAST)

    assert contrast >= 4.5, text


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_it_never_scrolls_sideways_as_a_whole(chromium: Browser, path: Path, width: int) -> None:
    page = open_page(chromium, path, width=width)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_differs_between_classes_is_above_the_verdict(chromium: Browser, path: Path) -> None:
    page = open_page(chromium, path, width=390)
    caveat, headline = (page.locator(selector).bounding_box() for selector in (".notices", "h1"))

    assert caveat is not None
    assert headline is not None
    assert caveat["y"] < headline["y"]
    expect(page.locator(".notices")).to_contain_text("Different images are never pooled")


def test_charts_of_classes_stand_side_by_side_where_there_is_room(chromium: Browser, path: Path) -> None:
    for width, beside in ((1280, True), (390, False)):
        page = open_page(chromium, path, width=width)
        first, second = (page.locator("#threads .multiples").first.locator("figure").nth(n) for n in (0, 1))
        boxes = first.bounding_box(), second.bounding_box()
        assert boxes[0] is not None
        assert boxes[1] is not None
        assert (boxes[0]["y"] == boxes[1]["y"]) is beside
    assert page.get_by_role("img", name="Speedup against threads, time to completion").count() == 4 * 3


def test_cases_are_sorted_by_the_ratio_of_a_class(chromium: Browser, path: Path) -> None:
    page = open_page(chromium, path)
    table = page.locator("#cases table").first

    table.locator("th").filter(has_text="big").get_by_role("button").click()

    ratios = [float(text) for text in table.locator("tbody td:nth-child(2) .ratio").all_inner_texts()]
    assert len(ratios) > 7
    assert ratios == sorted(ratios)


def test_without_javascript_everything_is_there(chromium: Browser, path: Path) -> None:
    page = open_page(chromium, path, javascript=False)

    assert "runs single-threaded code" in page.inner_text("h1")
    assert page.locator("#cases table").first.locator("tbody tr:visible").count() == 4 * 3 + 2
    page.get_by_text("All of it as a table").first.click()
    assert page.get_by_role("region", name="Speedup of every workload, class by class").is_visible()


def test_everything_that_scrolls_sideways_can_be_reached_with_the_keyboard(chromium: Browser, path: Path) -> None:
    page = open_page(chromium, path, width=390)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")

    unreachable = page.evaluate(
        """() => [...document.querySelectorAll("body *")]
          .filter(e => ["auto", "scroll"].includes(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth)
          .filter(e => e.tabIndex < 0).map(e => e.outerHTML.slice(0, 200))"""
    )

    assert unreachable == []
