# /// script
# requires-python = ">=3.11"
# dependencies = ["numpy", "pyperf"]
#
# [tool.gilometer]
# summary = "The matrices of numeric/matrix with as many BLAS threads as CPUs: parallel before Python has a thread."
# sized = true
# full_seconds = 0.8
# ///
"""The job of numeric/matrix as NumPy does it where nobody tells it otherwise: one Python thread, a BLAS thread per CPU.

It stands for scientific code that is parallel already.  The GIL plays no part in it, so builds should be equal here,
and this is what the Python threads of numeric/matrix have to beat.  They do so where matrices are small: of one matrix
there is not enough for several threads then.  BLAS threads wait for each other after every step, so one that does not
get its CPU holds up all of them: nothing here feels a busy machine as much.

It has no strategies.  BLAS threads under Python threads are more threads than CPUs, which wait for each other: two
under each of two, on two CPUs, took twice as long as either alone.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
# Not by default: the harness asks for one BLAS thread.  The CPUs are all of the case, to which this process is bound by
# now.  pyperf's --affinity comes later, when BLAS has its threads, and binds the main thread alone.
os.environ["OPENBLAS_NUM_THREADS"] = str(len(os.sched_getaffinity(0)))
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"]
os.environ["MKL_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"]
# BLAS threads without work sleep after 2 ** 20 cycles.  By default they look for some for another tenth of a second,
# which would be in the turn of the next worker.
os.environ["OPENBLAS_THREAD_TIMEOUT"] = "20"
from _matrices import SIZES, inverses, normal_deviates, right  # imports numpy
from _parallel import run

if __name__ == "__main__":
    run("numeric/matrix_blas_threads", sizes=SIZES, job=normal_deviates, work=inverses, combine=right)
