"""Executes a script up to its benchmarks and writes down which there are; nothing is timed.

    python gilometer_rehearsal.py OUTPUT SCRIPT [ARGUMENT ...]

OUTPUT gets their names, a JSON list.  What the script raises, this raises.
"""

import builtins
import json
import os
import sys
import types

import pyperf

_names: list[str] = []


def _note(runner: pyperf.Runner, task: object) -> pyperf.Benchmark:
    """In the place of pyperf's own: measure nothing, and return what a script may go on with."""
    runner.parse_args()
    _names.append(task.name)
    run = pyperf.Run([1.0], metadata={"name": task.name, "loops": 1}, collect_metadata=False)
    return pyperf.Benchmark([run])


def _execute(script: str, arguments: list[str]) -> None:
    """As the interpreter does when it is given the script."""
    sys.argv = [script, "--worker", "--loops=1", "--warmups=0", "--values=1", "--quiet", *arguments]
    sys.path[0] = os.path.dirname(script)  # noqa: PTH120 - no import for it
    module = sys.modules["__main__"] = types.ModuleType("__main__")
    module.__file__ = script
    module.__builtins__ = builtins  # in a script it is the module, where exec would put its dictionary
    with open(script, "rb") as file:
        code = compile(file.read(), script, "exec")
    exec(code, vars(module))


def main() -> None:
    output, script, *arguments = sys.argv[1:]
    pyperf.Runner._main = _note
    try:
        _execute(script, arguments)
    except SystemExit as end:
        if end.code:
            raise
    with open(output, "w") as file:
        json.dump(_names, file)


main()
