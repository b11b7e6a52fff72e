# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Each thread increments a counter of its own, under its lock: the control of shared_counter."
# strategies = ["threads", "pool"]
# splits = ["share"]
# sized = true
# full_seconds = 0.8
# ///
"""The work of shared_counter, with a counter for each thread, and one addition per thread at the end.

It stands for sharded counters, as programs use them that count much: each thread counts what it saw, and who wants to
know the total asks them all.  What it differs in from shared_counter is what sharing one counter costs.
"""

from _shared import COUNTER, run_own

if __name__ == "__main__":
    run_own("contention/own_counter", COUNTER)
