# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Each thread adds values to three figures of its own, under a lock of its own: the control of shared_lock."
# strategies = ["threads", "pool"]
# splits = ["share"]
# sized = true
# full_seconds = 0.6
# ///
"""The work of shared_lock, with figures and a lock for each thread: the same additions, and a lock that is always free.

It stands for metrics that each thread keeps for itself and somebody adds up in the end, which is how to mend a program
that behaves like shared_lock.  What the two differ in is what sharing costs, and nothing else: the kernel is the same.
"""

from _shared import LOCK, run_own

if __name__ == "__main__":
    run_own("contention/own_lock", LOCK)
