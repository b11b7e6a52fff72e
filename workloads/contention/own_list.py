# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Each thread appends to a list of its own: the control of shared_list."
# strategies = ["threads", "pool"]
# splits = ["share"]
# sized = true
# full_seconds = 0.2
# ///
"""The work of shared_list, with a list for each thread: the same elements, appended in the same loop.

It stands for workers that return a list each, which are chained in the end, as the executors of concurrent.futures make
programs do.  What it differs in from shared_list is what appending to one list costs.
"""

from _shared import LIST, run_own

if __name__ == "__main__":
    run_own("contention/own_list", LIST)
