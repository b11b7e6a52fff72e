# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy", "pyperf"]
#
# [tool.gilometer]
# summary = "np.linalg.inv(data @ data.T) for each of several matrices, shared out over the threads, one BLAS thread."
# core = true
# strategies = ["threads", "pool", "processes", "interpreters"]
# sized = true
# full_seconds = 1.4
# ///
"""Dense linear algebra: a matrix product and an inverse, for several independent matrices.

It stands for code whose time goes into BLAS and LAPACK.  Both run without the GIL, with one BLAS thread each, so that
the parallelism is that of the Python threads and no more threads execute than were asked for.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
from _matrices import SIZES, inverses, normal_deviates, right  # imports numpy
from _parallel import run

if __name__ == "__main__":
    run("numeric/matrix", sizes=SIZES, job=normal_deviates, work=inverses, combine=right)
