# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Splits source files into tokens with one regular expression of named groups, shared out over the workers."
# strategies = ["threads", "pool", "processes", "interpreters"]
# sized = true
# full_seconds = 1.0
# ///
"""A tokenizer as the documentation of `re` shows it, at work on generated source files, with every token an object.

It stands for linters, template engines, log parsers and compilers of small languages: a regular expression finds the
next piece of text in C, and a few lines of Python decide what it is.  Strings, matches and tuples
come and go quickly.  All threads use one compiled expression, as they would in a program.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import Scale, run


class Token(NamedTuple):
    """A piece of text, and where it begins."""

    kind: str
    text: str
    line: int
    column: int


SIZES = {
    "quick": Scale(
        files=24,
        expected={
            "comment": 216,
            "name": 4_754,
            "newline": 1_301,
            "number": 1_536,
            "operator": 5_820,
            "place": 12_558_593,
            "string": 376,
        },
    ),
    "full": Scale(
        files=960,
        expected={
            "comment": 8_640,
            "name": 190_160,
            "newline": 52_040,
            "number": 61_440,
            "operator": 232_800,
            "place": 502_343_720,
            "string": 15_040,
        },
    ),
}

DIFFERENT = 24
"""As many files differ; of more, each occurs several times."""

FUNCTIONS = 3
"""Of a file."""

TOKEN = re.compile(
    r"""
    (?P<comment>\#[^\n]*)
  | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
  | (?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<name>[A-Za-z_]\w*)
  | (?P<operator>->|[*/<>=!+-]=|\*\*|//|[()\[\]{}:.,=<>+*/%-])
  | (?P<newline>\n)
  | (?P<blank>[ ]+)
  | (?P<unknown>.)
    """,
    re.VERBOSE,
)

NAMES = ("total", "rows", "price", "item", "count", "left", "rate", "seen")

STATEMENTS = (
    "{a} = {b}.{c}({d}, {n}) * {m}.5e-3  # {b} first\n",
    "{a}[{b}] = {{'{c}': {n}, \"{d}\\n\": -{m}}}\n",
    "if {a} >= {n} and {b} != {c}[{m} // 2]:\n        return {d} ** {n}\n",
    "for {a} in {b}.values():\n        {c}.append(({a} - {n}) % {m})\n",
    "{a} += sum({b} / {n} for {b} in {c} if {b} < {m})\n",
    "# {a} and {b} are {c} by now; see {d}\n",
    'raise ValueError("no \\"{a}\\" in {b}: " + str({c}))\n',
)
"""Of a language that is not unlike Python; the letters in braces become names and numbers."""


def job(files: int) -> list[str]:
    random = Random(703).random

    def below(limit: int) -> int:
        return int(random() * limit)

    def statement() -> str:
        a, b, c, d = (f"{NAMES[below(len(NAMES))]}_{below(40)}" for _ in range(4))
        return STATEMENTS[below(len(STATEMENTS))].format(a=a, b=b, c=c, d=d, n=below(1000), m=1 + below(99))

    def function(number: int) -> str:
        return f"def function_{number}(item, rows=None) -> int:\n" + "".join(f"    {statement()}" for _ in range(12))

    different = ["\n\n".join(map(function, range(FUNCTIONS))) for _ in range(DIFFERENT)]
    return [different[index % DIFFERENT] for index in range(files)]


def tokens(source: str) -> Iterator[Token]:
    """All that is not blank.  ValueError where the source has a character that begins no token."""
    line, begin = 1, 0
    for match in TOKEN.finditer(source):
        kind, text = match.lastgroup or "", match.group()
        column = match.start() - begin
        if kind == "blank":
            continue
        if kind == "unknown":
            raise ValueError(f"{text!r} in line {line}, column {column}")
        yield Token(kind, text, line, column)
        if kind == "newline":
            line, begin = line + 1, match.end()


def count_tokens(sources: Sequence[str]) -> Counter[str]:
    """How many tokens of each kind there are; "place" adds up line times column of all of them."""
    counter: Counter[str] = Counter()
    for source in sources:
        found = list(tokens(source))
        counter.update(token.kind for token in found)
        counter["place"] += sum(token.line * token.column for token in found)
    return counter


def total(results: Sequence[Counter[str]]) -> Counter[str]:
    return sum(results, start=Counter())


if __name__ == "__main__":
    run("pure_python/tokenizer", sizes=SIZES, job=job, work=count_tokens, combine=total)
