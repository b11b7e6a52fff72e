# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Starts an interpreter that has nothing to do, and waits for its end."
# ///
"""`python -c pass`: the interpreter initialises itself, imports what it always imports (site, codecs), and ends.

It stands for command-line tools, hooks, cron jobs and test runs with many processes, all of which pay this before their
first line.  Each start is a process of its own, on the CPU of the worker, which waits for it.  Byte code is there
already.  As memory, what is reported is that of the worker: of an interpreter with pyperf and little more.
"""

from _fresh import run_fresh

if __name__ == "__main__":
    run_fresh("start/interpreter")
