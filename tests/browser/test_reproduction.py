"""Published numbers on their page, in a real Chromium."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser

from harness.claims import Correction
from reports import reproduction_page
from reports.reproduction import Outcome
from tests import made_up
from tests.browser.test_page import HOSTILE, chromium, open_page, scheme, violations
from tests.unit.test_reproduction import PAIR, cost, gain
from tests.unit.test_reproduction_page import effect, of, reproduction

__all__ = ["chromium", "scheme"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A claim of every outcome, and hostile words wherever a file may have some."""
    claims = [cost("1.00", id=f"claim-{number}", says=HOSTILE) for number in range(3)]
    claims.append(gain("3.6", threads=4))
    results = [
        of(claims[0], Outcome.REPRODUCED, effect(0.97, 1.02)),
        of(claims[1], Outcome.CONTRADICTED, effect(1.1, 1.2), why=HOSTILE),
        of(claims[2], Outcome.UNDECIDED, why=HOSTILE),
        of(claims[3], Outcome.UNTESTABLE, why="it takes 4 CPUs", prediction=effect(3, 4)),
    ]
    wrong = Correction(id="check", says=HOSTILE, because=HOSTILE, instead=HOSTILE, checks=("1 < 2",))
    kept = msgspec.structs.replace(reproduction(*claims, corrections=(wrong,)), source=HOSTILE)
    page = tmp_path_factory.mktemp("published") / "index.html"
    page.write_text(reproduction_page.render(kept, results, [made_up.run(PAIR)]))
    return page


def test_it_asks_the_network_for_nothing_and_says_nothing_on_the_console(chromium: Browser, path: Path) -> None:
    page = chromium.new_page()
    seen: list[str] = []
    page.on("request", lambda request: seen.append(request.url))
    page.on("console", lambda message: seen.append(message.text))
    page.on("pageerror", lambda error: seen.append(str(error)))

    page.goto(path.as_uri(), wait_until="networkidle")

    assert [one for one in seen if not one.startswith("data:")] == [path.as_uri()]


@pytest.mark.parametrize("width", [360, 1280])
def test_it_never_scrolls_sideways_as_a_whole(chromium: Browser, path: Path, width: int) -> None:
    page = open_page(chromium, path, width=width)

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_axe_finds_no_violation(chromium: Browser, path: Path, scheme: str) -> None:
    assert violations(open_page(chromium, path, dark=scheme == "dark")) == []


def test_links_within_the_page_lead_somewhere(chromium: Browser, path: Path) -> None:
    page = open_page(chromium, path)

    targets = [link.get_attribute("href") for link in page.locator("a[href^='#']").all()]
    assert "#claim-claim-0" in targets
    assert all(page.locator(str(target)).count() == 1 for target in targets)
