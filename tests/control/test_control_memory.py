"""Backlog of records and memory of answers: bounded, in order, without gaps."""

import pytest

from agent.control.chassis.backlog import Backlog
from agent.control.chassis.commands import Answers, CommandInput, Reply
from agent.vocabulary.record import Record

_BODY = {"event": "records_omitted", "count": 1}


def filled(count: int, maximum: int = 40) -> Backlog:
    backlog = Backlog(maximum, "boot")
    for _ in range(count):
        backlog.add("event", 1.0, 2, "synced", None, _BODY, connector=1)
    return backlog


def test_numbers_count_from_one_without_gaps() -> None:
    backlog = filled(3)
    assert [record.number for record in backlog.pending()] == [1, 2, 3]
    assert (backlog.last_number, backlog.acknowledged) == (3, 0)


def test_what_is_added_is_what_is_kept() -> None:
    backlog = filled(1)
    record = backlog.add("event", 5.0, 6, "holdover", "s", _BODY, connector=2)
    assert record == Record("boot", 2, "event", 5.0, 6, "holdover", 2, "s", _BODY)
    assert backlog.pending()[-1] is record


def test_what_is_durable_is_forgotten() -> None:
    backlog = filled(5)
    backlog.acknowledge(3)
    assert [record.number for record in backlog.pending()] == [4, 5]
    backlog.acknowledge(2)
    assert backlog.acknowledged == 3
    backlog.acknowledge(5)
    assert backlog.pending() == []


@pytest.mark.parametrize("number", [-1, 0, 6, 10**12])
def test_a_confused_recorder_is_ignored(number: int) -> None:
    backlog = filled(5)
    backlog.acknowledge(number)
    assert (backlog.acknowledged, len(backlog.pending())) == (0, 5)


@pytest.mark.parametrize(
    ("count", "crowded", "full"), [(9, False, False), (10, True, False), (29, True, False), (30, True, True)]
)
def test_the_marks(count: int, crowded: bool, full: bool) -> None:
    backlog = filled(count)
    assert (backlog.crowded, backlog.full) == (crowded, full)


def test_the_last_answers_are_kept_and_the_oldest_forgotten() -> None:
    answers = Answers(2)
    for name in ("a", "b"):
        answers.keep(Reply(name, "accepted"))
    answers.keep(Reply("a", "done"))
    answers.keep(Reply("c", "rejected"))
    assert answers.former("a") == Reply("a", "done")
    assert answers.former("b") is None
    assert answers.former("c") == Reply("c", "rejected")


def test_64_answers_are_kept() -> None:
    answers = Answers()
    for number in range(65):
        answers.keep(Reply(str(number), "done"))
    assert (answers.former("0"), answers.former("1")) == (None, Reply("1", "done"))


def test_a_command_is_local_and_never_expires_unless_said() -> None:
    assert CommandInput("1", "stop") == CommandInput("1", "stop", "local", {}, 0)
