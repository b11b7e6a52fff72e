# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy", "pyperf"]
#
# [tool.gilometer]
# summary = "Starts an interpreter that imports NumPy; its memory is that with NumPy."
# ///
"""An interpreter that imports NumPy and ends.

It stands for the start of scripts and notebooks that compute with arrays, and for each worker of a process pool that
does: most of it goes into loading large extension modules and executing some hundred modules of Python.  As memory,
what is reported is that of the worker, which has imported NumPy itself; start/interpreter reports that of one which has
not.
"""

import os

from _fresh import run_fresh

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
import numpy as np

if __name__ == "__main__":
    run_fresh("start/numpy_import", [np.__name__])
