# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "All threads append to one list."
# strategies = ["threads", "pool"]
# splits = ["share"]
# sized = true
# full_seconds = 0.2
# ///
"""One list to which all threads append, element by element, in a plain loop.

It stands for collecting results, log records or spans of a trace where all can reach them, as many programs do because
list.append needs no lock of one's own.  With the GIL it is atomic; without it, every list has a lock inside, and its
length and its end are memory that every CPU writes to.  No element may get lost.
"""

from _shared import LIST, run_shared

if __name__ == "__main__":
    run_shared("contention/shared_list", LIST)
