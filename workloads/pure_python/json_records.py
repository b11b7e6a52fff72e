# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Reads orders from JSON lines, makes an invoice of each and writes it as JSON, shared out over the workers."
# strategies = ["threads", "pool", "processes", "interpreters"]
# sized = true
# full_seconds = 1.1
# ///
"""Lines of JSON become dicts, dicts become other dicts, and those become lines of JSON again.

It stands for web services, message consumers and log processors.  Parsing and writing are C code of the standard
library, which keeps the GIL all the while; renaming, filtering and adding up is Python.  Every line makes dozens of
objects and frees them soon after, and the lines that come out are kept, so allocation counts for as much as anything.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import Scale, run


class Summary(NamedTuple):
    """What must come out, in whatever order."""

    invoices: int
    items: int
    cents: int
    """What all customers pay."""
    characters: int
    """Of the customers' names."""


SIZES = {
    "quick": Scale(orders=1_500, expected=Summary(1_500, 3_409, 84_389_638, 17_700)),
    "full": Scale(orders=60_000, expected=Summary(60_000, 136_364, 3_386_446_531, 708_000)),
}

NAMES = ("Ada Lovelace", "Grace Hopper", "Zoë Ångström", 'Jean "Betty" Bartik', "黒田 明")


def job(orders: int) -> list[str]:
    return [json.dumps(order(number)) for number in range(orders)]


def order(number: int) -> dict[str, Any]:
    """One order as a shop sends it.  It depends on its number alone."""
    return {
        "id": f"order-{number:07d}",
        "customer": {"name": NAMES[number % 5], "country": ("DE", "FR", "JP")[number % 3], "vip": number % 7 == 0},
        "items": [item(number + index) for index in range(1 + number % 4)],
        "notes": [f"note {number % 100}", None, "leave at the door\n"],
        "weight": number % 1000 / 8,
    }


def item(number: int) -> dict[str, Any]:
    return {
        "article": f"A{number * 31 % 10_000:05d}",
        "count": 1 + number % 3,
        "cents": 100 + number * 7919 % 25_000,
        "cancelled": number % 11 == 0,
    }


def invoice(line: str) -> str:
    """The invoice of one order: what was cancelled is left out, good customers get a tenth off."""
    order = json.loads(line)
    customer = order["customer"]
    items = [
        {"article": item["article"], "count": item["count"], "cents": item["count"] * item["cents"]}
        for item in order["items"]
        if not item["cancelled"]
    ]
    cents = sum(item["cents"] for item in items)
    paid = {
        "invoice": order["id"].replace("order", "invoice"),
        "name": customer["name"],
        "country": customer["country"].lower(),
        "items": items,
        "cents": cents - cents // 10 if customer["vip"] else cents,
        "notes": "; ".join(note.strip() for note in order["notes"] if note),
        "grams": int(order["weight"] * 1000),
    }
    return json.dumps(paid, ensure_ascii=False, sort_keys=True)


def invoices(part: Sequence[str]) -> list[str]:
    return [invoice(line) for line in part]


def summary(results: Sequence[list[str]]) -> Summary:
    paid = [json.loads(line) for result in results for line in result]
    return Summary(
        invoices=len(paid),
        items=sum(len(invoice["items"]) for invoice in paid),
        cents=sum(invoice["cents"] for invoice in paid),
        characters=sum(len(invoice["name"]) for invoice in paid),
    )


if __name__ == "__main__":
    run("pure_python/json_records", sizes=SIZES, job=job, work=invoices, combine=summary)
