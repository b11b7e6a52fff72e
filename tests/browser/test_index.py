"""The page over all runs in a real Chromium: its filters work, and without them everything is there."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, expect

from harness.journal import Reason
from reports import digest, index
from reports.digest import Broken
from reports.trends import history
from tests import fleets_made_up, made_up
from tests.browser.test_page import HOSTILE, LOWEST_CONTRAST, chromium, open_page, scheme, violations

__all__ = ["chromium", "scheme"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten runs of a machine, the last four slower; two of another, one with failures; one broken; one of a fleet."""
    read: list[digest.Digest | Broken] = [Broken(run="broken", reason=HOSTILE)]
    for day in range(12):
        run = made_up.run(workloads=made_up.WORKLOADS[::5], threads=(1,))
        run = msgspec.structs.replace(run, created=f"2025-07-{day + 1:02}T09:30:00Z", command=f"{HOSTILE} {'x' * 300}")
        failures = []
        if day >= 10:
            run = msgspec.structs.replace(run, host=msgspec.structs.replace(run.host, cpu_model="Another CPU"))
            failures = [made_up.failure(run, "numpy/inverse", "3.13t", Reason.CRASHED)] if day == 10 else []
        journal = made_up.journal(run, made_up.truth(1.24 if day < 6 else 1.4), seed=day, failures=failures)
        read.append(digest.make(f"run-{day:02}", run, journal))
    fleet = msgspec.structs.replace(fleets_made_up.run([fleets_made_up.measured(HOSTILE)]), command=HOSTILE + "x" * 300)
    return index.write(tmp_path_factory.mktemp("results"), history(read), {"run-01", fleet.id}, [fleet])


def test_it_asks_the_network_for_nothing_and_says_nothing_on_the_console(chromium: Browser, path: Path) -> None:
    page = chromium.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))

    page.goto(path.as_uri(), wait_until="networkidle")

    assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
    assert complaints == []


def test_axe_finds_no_violation(chromium: Browser, path: Path, scheme: str) -> None:
    assert violations(open_page(chromium, path, dark=scheme == "dark")) == []


def test_filters_show_what_was_asked_for(chromium: Browser, path: Path) -> None:
    page = open_page(chromium, path)
    runs = page.locator("#runs tbody tr:visible")
    trends = page.locator("#trends .strips tbody tr:visible")
    shown = page.locator("output[name=shown]")

    expect(shown).to_have_text("12 of 12 runs and 3 of 3 trends shown")
    page.get_by_label("Machine").select_option(index=2)
    expect(runs).to_have_count(2)
    expect(trends).to_have_count(1)
    expect(page.locator("#steps li:visible")).to_have_count(0)
    page.get_by_label("Machine").select_option("")
    page.get_by_label("only runs with failures").check()
    expect(runs).to_have_count(1)
    expect(runs).to_contain_text("run-10")
    expect(trends).to_have_count(1)
    expect(trends).to_contain_text("pure_python/cpu_bound")
    page.get_by_label("only runs with failures").uncheck()
    page.get_by_label("Text").fill("RUN-07 quick")
    expect(runs).to_have_count(1)
    expect(shown).to_have_text("1 of 12 runs and 0 of 3 trends shown")
    page.get_by_label("Text").fill("")
    expect(shown).to_have_text("12 of 12 runs and 3 of 3 trends shown")


def test_without_javascript_everything_is_there_but_the_filters(chromium: Browser, path: Path) -> None:
    page = open_page(chromium, path, javascript=False)

    assert not page.locator("#filter").is_visible()
    assert page.locator("#runs tbody tr:visible").count() == 12
    assert page.locator("#trends .strips tbody tr:visible").count() == 3
    assert page.locator("#steps li:visible").count() == 1
    assert page.locator("#fleets tbody tr:visible a").count() == 1
    assert "1 step in the 3 trends" in page.inner_text("h1")


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_it_never_scrolls_sideways_as_a_whole(chromium: Browser, path: Path, width: int) -> None:
    page = open_page(chromium, path, width=width)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_every_text_has_enough_contrast(chromium: Browser, path: Path, scheme: str) -> None:
    page = open_page(chromium, path, dark=scheme == "dark")
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")

    contrast, text = page.evaluate(LOWEST_CONTRAST)

    assert contrast >= 4.5, text
