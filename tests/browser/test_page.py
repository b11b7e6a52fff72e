"""The page in a real Chromium: nothing from the network, nothing on the console, readable everywhere."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Dialog, Page, expect, sync_playwright

from harness.journal import Depth, Reason
from harness.model import Measure
from reports import page as report
from reports.analysis import analyse
from tests import made_up

HOSTILE = "</pre></script><script>alert('x')</script><img src=http://localhost:9/x onerror=alert(1)>"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOWEST_CONTRAST = """() => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const luminance = colour => channels(colour).slice(0, 3)
    .map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const paper = element => {
    for (let e = element; e; e = e.parentElement) {
      const background = getComputedStyle(e).backgroundColor;
      if ((channels(background)[3] ?? 1) > 0) return background;
    }
    return "rgb(255, 255, 255)";
  };
  let lowest = [Infinity, ""];
  for (const element of document.body.querySelectorAll("*")) {
    const text = [...element.childNodes].filter(n => n.nodeType === 3).map(n => n.data).join("").trim();
    if (!text || ["STYLE", "SCRIPT", "title", "desc"].includes(element.tagName)) continue;
    const [a, b] = [luminance(getComputedStyle(element).color), luminance(paper(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < lowest[0]) lowest = [contrast, text];
  }
  return lowest;
}"""
"""The lowest contrast of a text with what it stands on, as WCAG 2 computes it, and that text."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if executable is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no Chromium on PATH, and CI must test the page")
        pytest.skip("no Chromium on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with three builds, long and hostile names, failures and everything else that takes room."""
    clang = msgspec.structs.replace(made_up.build("3.14t", release="3.14.0"), compiler=f"clang 19 {HOSTILE}")
    workloads = (*made_up.WORKLOADS, made_up.workload(f"pure_python/{HOSTILE}", threaded=True))
    run = made_up.run(
        (*made_up.PAIR, clang),
        workloads=workloads,
        threads=(1, 2, 4),
        cpus=(0, 1, 2, 3),
        warnings=("x" * 300, HOSTILE),
        measures=tuple(Measure),
        gauged=True,
        noise_floor=0.05,
    )
    run = msgspec.structs.replace(run, command=f"./inv bench --workloads {'a-very-long-name,' * 30}")
    failures = [
        made_up.failure(run, "numpy/inverse", "3.13t", Reason.GIL_ENABLED, message="y" * 300, output="z" * 3000),
        made_up.failure(run, "mixed/hybrid", "3.14t", Reason.KILLED, threads=4, message=HOSTILE, output=HOSTILE),
    ]
    depth = Depth(
        cases=run.plan.blocks[0].group, values=32, within=0.01, between=0.001, block_seconds=0.8, value_seconds=0.1
    )
    journal = made_up.journal(
        run,
        noise=0.1,
        failures=failures,
        blocks=range(140),
        complete=False,
        slow=0.95,
        happened=made_up.disturbed(3, 8, times=3),
    )
    return report.write(tmp_path_factory.mktemp("run"), analyse(run, (*journal, depth)))


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def open_page(browser: Browser, path: Path, *, width: int = 1280, dark: bool = False, javascript: bool = True) -> Page:
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        java_script_enabled=javascript,
    )
    page = context.new_page()
    page.goto(path.as_uri())
    return page


def violations(page: Page) -> list[str]:
    """What axe-core says against a page of which everything is unfolded."""
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {node['html'][:200]}" for one in found for node in one["nodes"]]


def test_axe_finds_no_violation(chromium: Browser, path: Path, scheme: str) -> None:
    assert violations(open_page(chromium, path, dark=scheme == "dark")) == []


def test_cases_are_sorted_by_their_figures_and_filtered_by_their_words(chromium: Browser, path: Path) -> None:
    page = open_page(chromium, path)
    table = page.locator("#cases table")
    every = table.locator("tbody tr").count()
    head = table.locator("th").filter(has_text="ratio")
    column = head.evaluate("head => head.cellIndex")

    def figures() -> list[float]:
        texts = table.locator(f"tbody td:nth-child({column + 1})").all_inner_texts()
        return [float(text) for text in texts if text != "–"]

    head.get_by_role("button").click()
    assert figures() == sorted(figures())
    head.get_by_role("button").click()
    assert figures() == sorted(figures(), reverse=True)
    assert table.locator("tbody tr").count() == every
    page.locator("#cases").get_by_label("Only rows with").fill("hybrid")
    expect(table.locator("tbody tr:visible")).to_have_count(6)


