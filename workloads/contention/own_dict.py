# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Each thread writes to a dict of its own and reads back what it wrote: the control of shared_dict."
# strategies = ["threads", "pool"]
# splits = ["share"]
# sized = true
# full_seconds = 0.2
# ///
"""The work of shared_dict, with a dict for each thread: the same keys, the same writes and the same reads.

It stands for caches that each thread keeps for itself, and for the first half of map and reduce, which collects in as
many dicts as there are workers.  What it differs in from shared_dict is what sharing one dict costs.
"""

from _shared import DICT, run_own

if __name__ == "__main__":
    run_own("contention/own_dict", DICT)
