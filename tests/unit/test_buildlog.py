"""How far a build is, from lines as engines and CPython's makefile print them."""

from __future__ import annotations

import pytest

from harness.buildlog import BuildLog
from harness.builds import load

CATALOGUE = load()

STEPS = {
    "configure": "Step 10/20 : RUN ./configure --prefix=/opt/python ${CONFIGURE}",
    "make": 'Step 11/20 : RUN make -j"$(nproc)"',
    "install": "Step 12/20 : RUN set -eu;     make install TEST_MODULES=no",
}


def compiled(name: str) -> str:
    return f"gcc -c -fno-strict-overflow -DNDEBUG -g -O3 -Wall -I. -DPy_BUILD_CORE -o {name} ./Objects/abstract.c"


def test_the_bar_never_goes_back_and_never_passes_its_end() -> None:
    log = BuildLog(CATALOGUE["3.14-source"])
    lines = [
        "Setting up gcc (4:14.2.0-1) ...",
        STEPS["configure"],
        "checking for gcc... gcc",
        STEPS["make"],
        *(compiled(f"Objects/file{n}.o") for n in range(500)),
        STEPS["install"],
        "Step 1/20 : ARG BASE",
        STEPS["configure"],
    ]
    seen = []
    for line in lines:
        log.read(line)
        seen.append(log.done)
    assert seen == sorted(seen)
    assert 0 < seen[0] < seen[-1] <= log.total


@pytest.mark.parametrize(
    "line",
    [
        "Step 11/20 : COPY python.tar /python.tar",
        "STEP 3/4: COPY python.tar /python.tar",
        "[2/5] STEP 3/4: COPY python.tar /python.tar",
    ],
)
def test_a_step_begins_as_docker_and_as_podman_say_it(line: str) -> None:
    log = BuildLog(CATALOGUE["3.14-source"])
    log.read(line)
    assert log.done == 0
    log.read(line.replace("COPY python.tar /python.tar", 'RUN make -j"$(nproc)"'))
    assert log.note == "compiling"
    assert 0 < log.done < log.total


def test_compiling_counts_objects_and_names_the_last() -> None:
    log = BuildLog(CATALOGUE["3.14t-source"])
    log.read(STEPS["make"])
    started = log.done
    log.read(compiled("Objects/abstract.o"))
    log.read("gcc -shared -o Modules/_bz2.cpython-314t-x86_64-linux-gnu.so Modules/_bz2module.o")
    assert log.note == "compiling, 1 of about 350 objects: Objects/abstract.o"
    assert log.done > started


def test_a_link_that_takes_minutes_is_named() -> None:
    """With link-time optimisation it compiles the whole interpreter, and prints nothing meanwhile."""
    log = BuildLog(CATALOGUE["3.14-source-pgo"])
    log.read(compiled("Objects/abstract.o"))
    done = log.done
    log.read("gcc   -flto -fprofile-generate -Xlinker -export-dynamic -o python Programs/python.o Modules/config.o")
    assert log.note == "linking python, all of it compiled once more"
    assert log.done == done


def test_a_profile_guided_build_says_which_test_it_learns_from() -> None:
    log = BuildLog(CATALOGUE["3.14-source-pgo"])
    log.read(STEPS["make"])
    before = log.done
    log.read("0:01:10 load avg: 1.50 [ 8/43] test_bytes passed")
    assert log.note == "profiling, test 8 of 43: test_bytes"
    assert log.done > before
    assert log.total > BuildLog(CATALOGUE["3.14-source"]).total


def test_packages_need_no_compiler() -> None:
    log = BuildLog(CATALOGUE["3.14-debian"])
    assert log.total < BuildLog(CATALOGUE["3.14-source"]).total
    log.read("Setting up python3.14-minimal (3.14.6-1) ...")
    assert log.note == "installing python3.14-minimal"
