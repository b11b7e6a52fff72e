# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "All threads increment one counter, under its lock."
# strategies = ["threads", "pool"]
# splits = ["share"]
# sized = true
# full_seconds = 0.8
# ///
"""A counter with a lock inside, as tutorials on free threading show it, incremented by all threads as fast as they can.

It stands for request counters, sequence numbers and progress displays: the smallest thing that threads can share.  All
time goes into calling a method, taking the lock and changing one attribute, on memory that every CPU wants to write to.
Every increment is accounted for.
"""

from _shared import COUNTER, run_shared

if __name__ == "__main__":
    run_shared("contention/shared_counter", COUNTER)
