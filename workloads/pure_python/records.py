# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Validates and normalises customer records (text, amounts, dates), a million of them at full size."
# core = true
# strategies = ["threads", "pool", "processes", "interpreters"]
# sized = true
# full_seconds = 8.0
# turn_seconds = 0.08  # megabytes of objects: what another worker did to the caches is felt for a turn of 0.03
# ///
"""Records as they come from a file or an API: dicts of strings, some of them invalid, turned into clean ones.

It stands for import jobs, ETL steps and form handling: string methods, dict look-ups, int and date parsing, exceptions,
and a new dict per record, so allocation and reference counts matter as much as the interpreter loop.

The main thread makes the records, as a reader would, and each thread takes its own share of them.  The million of the
full size is ten passes over 100,000 different records, each pass replacing what the last one made: a million at once
would take most of a gigabyte in every worker.
"""

import sys
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import chain
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import Scale, chunks, run


class Summary(NamedTuple):
    """What must come out of one pass over all records, in whatever order."""

    valid: int
    invalid: int
    cents: int
    days: int
    """Sum of the dates' ordinals."""
    characters: int
    """Of names, e-mail addresses and tags."""


SIZES = {
    "quick": Scale(records=10_000, passes=1, expected=Summary(8_125, 1_875, 40_372_231_399, 5_955_929_249, 434_954)),
    "full": Scale(
        records=1_000_000, passes=10, expected=Summary(81_999, 18_001, 409_612_686_784, 60_108_773_590, 4_469_594)
    ),
}

GIVEN = ("ada", "Grace ", " ALAN", "barbara", "Edsger", " donald", "Frances", "tony", "Radia ", "Niklaus")
FAMILY = ("lovelace", "HOPPER", "Turing ", "liskov", " Dijkstra", "knuth", "Allen", "HOARE", "perlman ", "wirth")
HOSTS = ("Example.COM", "example.org", "Mail.Example.net")
COUNTRIES = ("de", "FR", "gb", "US", "jp", "BR", "xx")
TAGS = ("new", "VIP", "b2b", "Newsletter", "eu", "trial")
KNOWN_COUNTRIES = frozenset({"DE", "FR", "GB", "US", "JP", "BR"})

Record = dict[str, str]


class Share(NamedTuple):
    """Records of one worker, and how often it passes over them."""

    records: Sequence[Record]
    passes: int


def job(records: int, passes: int) -> Share:
    random = Random(703).random  # the one method whose sequence Python promises to keep

    def below(limit: int) -> int:
        return int(random() * limit)

    def pick(choices: Sequence[str]) -> str:
        return choices[below(len(choices))]

    def record(number: int) -> Record:
        given, family = pick(GIVEN), pick(FAMILY)
        at = "@" if below(40) else " at "
        year, month, day = 1990 + below(36), 1 + below(12), 1 + below(29)
        return {
            "id": f"{number:08d}",
            "name": f"{given} {family}",
            "email": f" {given.strip()}.{family.strip()}{number}{at}{pick(HOSTS)}",
            "country": pick(COUNTRIES),
            "amount": f"{below(100_000):,}.{below(100):02d}" if below(50) else "n/a",
            "date": f"{year}-{month:02d}-{day:02d}" if below(2) else f"{day:02d}.{month:02d}.{year}",
            "tags": f"{pick(TAGS)}; {pick(TAGS)};{pick(TAGS)} ",
        }

    return Share([record(number) for number in range(records // passes)], passes)


def split(job: Share, count: int) -> list[Share]:
    return [Share(records, job.passes) for records in chunks(job.records, count)]


def validate_and_transform(record: Record) -> dict[str, Any] | None:
    """The clean record; None where a field is invalid."""
    email = record["email"].strip().lower()
    country = record["country"].upper()
    if email.count("@") != 1 or country not in KNOWN_COUNTRIES:
        return None
    try:
        units, _, cents = record["amount"].replace(",", "").partition(".")
        amount = int(units) * 100 + int(cents)
        day = parse_date(record["date"])
    except ValueError:
        return None
    return {
        "id": int(record["id"]),
        "name": " ".join(word.capitalize() for word in record["name"].split()),
        "email": email,
        "country": country,
        "cents": amount,
        "day": day,
        "tags": sorted({tag.strip().lower() for tag in record["tags"].split(";")}),
    }


def parse_date(text: str) -> date:
    if "." in text:
        day, month, year = text.split(".")
        return date(int(year), int(month), int(day))
    return date.fromisoformat(text)


def process_records(share: Share) -> list[dict[str, Any] | None]:
    clean: list[dict[str, Any] | None] = []
    for _ in range(share.passes):
        clean = [validate_and_transform(record) for record in share.records]
    return clean


def summary(results: Sequence[list[dict[str, Any] | None]]) -> Summary:
    clean = [record for result in results for record in result if record is not None]

    def every(field: str) -> Iterator[Any]:
        return map(itemgetter(field), clean)

    return Summary(
        valid=len(clean),
        invalid=sum(map(len, results)) - len(clean),
        cents=sum(every("cents")),
        days=sum(map(date.toordinal, every("day"))),
        characters=sum(map(len, chain(every("name"), every("email"), chain.from_iterable(every("tags"))))),
    )


if __name__ == "__main__":
    run("pure_python/records", sizes=SIZES, job=job, split=split, work=process_records, combine=summary)
