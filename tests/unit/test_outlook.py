"""What to do about packages that are not ready, and nothing said that was not tried or measured."""

from __future__ import annotations

import pytest

from harness.audit import Answer, Evidence, Finding, Offer
from harness.remedies import Remedy
from reports import outlook, outlook_text
from reports.analysis import analyse
from reports.outlook import Outlook
from tests import made_up


def finding(package: str, answer: Answer = Answer.READY) -> Finding:
    seen = Evidence(asked=package, package=package, build="3.14t", offer=Offer(version="2.0"))
    return Finding(answer=answer, because="as seen", module="", evidence=seen)


def found(*findings: Finding, measured: bool = False, **remedies: Remedy) -> Outlook:
    run = made_up.run()
    journal = made_up.journal(run, None, slow=0.0)
    return Outlook(
        build="3.14t",
        release="3.14.6",
        findings=findings,
        remedies=remedies,
        measured=analyse(run, journal) if measured else None,
    )


@pytest.mark.parametrize(
    ("remedy", "says"),
    [
        (Remedy(settled=True), "no release has a wheel for this build"),
        (Remedy(tried=("1", "2"), with_wheel=9), "none that was tried is ready (2 of 9 releases with a wheel tried)"),
        (Remedy(newest="3", oldest="3", tried=("3",), with_wheel=1, settled=True), "Take 3, the one release tried"),
        (Remedy(newest="3", oldest="2", tried=("2", "3"), with_wheel=4), "older ones were not all tried"),
        (
            Remedy(newest="3", oldest="2", tried=("1", "2", "3"), with_wheel=4, settled=True),
            "2, the one before it is not",
        ),
        (Remedy(newest="3", oldest="2", tried=("2", "3"), with_wheel=2, settled=True), "no older one has a wheel"),
    ],
)
def test_what_to_do_follows_from_what_was_tried(remedy: Remedy, says: str) -> None:
    assert says in outlook.what_to_do(finding("toy", Answer.TURNS_GIL_ON), remedy)


def test_the_headline_counts_what_stands_in_the_way() -> None:
    blocked = finding("toy", Answer.TURNS_GIL_ON)

    helped = found(finding("fine"), blocked, toy=Remedy(newest="3", oldest="3", tried=("3",), with_wheel=1))
    assert outlook.headline(helped) == (
        "1 of 2 packages stands in the way of 3.14t, CPython 3.14.6. Another release of 1 of them is ready."
    )
    assert "No other release" in outlook.headline(found(blocked, toy=Remedy(settled=True)))
    unknown = outlook.headline(found(finding("fine"), finding("lost", Answer.UNKNOWN)))
    assert unknown.startswith("None of 2 packages is known")
    assert unknown.endswith("1 package could not be tried.")


def test_gains_are_of_the_workloads_that_use_a_package_and_of_all() -> None:
    whole = found(finding("numpy"), finding("flask"), measured=True)

    said = dict(outlook.gains(whole))

    assert list(said) == ["all workloads of that run"] or "workloads that use numpy" in said
    assert "flask" in outlook.not_measured(whole)
    assert "is not measured" in outlook.not_measured(found(finding("numpy")))


def test_every_form_names_every_package() -> None:
    whole = found(finding("fine"), finding("toy", Answer.NO_BUILD), measured=True, toy=Remedy(settled=True))

    assert "toy" in outlook_text.text(whole)
    assert "fine" in outlook_text.markdown_of(whole)
    packages = outlook_text.data(whole)["packages"]
    assert [(one["package"], one["newest_ready"]) for one in packages] == [("fine", None), ("toy", None)]
