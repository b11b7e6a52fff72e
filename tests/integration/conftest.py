"""What the tests on real containers share."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import runs


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where runs leave their results."""
    monkeypatch.setattr(runs, "RESULTS", tmp_path / "results")
    return tmp_path / "results"
