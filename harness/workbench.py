"""The temporary directory that a run's workers see: workloads, hook and library read-only, an exchange to write to.

Workloads are copied, so that editing one during a run cannot change what is measured.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import scripts
from harness.model import Workload

HOOK = Path(__file__).parent.parent / "images" / "hook"


@dataclass(frozen=True, slots=True)
class Workbench:
    """Paths as the harness sees them."""

    tools: Path
    """Holds workloads/, and hook/, which is on the workers' path; they only read it."""
    exchange: Path
    """Results and the socket of the turns; any user may write, which the private parent directory makes safe."""

    def clear_exchange(self) -> None:
        """Remove what the workers of the last block left."""
        for entry in self.exchange.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


@contextmanager
def workbench(workloads: Path, chosen: Iterable[Workload] = ()) -> Iterator[Workbench]:
    """A workbench with a copy of `workloads`, and of the scripts of `chosen` that lie elsewhere; removed at the end."""
    with tempfile.TemporaryDirectory(prefix="gilometer-", ignore_cleanup_errors=True) as name:
        tools, exchange = Path(name) / "tools", Path(name) / "exchange"
        shutil.copytree(workloads, tools / "workloads", ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(HOOK, tools / "hook", ignore=shutil.ignore_patterns("__pycache__"))
        for module in scripts.LIBRARY:
            shutil.copy(module, tools / "hook")
        for workload in chosen:
            if workload.source:
                scripts.again(workload).copy(tools / "workloads")
        exchange.mkdir()
        exchange.chmod(0o777)
        for path in (tools, *tools.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield Workbench(tools=tools, exchange=exchange)
