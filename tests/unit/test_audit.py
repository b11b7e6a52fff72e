"""From evidence to an answer, and what users type."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from harness import audit, auditing, requirements
from harness.audit import (
    Answer,
    Attempt,
    Ending,
    Evidence,
    File,
    Finding,
    Gate,
    Import,
    Module,
    Offer,
    Smoke,
    SourceBuild,
    judge,
    offer,
    requirement,
)
from harness.errors import RequestError
from reports import audit_text

WHEEL = File(name="toy-1.0-cp314-cp314t-linux_x86_64.whl", fits=True)
SDIST = File(name="toy-1.0.tar.gz", fits=True)
QUIET = Import(module="toy", ending=Ending.DONE, gil=False)
LOUD = Import(module="toy", ending=Ending.DONE, gil=True, turned_on_by="toy._core", warning="The global ...")
OFFERED = Offer(version="1.0", wheel=WHEEL, newest_with_wheel="1.0")


def evidence(**fields: object) -> Evidence:
    """Of a package that is installed and imports quietly, but for what is said."""
    good = {"offer": OFFERED, "installed": {"toy": "1.0"}, "imports": (QUIET,)}
    return Evidence(**{"asked": "toy", "package": "toy", "build": "3.14t", **good, **fields})  # type: ignore[arg-type]


def module(alone: Import) -> Module:
    return Module(name=alone.module, file=f"{alone.module}.so", alone=alone)


def ended(ending: Ending, error: str = "") -> Import:
    return Import(module="toy._core", ending=ending, error=error, seconds=60)


@pytest.mark.parametrize(
    ("seen", "answer", "because"),
    [
        (evidence(), Answer.READY, "no extension modules of its own; the GIL stays off when it is imported"),
        (evidence(modules=(module(QUIET),)), Answer.READY, "1 extension module keeps the GIL off"),
        (
            evidence(modules=(module(QUIET), module(ended(Ending.REFUSED, "ImportError: no tk")))),
            Answer.READY,
            "1 of 2 extension modules keep the GIL off, and toy._core does not import here",
        ),
        (evidence(imports=(LOUD,)), Answer.TURNS_GIL_ON, "loading toy._core turns it on, which importing toy does"),
        (evidence(modules=(module(ended(Ending.DIED, "SIGSEGV")),)), Answer.CRASHES, "toy._core ends with SIGSEGV"),
        (evidence(imports=(LOUD, ended(Ending.DIED, "SIGILL"))), Answer.CRASHES, "ends with SIGILL"),
        (evidence(imports=(ended(Ending.HUNG),)), Answer.HANGS, "importing toy._core was stopped after 60 s"),
        (evidence(imports=(ended(Ending.REFUSED, "KeyError: 1"),)), Answer.FAILS, "fails: KeyError: 1"),
        (evidence(imports=(ended(Ending.EXITED, "status 3"),)), Answer.FAILS, "fails: status 3"),
        (
            evidence(smoke=Smoke(script="toy.py", ending=Ending.DONE, threads=4, same=False, said="3 is not 4")),
            Answer.UNSAFE,
            "4 threads come to other answers than one: 3 is not 4",
        ),
        (
            evidence(smoke=Smoke(script="toy.py", ending=Ending.DIED, threads=4, said="SIGSEGV")),
            Answer.UNSAFE,
            "4 threads crash it: SIGSEGV",
        ),
        (
            evidence(installed={}, offer=Offer(version="1.0", sdist=SDIST, newest_with_wheel="0.9")),
            Answer.SOURCE_ONLY,
            "toy 1.0 has no wheel for this build; the newest with one is 0.9",
        ),
        (
            evidence(installed={}, offer=Offer(version="1.0", other_tags=("cp39-abi3-manylinux_2_28_x86_64",))),
            Answer.NO_BUILD,
            "toy 1.0 has no wheel for this build, only abi3 ones, which no free-threaded build can load",
        ),
        (
            evidence(
                installed={},
                offer=Offer(version="1.0", sdist=SDIST),
                source_build=SourceBuild(complaint="error: command 'gcc' failed"),
            ),
            Answer.SOURCE_ONLY,
            "; building it fails: error: command 'gcc' failed",
        ),
        (
            evidence(installed={}, refusal="No ...", missing="core", missing_offer=Offer(version="2", sdist=SDIST)),
            Answer.SOURCE_ONLY,
            "it needs core: core has no wheel for this build",
        ),
        (
            evidence(offer=Offer(version="1.0", sdist=SDIST), source_build=SourceBuild(wheel="toy.whl")),
            Answer.SOURCE_ONLY,
            "built from source, no extension modules of its own; the GIL stays off",
        ),
        (evidence(installed={}, refusal="error: incomplete-download"), Answer.UNKNOWN, "incomplete-download"),
        (evidence(offer=Offer(complaint="the index does not answer")), Answer.UNKNOWN, "the index does not answer"),
        (evidence(offer=Offer()), Answer.UNKNOWN, "the index has no release of toy"),
        (evidence(trouble="it ended with status 137"), Answer.UNKNOWN, "it ended with status 137"),
        (evidence(trouble="it ended with status 137", imports=(LOUD,)), Answer.TURNS_GIL_ON, "toy._core turns it on"),
    ],
)
def test_evidence_gives_one_answer(seen: Evidence, answer: Answer, because: str) -> None:
    found = judge(seen)

    assert found.answer is answer
    assert because in found.because
    assert list(audit_text.account(found)), "no answer without evidence"


def test_what_was_contained_is_said_with_the_answer() -> None:
    loud = msgspec.structs.replace(QUIET, attempts=(Attempt(what="connects", detail="192.0.2.1:80", times=3),))

    found = judge(evidence(imports=(loud,)))

    assert found.because.endswith("; contained: connects (192.0.2.1:80)")
    assert "Contained: importing toy connects (192.0.2.1:80, 3 times)." in audit_text.account(found)


def test_the_release_that_is_judged_is_the_newest_that_was_asked_for() -> None:
    files = [
        File(name="toy-1.0-cp314-cp314t-manylinux_2_28_x86_64.whl", fits=True),
        File(name="toy-2.0-cp314-cp314-manylinux_2_28_x86_64.whl", fits=False),
        File(name="toy-2.0-cp314-cp314-manylinux_2_28_aarch64.whl", fits=False),
        File(name="toy-2.0-cp314-cp314-win_amd64.whl", fits=False),
        File(name="toy-2.0.tar.gz", fits=True),
        File(name="toy-3.0rc1-cp314-cp314t-manylinux_2_28_x86_64.whl", fits=True),
        File(name="not a name.whl", fits=True),
    ]

    newest = offer(files, requirement("toy"), "x86_64")
    assert (newest.version, newest.wheel, newest.newest_with_wheel) == ("2.0", None, "1.0")
    assert newest.other_tags == ("cp314-cp314-manylinux_2_28_x86_64",), "of this machine"
    assert newest.sdist is not None
    assert offer(files, requirement("toy<2"), "x86_64").wheel == files[0]
    assert offer(files, requirement("toy>=3.0rc1"), "x86_64").version == "3.0rc1"
    assert offer(files, requirement("toy>9"), "x86_64") == Offer()


def test_a_gate_for_the_gil_looks_at_the_evidence() -> None:
    crashes = judge(evidence(imports=(LOUD,), modules=(module(ended(Ending.DIED, "SIGSEGV")),)))
    ready = judge(evidence())

    def caught(finding: Finding, *gates: Gate) -> bool:
        return audit.tripped([finding], gates) is not None

    assert crashes.answer is Answer.CRASHES
    assert caught(crashes, Gate.GIL)
    assert caught(crashes, Gate.IMPORT)
    assert not caught(crashes, Gate.BUILD, Gate.THREADS)
    assert caught(crashes, Gate.ANY)
    assert not any(caught(ready, gate) for gate in Gate)
    error = audit.tripped([ready, crashes], [Gate.GIL])
    assert error is not None
    assert (error.status, str(error).splitlines()[0]) == (5, "1 package caught by --fail-on gil:")


def test_a_requirements_file_names_packages_locked_or_not(tmp_path: Path) -> None:
    (tmp_path / "more.in").write_text("six\n")
    file = tmp_path / "requirements.txt"
    file.write_text('-r more.in\nlxml==6.1.3 \\\n    --hash=sha256:00\ntomli; python_version < "3.11"  # old\n')

    names = requirements.names(file)

    assert names == ["six", "lxml==6.1.3", 'tomli; python_version < "3.11"']
    assert [audit.applies(requirement(name), "3.14.6") for name in names] == [True, True, False]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (auditing.AuditOptions(), "nothing to audit"),
        (auditing.AuditOptions(packages=["no such thing"]), '"no such thing" names no package'),
        (auditing.AuditOptions(packages=["toy @ file:///toy.whl"]), "is an address"),
        (auditing.AuditOptions(packages=["toy"], fail_on="gli"), 'there is no "gli"; did you mean "gil"?'),
        (auditing.AuditOptions(packages=["toy"], form="htm"), 'did you mean "html"?'),
        (auditing.AuditOptions(packages=["toy"], timeout="soon"), '--timeout: "soon" is not a whole number'),
        (auditing.AuditOptions(packages=["toy"], no_index=True), "--no-index leaves nowhere"),
        (auditing.AuditOptions(packages=["toy"], find_links="/nowhere"), "there is no folder /nowhere"),
        (auditing.AuditOptions(requirements="/nowhere.txt"), "/nowhere.txt cannot be read"),
    ],
)
def test_a_request_that_is_wrong_is_refused_before_anything_is_touched(
    options: auditing.AuditOptions, message: str
) -> None:
    with pytest.raises(RequestError) as raised:
        auditing.run(options)

    assert message in str(raised.value)


def test_a_file_that_names_itself_and_one_with_options_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("-r requirements.txt\n")
    with pytest.raises(RequestError, match="names itself"):
        requirements.names(file)

    file.write_text("six\n-e .\n")
    with pytest.raises(RequestError, match="line 2: -e is an option of pip"):
        requirements.names(file)


def test_what_is_tried_by_default_are_names_each_once() -> None:
    names = requirements.names(auditing.TOP)

    assert [requirement(name).name for name in names] == names
    assert len(set(names)) == len(names) >= 20
