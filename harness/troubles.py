"""Failures and invalid blocks, said when they happen."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.authors import quoted
from harness.journal import BlockRecord, Calibration, Failure, JournalLine
from harness.model import Plan
from harness.progress import Progress


@dataclass(frozen=True, slots=True)
class Troubles:
    """What goes wrong while a plan is executed, line by line of its journal.

    What a script of somebody's had to say of it is shown as well, once for each build: it is the author who reads.
    """

    plan: Plan
    progress: Progress
    _shown: set[tuple[str, str, str]] = field(default_factory=set)

    def show(self, line: JournalLine) -> None:
        """Say what is wrong with it, if anything is."""
        match line:
            case BlockRecord():
                where = f"block {line.index + 1} of {len(self.plan.blocks)}"
                for outcome in line.outcomes:
                    if isinstance(outcome, Failure):
                        self._say(where, outcome)
                if line.invalid:
                    rules = ", ".join(line.invalid)
                    workload = self.plan.blocks[line.index].workload
                    self.progress.say(f"{where}: {workload}: invalid, to be measured again: {rules}")
            case Calibration(failure=Failure() as failure):
                self._say("calibration", failure)
            case _:
                pass

    def _say(self, where: str, failure: Failure) -> None:
        self.progress.say(f"{where}: {failure.case} on {failure.build}: {failure.reason}: {failure.message}")
        kind = (failure.case, failure.build, failure.message)
        if failure.output and kind not in self._shown and self._is_somebodys(failure.case):
            self._shown.add(kind)
            self.progress.say(quoted(failure.output))

    def _is_somebodys(self, case: str) -> bool:
        somebodys = {workload.name for workload in self.plan.workloads if workload.source}
        return any(one.id == case and one.workload in somebodys for one in self.plan.cases)
