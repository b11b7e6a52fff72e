# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Calls methods of one class and reads its attributes, each thread on instances of its own."
# strategies = ["threads", "pool"]
# splits = ["share"]
# sized = true
# full_seconds = 0.7
# ///
"""Method calls and attributes of a class and of the class that it inherits from, on instances that no thread shares.

It stands for all object-oriented code: the data may belong to one thread, but the class, its functions and its
constants belong to everybody.  Each look-up of them finds an object whose references are counted, and without the GIL
every CPU would count them in the same place, unless the interpreter spares them that.  This shows whether it does.
"""

import sys
from pathlib import Path
from typing import ClassVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _parallel import Scale, run

SIZES = {
    "quick": Scale(bookings=120_000, expected=14_399_400_000),
    "full": Scale(bookings=2_000_000, expected=3_999_990_000_000),
}

ACCOUNTS = 16
"""Of each worker."""


class Account:
    """What has a balance, and fees that are the same for all."""

    fees: ClassVar = {"deposit": 1, "withdrawal": 5}

    def __init__(self) -> None:
        self.balance = 0

    def withdraw(self, amount: int) -> None:
        self.balance -= amount + self.fees["withdrawal"]


class Savings(Account):
    """Inherits what costs something, and pays interest."""

    interest: ClassVar = {"deposit": 2}

    def deposit(self, amount: int) -> None:
        self.balance += amount + self.interest["deposit"] - self.fees["deposit"]


def job(bookings: int) -> range:
    return range(bookings)


def book(part: range) -> int:
    accounts = [Savings() for _ in range(ACCOUNTS)]
    for amount in part:
        account = accounts[amount % ACCOUNTS]
        account.deposit(3 * amount)
        account.withdraw(amount)
    return sum(account.balance for account in accounts)


if __name__ == "__main__":
    run("contention/shared_class_attributes", sizes=SIZES, job=job, work=book)
