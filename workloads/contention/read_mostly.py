# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "All threads read one settings object, and write to it under a lock once in a thousand reads."
# strategies = ["threads", "pool"]
# splits = ["share"]
# sized = true
# full_seconds = 0.7
# ///
"""One settings object that all threads consult all the time and that somebody edits once in a thousand reads.

It stands for configuration, feature flags, routing tables and other things that are loaded once and looked up by every
request.  Nobody waits for a reader.  But to look at an ordinary object is to count a reference to it, and without the
GIL that is a write to memory that all CPUs share: reading is what free threading is surprisingly bad at.
"""

from _shared import SETTINGS, run_shared

if __name__ == "__main__":
    run_shared("contention/read_mostly", SETTINGS)
