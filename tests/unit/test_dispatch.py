"""Dispatching on made-up journals: what is asked of whom, which answers count, and that one host is a local run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec
import pytest

from harness.dispatch import Campaign, Dispatcher, Question
from harness.fleet import Answer, Assigned, AttemptLine
from harness.journal import ATTEMPTS, BlockRecord, Disturbance, JournalLine
from harness.model import Run
from harness.stopping import Stopping
from tests.fleets_made_up import CODE, offer, share, slot
from tests.unit.test_stopping import DATA, LOOP, execute, made_up_run, records

PATIENCE = 10.0


def campaign(
    run: Run,
    name: str = "a",
    kind: str = "one",
    journal: Iterable[JournalLine] = (),
    attempts: Iterable[AttemptLine] = (),
) -> Campaign:
    return Campaign("run", share(name, name, kind), run, CODE, tuple(journal), tuple(attempts))


def dispatcher(*campaigns: Campaign) -> Dispatcher:
    return Dispatcher(campaigns, 0.0, PATIENCE)


def answer(question: Question, host: str, found: dict[int, BlockRecord]) -> Answer:
    return Answer(key=question.task.key, host=host, lines=(found[question.task.block.index],))


@pytest.fixture(scope="module")
def run() -> Run:
    return made_up_run(LOOP, blocks=4, target=None)


@pytest.fixture(scope="module")
def found(run: Run) -> dict[int, BlockRecord]:
    return records(run, lambda _: 0.01)


def measure(crew: Dispatcher, found: dict[int, BlockRecord], now: float = 0.0) -> list[tuple[str, int, int]]:
    """Answer everything, in the order of the questions; host, block and attempt of each."""
    asked = []
    while questions := list(crew.questions(now)):
        for one in questions:
            host = crew.host(one.address)
            asked.append((host, one.task.block.index, one.task.attempt))
            assert crew.answer(answer(one, host, found), now)
    return asked


@pytest.mark.parametrize(("noise", "budget"), [(0.002, None), (0.03, None), (0.3, None), (0.03, 60.0)])
def test_a_fleet_of_one_measures_and_decides_what_a_run_on_that_host_does(noise: float, budget: float | None) -> None:
    run = made_up_run(LOOP, DATA, blocks=32, budget=budget)
    found = records(run, lambda name: noise if name == LOOP else 0.01)
    local = list(execute(run, found, Stopping(run.plan), set()))
    one = campaign(run)
    crew = dispatcher(one)
    crew.join("tcp://a", offer(run, "a"))
    lines: list[JournalLine] = []
    while questions := list(crew.questions(0.0)):
        (question,) = questions
        taken = crew.answer(answer(question, "a", found), 0.0)
        assert taken
        lines += taken[1]
    assert lines == local
    assert crew.finished


def test_blocks_come_in_the_order_of_the_plan_one_at_a_time(run: Run, found: dict[int, BlockRecord]) -> None:
    crew = dispatcher(campaign(run))
    crew.join("tcp://a", offer(run, "a"))
    (question,) = crew.questions(0.0)
    assert list(crew.questions(0.0)) == []
    assert question.task.block.index == 0
    assert crew.answer(answer(question, "a", found), 0.0)
    assert measure(crew, found) == [("a", index, 1) for index in (1, 2, 3)]


def test_an_answer_counts_once_and_never_after_its_attempt_was_lost(run: Run, found: dict[int, BlockRecord]) -> None:
    crew = dispatcher(campaign(run))
    crew.join("tcp://a", offer(run, "a"))
    (first,) = crew.questions(0.0)
    assert crew.answer(answer(first, "a", found), 0.0)
    assert crew.answer(answer(first, "a", found), 0.0) is None
    (second,) = crew.questions(0.0)
    assert crew.lose(second.task.key)
    assert crew.lose(second.task.key) is None
    assert crew.answer(answer(second, "a", found), 0.0) is None
    (again,) = crew.questions(0.0)
    assert (again.task.block.index, again.task.attempt) == (1, 2)


def test_a_worker_that_is_gone_loses_one_block_and_one_that_comes_late_takes_over(
    run: Run, found: dict[int, BlockRecord]
) -> None:
    crew = dispatcher(campaign(run))
    crew.join("tcp://a", offer(run, "a"))
    (question,) = crew.questions(0.0)
    lost = crew.leave("tcp://a", 1.0)
    assert lost == (question.task.key,)
    assert crew.lose(lost[0])
    assert [one.share.name for one in crew.stranded] == ["a"]
    crew.join("tcp://late", offer(run, "late"))
    assert list(crew.questions(2.0)) == [], "its own host may come back"
    assert measure(crew, found, 1.0 + PATIENCE) == [("late", 0, 2), *(("late", index, 1) for index in (1, 2, 3))]
    assert crew.finished


def test_a_host_that_comes_back_goes_on_with_what_was_its_own(run: Run, found: dict[int, BlockRecord]) -> None:
    crew = dispatcher(campaign(run))
    crew.join("tcp://a", offer(run, "a"))
    assert list(crew.questions(0.0))
    for key in crew.leave("tcp://a", 1.0):
        crew.lose(key)
    crew.join("tcp://late", offer(run, "late"))
    crew.join("tcp://a2", offer(run, "a"))
    assert {host for host, _, _ in measure(crew, found, 2 * PATIENCE)} == {"a"}


@pytest.mark.parametrize("what", ["class", "code", "images", "CPUs"])
def test_nothing_goes_to_a_host_that_is_not_the_same(what: str, run: Run) -> None:
    crew = dispatcher(campaign(run))
    there = {
        "class": offer(run, "a", "two"),
        "code": offer(run, "a", code="another"),
        "images": msgspec.structs.replace(offer(run, "a"), builds=run.builds[:1]),
        "CPUs": offer(run, "a", slots=[slot(0, (7,))]),
    }[what]
    crew.join("tcp://a", there)
    assert list(crew.questions(2 * PATIENCE)) == []
    assert len(crew.stranded) == 1


def test_a_refused_share_goes_to_another_host_at_once(run: Run, found: dict[int, BlockRecord]) -> None:
    crew = dispatcher(campaign(run))
    crew.join("tcp://a", offer(run, "a"))
    crew.join("tcp://b", offer(run, "b"))
    (question,) = crew.questions(0.0)
    taken = crew.answer(Answer(key=question.task.key, host="a", refusal="no such image"), 0.0)
    assert taken
    assert taken[1] == []
    assert {host for host, _, _ in measure(crew, found)} == {"b"}
    assert crew.finished


def test_a_host_is_asked_for_as_many_blocks_as_it_has_slots(run: Run) -> None:
    cpus = run.plan.cases[0].cpus
    names = ("a", "a.1", "a.2")
    shares = [Campaign("run", share(name, "a"), run, CODE) for name in names]
    crew = dispatcher(*shares)
    crew.join("tcp://a", offer(run, "a", slots=[slot(0, cpus), slot(1, cpus)]))
    assert len(list(crew.questions(0.0))) == 2


def test_a_host_that_is_offered_twice_is_asked_once(run: Run) -> None:
    crew = dispatcher(campaign(run))
    assert crew.join("tcp://a", offer(run, "a")) == ""
    assert "offered twice" in crew.join("tcp://b", offer(run, "a"))
    assert [one.address for one in crew.questions(0.0)] == ["tcp://a"]


def test_a_resumed_campaign_numbers_attempts_on_and_leaves_out_what_is_done(
    run: Run, found: dict[int, BlockRecord]
) -> None:
    asked = [Assigned(share="a", block=n, attempt=1, cases=(), host="late", at=0.0) for n in (0, 1)]
    one = campaign(run, journal=[found[0]], attempts=asked)
    crew = dispatcher(one)
    assert one.host == "late"
    crew.join("tcp://late", offer(run, "late"))
    assert measure(crew, found) == [("late", 1, 2), ("late", 2, 1), ("late", 3, 1)]


def test_an_invalid_block_comes_again_behind_all_others_and_not_for_ever(
    run: Run, found: dict[int, BlockRecord]
) -> None:
    spoilt = found | {0: msgspec.structs.replace(found[0], invalid=(Disturbance.STOLEN,))}
    crew = dispatcher(campaign(run))
    crew.join("tcp://a", offer(run, "a"))
    asked = measure(crew, spoilt)
    assert [block for _, block, _ in asked] == [0, 1, 2, 3, *[0] * (ATTEMPTS - 1)]
    assert crew.finished


def test_many_hosts_keep_busy_and_every_block_is_measured_once(run: Run, found: dict[int, BlockRecord]) -> None:
    hosts = [f"host-{number}" for number in range(50)]
    shares = [Campaign("run", share(host, host), run, CODE) for host in hosts]
    crew = dispatcher(*shares)
    for host in hosts:
        crew.join(f"tcp://{host}", offer(run, host))
    questions = list(crew.questions(0.0))
    assert len(questions) == crew.open == len(hosts)
    for one in questions:
        assert crew.answer(answer(one, crew.host(one.address), found), 0.0)
    rest = measure(crew, found)
    assert Counter(host for host, _, _ in rest) == dict.fromkeys(hosts, len(run.plan.blocks) - 1)
    assert crew.finished
