# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "All threads write to one dict, each its own keys, and read back what they wrote."
# strategies = ["threads", "pool"]
# splits = ["share"]
# sized = true
# full_seconds = 0.2
# ///
"""One dict that all threads fill, each with keys of its own; every entry is read once after it was written.

It stands for caches, registries and tables of sessions or of requests under way.  No lock is needed in Python: a dict
looks after itself, with the GIL because of the GIL, without it with a lock of its own for every write.  It grows from
nothing while all are writing; no entry may get lost.
"""

from _shared import DICT, run_shared

if __name__ == "__main__":
    run_shared("contention/shared_dict", DICT)
