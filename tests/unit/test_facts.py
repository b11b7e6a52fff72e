"""What an interpreter says of itself: the questions whose answers have to be looked for."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from harness.builds import IMAGES
from tests.conftest import required

FUNCTIONS = "\n".join(f"int f{n}(int x) {{ extern int g(int); return g(x + {n}) * {n + 2}; }}" for n in range(200))
PROGRAM = f"{FUNCTIONS}\nint g(int x) {{ return x; }}\nint main(void) {{ return f0(0); }}\n"


@pytest.fixture
def facts() -> ModuleType:
    spec = importlib.util.spec_from_file_location("facts", IMAGES / "facts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(platform.machine() != "x86_64", reason="frame pointers are told of x86-64 only")
@pytest.mark.parametrize(("flag", "kept"), [("-fno-omit-frame-pointer", True), ("-fomit-frame-pointer", False)])
def test_frame_pointers_are_seen_in_the_machine_code(
    facts: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flag: str, kept: bool
) -> None:
    required(shutil.which("gcc"), "gcc")
    source = tmp_path / "many.c"
    source.write_text(PROGRAM)
    subprocess.run(["gcc", "-O2", "-fno-inline", flag, str(source), "-o", str(tmp_path / "many")], check=True)
    monkeypatch.setattr(facts, "_core", lambda: str(tmp_path / "many"))

    assert facts._frame_pointers() is kept


def test_what_is_no_program_tells_nothing(facts: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    monkeypatch.setattr(facts, "_core", lambda: str(tmp_path / "text"))
    assert facts._frame_pointers() is None


def test_the_interpreter_is_found(facts: ModuleType) -> None:
    assert "python" in Path(facts._core()).name
    assert len(facts._code(facts._core())) > 100_000


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="3.14 can be asked")
def test_before_3_14_there_is_no_jit_to_ask_of(facts: ModuleType) -> None:
    assert facts._jit() == ""
    assert facts._allocator() == "pymalloc"
