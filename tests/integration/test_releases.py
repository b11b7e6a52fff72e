"""`inv releases` on real interpreters of two releases."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import runs
from harness.request import BenchOptions
from reports import release_page


def test_two_releases_take_turns_and_have_a_page_that_follows_them(
    results: Path, pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    options = BenchOptions(
        builds=f"3.13-debian,{','.join(pair)}",
        workloads="pure_python/cpu_bound,pure_python/records",
        threads="1",
        measures="time",
        blocks="6",
        seed="1",
    )

    assert runs.releases(options, base=pair[0]) == 0

    (run,) = results.glob("*-3.*")
    said = capsys.readouterr().out
    assert "Without the GIL, code on 1 thread (2 workloads) is" in said
    assert "With the GIL it" in said
    assert "from 3.13." in said
    page = (run / release_page.PAGE).read_text()
    assert f"{pair[0]} (" in page
    assert "Confounded: " in page, "Debian's build is optimised, and ours is not"
