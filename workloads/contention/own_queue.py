# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Each thread puts numbers into a queue.Queue of its own and gets them back: the control of shared_queue."
# strategies = ["threads", "pool"]
# splits = ["share"]
# sized = true
# full_seconds = 0.5
# ///
"""The work of shared_queue, with a queue for each thread, which gets back what it put there itself.

It stands for pipelines that were cut lengthwise: each worker with an inbox of its own, as event loops and actors have
one.  What it differs in from shared_queue is what meeting at one queue costs.
"""

from _shared import QUEUE, run_own

if __name__ == "__main__":
    run_own("contention/own_queue", QUEUE)
