"""Two runs compared, in a real Chromium: tables can be sorted and filtered, and without that everything is there."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, expect

from reports import compare, compare_page
from reports.analysis import analyse
from tests import made_up
from tests.browser.test_page import HOSTILE, chromium, open_page, scheme, violations

__all__ = ["chromium", "scheme"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A slower run with a hostile name on another kernel."""
    run = made_up.run(gauged=True, blocks=12)
    host = msgspec.structs.replace(run.host, kernel=f"{HOSTILE} {'x' * 200}")
    later = msgspec.structs.replace(run, id=HOSTILE, host=host)
    before = made_up.truth()
    journal = made_up.journal(later, lambda one, facts: before(one, facts) * (1.5 if "numpy" in one.workload else 1.0))
    page = tmp_path_factory.mktemp("compared") / "compared.html"
    page.write_text(compare_page.render(compare.compare(analyse(run, made_up.journal(run)), analyse(later, journal))))
    return page


def test_it_asks_the_network_for_nothing_and_says_nothing_on_the_console(chromium: Browser, path: Path) -> None:
    page = chromium.new_page()
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    page.on("console", lambda message: seen.append(message.text))
    page.on("pageerror", lambda error: seen.append(str(error)))

    page.goto(path.as_uri(), wait_until="networkidle")

    assert [one for one in seen if not one.startswith("data:")] == [path.as_uri()]


def test_rows_are_sorted_by_what_they_say_and_filtered_by_their_words(chromium: Browser, path: Path) -> None:
    page = open_page(chromium, path)
    rows = page.locator("#times tbody tr")
    ratio = page.locator("#times th").filter(has_text="B / A")

    ratio.get_by_role("button").click()
    expect(ratio).to_have_attribute("aria-sort", "ascending")
    ratio.get_by_role("button").click()
    expect(ratio).to_have_attribute("aria-sort", "descending")
    expect(rows.first).to_contain_text("numpy")
    ratios = [float(text) for text in page.locator("#times tbody td:nth-child(5)").all_inner_texts()]
    assert ratios == sorted(ratios, reverse=True)

    page.locator("#times").get_by_label("Only rows with").fill("NUMPY 3.13t")
    expect(page.locator("#times tbody tr:visible")).to_have_count(2)
    expect(page.locator("#times output")).to_have_text("2 of 20 shown")


def test_without_javascript_everything_is_there(chromium: Browser, path: Path) -> None:
    page = open_page(chromium, path, javascript=False)

    assert page.locator("#times tbody tr:visible").count() == 20
    assert page.get_by_role("button").count() == page.get_by_role("searchbox").count() == 0
    assert "Run B has regressed" in page.inner_text("h1")


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_it_never_scrolls_sideways_as_a_whole(chromium: Browser, path: Path, width: int) -> None:
    page = open_page(chromium, path, width=width)

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_axe_finds_no_violation(chromium: Browser, path: Path, scheme: str) -> None:
    assert violations(open_page(chromium, path, dark=scheme == "dark")) == []
