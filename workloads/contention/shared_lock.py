# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "All threads add values to the same three figures, under one lock."
# strategies = ["threads", "pool"]
# splits = ["share"]
# sized = true
# full_seconds = 0.6
# ///
"""One lock around tiny work: three additions and a multiplication on figures that have to agree with each other.

It stands for metrics, log handlers, rate limiters and pools of connections: whatever many threads pass through for a
moment, again and again.  Nothing but the entrance is parallel, so no build can gain.  With the GIL a thread mostly
finds the lock free, because the others are not executing; without it they meet at the lock, and have to sleep and be
woken.
"""

from _shared import LOCK, run_shared

if __name__ == "__main__":
    run_shared("contention/shared_lock", LOCK)
