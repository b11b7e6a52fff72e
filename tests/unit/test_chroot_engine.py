"""Without mounts of its own an image cannot be used outside of a container; whoever lacks them is told so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness import chroot_engine
from harness.errors import HostError
from tests.conftest import required

ROOT = Path(__file__).parents[2]


def test_a_root_that_may_not_mount_is_refused_before_anything_is_touched() -> None:
    required(os.geteuid() == 0 and shutil.which("setpriv"), "root and setpriv")
    ended = subprocess.run(
        [
            *("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"),
            *(sys.executable, "-m", "invoke", "overhead"),
        ],
        cwd=ROOT,
        env=os.environ | {"DOCKER_HOST": "unix:///nowhere/docker.sock"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 3
    first, hint = ended.stderr.strip().splitlines()
    assert "cannot be used here without a container" in first
    assert "Operation not permitted" in first
    assert "user namespaces" in hint


def test_a_host_without_the_tools_is_refused_by_their_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="unshare is missing"):
        chroot_engine.check()
