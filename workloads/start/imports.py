# /// script
# requires-python = ">=3.11"
# dependencies = ["pyperf"]
#
# [tool.gilometer]
# summary = "Starts an interpreter that imports much of the standard library; its memory is that with them."
# ///
"""An interpreter that imports what services and tools import before they do anything, and ends.

It stands for the start of a service, a test suite or a larger command-line tool: reading byte code, executing modules,
making classes and functions, loading extension modules.  The set is of the standard library alone and the same on every
release.  As memory, what is reported is that of the worker, which has imported the same set; start/interpreter reports
that of one which has not.
"""

from _fresh import run_fresh

MODULES = (
    "argparse",
    "asyncio",
    "csv",
    "dataclasses",
    "decimal",
    "http.client",
    "json",
    "logging",
    "pathlib",
    "sqlite3",
    "ssl",
    "typing",
    "unittest",
    "xml.etree.ElementTree",
)

if __name__ == "__main__":
    run_fresh("start/imports", MODULES)
