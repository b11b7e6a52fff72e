# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Each thread reads settings of its own and sometimes writes to them: the control of read_mostly."
# strategies = ["threads", "pool"]
# splits = ["share"]
# sized = true
# full_seconds = 0.7
# ///
"""The work of read_mostly, with settings for each thread: the same look-ups, and an edit once in a thousand.

It stands for what programs do to mend read_mostly: a copy per thread (threading.local, an argument, a worker's own
attribute) that is renewed when the original changes.  What it differs in is what reading one object together costs.
"""

from _shared import SETTINGS, run_own

if __name__ == "__main__":
    run_own("contention/own_reads", SETTINGS)
