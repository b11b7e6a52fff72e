"""The page of an audit, in a real Chromium: reasons unfold to evidence, and whatever a package says is text."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from harness.audit import SCHEMA, Audit, AuditedBuild, Ending, Evidence, File, Import, Offer, judge
from reports import audit_page
from tests.browser.test_page import HOSTILE, chromium, open_page, scheme, violations

__all__ = ["chromium", "scheme"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One package that is ready, and nine whose error is hostile."""
    build = AuditedBuild(name="3.14t-source", release="3.14.6", image="sha256:0123456789ab")
    offer = Offer(version="1.0", wheel=File(name=f"{'x' * 200}-1.0-py3-none-any.whl", fits=True))
    error = f"RuntimeError: {HOSTILE} {'x' * 200}"

    def evidence(name: str, **how: object) -> Evidence:
        import_ = Import(module=name, **how)  # type: ignore[arg-type]
        return Evidence(
            asked=name, package=name, build=build.name, offer=offer, installed={name: "1.0"}, imports=(import_,)
        )

    seen = [evidence("fine", ending=Ending.DONE, gil=False)]
    seen += [evidence(f"bad-{number}", ending=Ending.REFUSED, error=error) for number in range(9)]
    audit = Audit(
        schema=SCHEMA,
        id="made-up",
        created="2026-11-23T17:12:14+00:00",
        command="./inv audit fine",
        gilometer="0.1.0",
        builds=(build,),
        findings=tuple(map(judge, seen)),
        seconds=10,
    )
    page = tmp_path_factory.mktemp("audited") / "audit.html"
    page.write_text(audit_page.render(audit))
    return page


def test_a_reason_unfolds_to_its_evidence(chromium: Browser, path: Path) -> None:
    page = open_page(chromium, path)
    rows = page.locator(".audited tbody tr")

    assert "1 of 10 packages is ready" in page.inner_text("h1")
    expect(rows.last).to_contain_text("fine")
    evidence = rows.last.get_by_text("Importing fine works and the GIL stays off.")
    expect(evidence).to_be_hidden()
    rows.last.locator("summary").click()
    expect(evidence).to_be_visible()
    assert HOSTILE in rows.first.inner_text()


def test_rows_are_filtered(chromium: Browser, path: Path) -> None:
    page = open_page(chromium, path)

    page.get_by_label("Only rows with").fill("ready")
    expect(page.locator(".audited tbody tr:visible")).to_have_count(1)


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_it_never_scrolls_sideways_as_a_whole(chromium: Browser, path: Path, width: int) -> None:
    page = open_page(chromium, path, width=width)
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")

    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_axe_finds_no_violation(chromium: Browser, path: Path, scheme: str) -> None:
    page = open_page(chromium, path, dark=scheme == "dark")
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")

    assert violations(page) == []