def test_it_asks_the_network_for_nothing_and_says_nothing_on_the_console(chromium: Browser, path: Path) -> None:
    page = chromium.new_page()
    requests: list[str] = []
    complaints: list[str] = []

    def refuse(dialog: Dialog) -> None:
        complaints.append(dialog.message)
        dialog.dismiss()

    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", refuse)

    page.goto(path.as_uri(), wait_until="networkidle")

    assert [url for url in requests if not url.startswith("data:")] == [path.as_uri()]
    assert complaints == []


def test_it_is_below_two_megabytes(path: Path) -> None:
    assert path.stat().st_size < 2_000_000


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_it_never_scrolls_sideways_as_a_whole(chromium: Browser, path: Path, width: int) -> None:
    page = open_page(chromium, path, width=width)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_verdict_is_on_the_first_screen_of_a_phone(chromium: Browser, tmp_path: Path) -> None:
    run = made_up.run()
    path = report.write(tmp_path, analyse(run, made_up.journal(run)))

    box = open_page(chromium, path, width=360).locator("h1").bounding_box()

    assert box is not None
    assert box["y"] + box["height"] < 600


def test_every_text_has_enough_contrast(chromium: Browser, path: Path, scheme: str) -> None:
    page = open_page(chromium, path, dark=scheme == "dark")
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")

    contrast, text = page.evaluate(LOWEST_CONTRAST)

    assert contrast >= 4.5, text


def test_dark_mode_is_dark(chromium: Browser, path: Path) -> None:
    light, dark = (
        [int(c) for c in re.findall(r"\d+", _background(open_page(chromium, path, dark=dark)))]
        for dark in (False, True)
    )

    assert min(light) > 200
    assert max(dark) < 60


def _background(page: Page) -> str:
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def test_without_javascript_everything_is_there(chromium: Browser, path: Path) -> None:
    page = open_page(chromium, path, javascript=False)

    assert "runs single-threaded code" in page.inner_text("h1")
    assert page.locator("figure svg[role=img]").count() == 1 + 5 + 5 + 1 + 1
    page.get_by_text("Times to completion as a table").click()
    assert page.get_by_role("region", name="Times to completion").is_visible()
    page.get_by_text("Every invalid measurement").click()
    assert page.get_by_role("region", name="Every invalid measurement").is_visible()


def test_whoever_cannot_see_the_charts_is_told_what_they_show(chromium: Browser, path: Path) -> None:
    page = open_page(chromium, path)

    assert page.get_by_role("img", name="Speedup against threads, time to completion").count() == 5
    assert page.get_by_role("img", name="Capacity against threads").count() == 5
    assert page.get_by_role("img", name="What else took CPU time").count() == 1
    assert page.get_by_role("img", name="Drift over the run’s time").count() == 1
    assert page.get_by_role("img", name="Effects with their intervals").count() == 1
    undecided = re.compile(r"On 4 threads instead of 1: .*undecided for 3\.13t on this host now")
    expect(page.locator("#speedup-1-desc")).to_have_text(undecided)
    expect(page.locator("#capacity-1-desc")).to_have_text(
        re.compile(r"On 4 threads instead of 1: .* as much on 3\.13t")
    )


def test_the_heat_map_has_colours_of_its_own_in_both_modes(chromium: Browser, path: Path) -> None:
    cell = "document.querySelector('.heat td[class*=\"er-\"]')"
    light, dark = (
        open_page(chromium, path, dark=dark).evaluate(f"getComputedStyle({cell}).backgroundColor")
        for dark in (False, True)
    )

    assert light != dark
    assert "rgba(0, 0, 0, 0)" not in (light, dark)


def test_everything_that_scrolls_sideways_can_be_reached_with_the_keyboard(chromium: Browser, path: Path) -> None:
    page = open_page(chromium, path, width=360)
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")

    unreachable = page.evaluate(
        """() => [...document.querySelectorAll("body *")]
          .filter(e => ["auto", "scroll"].includes(getComputedStyle(e).overflowX) && e.scrollWidth > e.clientWidth)
          .filter(e => e.tabIndex < 0).map(e => e.outerHTML.slice(0, 200))"""
    )

    assert unreachable == []


def test_it_prints(chromium: Browser, path: Path) -> None:
    page = open_page(chromium, path, dark=True)
    page.emulate_media(media="print", color_scheme="light")

    assert _background(page) == "rgb(255, 255, 255)"
    assert page.pdf(format="A4").startswith(b"%PDF")
