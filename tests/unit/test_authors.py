"""What a worker said reaches the author of its script with their own paths, and without frames of ours."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from harness.authors import home, quoted
from harness.engine import Worker
from harness.model import Workload


class Place:
    """Only as far as paths are concerned."""

    tools: PurePath = PurePath("/gilometer")
    exchange: PurePath = PurePath("/exchange")

    def start(self, argv: list[str], env: dict[str, str]) -> Worker:
        raise NotImplementedError

    def left(self) -> int:
        raise NotImplementedError

    def clear(self) -> None:
        raise NotImplementedError


def translate(output: str, *, path: str = "proj/mine/mine.py", source: str = "/home/her/proj/mine.py") -> str:
    workload = Workload(name="proj/mine", path=path, sha256="", source=source)
    return home(Place(), workload).translate(output)


MINE = "/gilometer/workloads/proj/mine/mine.py"
PYPERF = "/opt/python/lib/python3.14/site-packages/pyperf/_runner.py"

RAISES = f"""\
something that it printed
Traceback (most recent call last):
  File "{MINE}", line 9, in <module>
    bench(work, ITEMS)
    ~~~~~^^^^^^^^^^^^^
  File "/gilometer/hook/gilometer.py", line 46, in bench
    run(
  File "{PYPERF}", line 509, in bench_time_func
    result = self._main(task)
  File "/opt/python/lib/python3.14/threading.py", line 1082, in _bootstrap_inner
    self.run()
  File "/gilometer/hook/_parallel.py", line 300, in _serve
    self._results[index] = self._work(part)
  File "{MINE}", line 5, in work
    return json.loads(text)
           ~~~~~~~~~~^^^^^^
  File "/gilometer/workloads/proj/mine/helper.py", line 3, in loads
    return real.loads(text)
  File "/opt/python/lib/python3.14/json/decoder.py", line 345, in decode
    obj, end = self.raw_decode(s)
  [Previous line repeated 7 more times]
json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "{PYPERF}", line 509, in bench_time_func
    result = self._main(task)
  File "{MINE}", line 7, in work
    raise ValueError("bad") from error
ValueError: bad
"""


def test_a_traceback_is_the_authors_own() -> None:
    assert translate(RAISES) == "\n".join(
        [
            "something that it printed",
            "Traceback (most recent call last):",
            '  File "/home/her/proj/mine.py", line 9, in <module>',
            "    bench(work, ITEMS)",
            "    ~~~~~^^^^^^^^^^^^^",
            '  File "/home/her/proj/mine.py", line 5, in work',
            "    return json.loads(text)",
            "           ~~~~~~~~~~^^^^^^",
            '  File "/home/her/proj/helper.py", line 3, in loads',
            "    return real.loads(text)",
            '  File "/opt/python/lib/python3.14/json/decoder.py", line 345, in decode',
            "    obj, end = self.raw_decode(s)",
            "  [Previous line repeated 7 more times]",
            "json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
            "",
            "The above exception was the direct cause of the following exception:",
            "",
            "Traceback (most recent call last):",
            '  File "/home/her/proj/mine.py", line 7, in work',
            '    raise ValueError("bad") from error',
            "ValueError: bad",
        ]
    )


def test_a_traceback_of_ours_alone_is_left_as_it_is() -> None:
    ours = f'Traceback (most recent call last):\n  File "{PYPERF}", line 1, in f\n    g()\nOSError: [Errno 28]'
    assert translate(ours) == ours


def test_files_that_lie_above_the_script_are_translated_too() -> None:
    said = 'File "/gilometer/workloads/proj/mine/src/acme/x.py", line 1, in f'
    translated = translate(said, path="proj/mine/benchmarks/mine.py", source="/home/her/proj/benchmarks/mine.py")
    assert translated == 'File "/home/her/proj/src/acme/x.py", line 1, in f'


@pytest.mark.parametrize(
    ("said", "translated"),
    [
        (f'  File "{MINE}", line 3\n    def x(:\n', '  File "/home/her/proj/mine.py", line 3\n    def x(:'),
        (f"{MINE}:7: DeprecationWarning: old", "/home/her/proj/mine.py:7: DeprecationWarning: old"),
        # What is missing is missing there, and not where the author has it.
        (
            "FileNotFoundError: '/gilometer/workloads/proj/mine/data.csv'",
            "FileNotFoundError: '/gilometer/workloads/proj/mine/data.csv'",
        ),
        ("", ""),
        ("Traceback (most recent call last):", "Traceback (most recent call last):"),
    ],
)
def test_only_lines_of_the_authors_files_are_translated(said: str, translated: str) -> None:
    assert translate(said) == translated


def test_of_much_that_was_said_the_end_is_quoted() -> None:
    assert quoted("one\ntwo") == "  | one\n  | two"
    lines = quoted("\n".join(map(str, range(1000)))).splitlines()
    assert lines[0] == "  | ..."
    assert lines[-1] == "  | 999"
    assert len(lines) == 41
