# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "All threads put numbers into one queue.Queue and get numbers from it, in batches of eight."
# strategies = ["threads", "pool"]
# splits = ["share"]
# sized = true
# full_seconds = 0.5
# ///
"""One queue.Queue that every thread both puts into and gets from, batch by batch, with no work between.

It stands for pipelines and pools whose items are so small that handing them over is the work: log records, events,
rows.  A queue is a deque under one lock with three conditions, in Python, so its users take turns on every build.
Every number that was put has to come out once, to whichever thread, and the queue has to be empty in the end.
"""

from _shared import QUEUE, run_shared

if __name__ == "__main__":
    run_shared("contention/shared_queue", QUEUE)
