"""Requests of local clients on a pile with two connectors: records, health of the recorder, commands, readings."""

from pathlib import Path
from typing import Any

import pytest
from field_world import FieldWorld, PaperClient, two_guns

from agent.field import clients
from agent.link.messages import (
    OPERATOR,
    RECORDER,
    Acknowledge,
    Attach,
    Command,
    ReadingsMessage,
    RecorderHealth,
    StatusMessage,
    StatusRequest,
)
from agent.vocabulary import kinds
from agent.vocabulary.record import MeterInLedger, Record

BOOT = "0" * 32


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FieldWorld:
    return two_guns(tmp_path, monkeypatch)


def of(client: PaperClient, kind: type[Any]) -> list[Any]:
    return [message for message in client.sent if isinstance(message, kind)]


def reset(world: FieldWorld, command_id: str, connector: int) -> Command:
    command = Command(command_id, "reset", connector=connector)
    world.take(world.local, command)
    return command


def test_a_recorder_that_attaches_gets_what_waits_and_then_what_comes(world: FieldWorld) -> None:
    world.step()
    waiting = list(world.loop.pile.backlog.pending())
    assert waiting
    assert not world.take(world.north, Attach(RECORDER))
    assert world.north.sent == waiting
    world.take(world.local, Attach(OPERATOR))
    assert world.local.sent == []
    world.server.recorder = world.north
    reset(world, "a", 1)
    world.step()
    # Some may come twice, which the ledger leaves out; none is missing.
    numbers = [record.number for record in of(world.north, Record)]
    assert list(dict.fromkeys(numbers)) == list(range(1, world.loop.pile.backlog.last_number + 1))
    assert kinds.COMMAND in [record.kind for record in of(world.north, Record)[len(waiting) :]]


@pytest.mark.parametrize(
    ("who", "boot_id", "counts"), [("north", BOOT, True), ("local", BOOT, False), ("north", "1" * 32, False)]
)
def test_only_the_recorder_of_this_boot_acknowledges(world: FieldWorld, who: str, boot_id: str, counts: bool) -> None:
    world.step()
    last = world.loop.pile.backlog.last_number
    assert world.take(getattr(world, who), Acknowledge(boot_id, last)) is counts
    assert world.loop.pile.backlog.acknowledged == (last if counts else 0)


def test_the_health_of_the_recorder_reaches_every_connector_and_an_open_session_its_own(world: FieldWorld) -> None:
    health = RecorderHealth(
        True, uplink="connected", uplink_pending=3, open_sessions={2: "S-2"}, meters={1: MeterInLedger(proof="P")}
    )
    world.take(world.local, health)
    assert world.loop.clients.recorder_health is None, "an operator reports no health"
    world.take(world.north, health)
    ready = [core.image.value("recorder_ready", world.clock.now_s) for core in world.loop.cores.values()]
    assert ready == [True, False]
    assert [core.point.metering.proof for core in world.loop.cores.values()] == ["P", ""]
    assert world.loop.clients.status() == {
        "attached": False,
        "ok": True,
        "reason": "",
        "uplink": "connected",
        "uplink_pending": 3,
        "open_sessions": {"2": "S-2"},
    }


def test_before_a_recorder_reports_nothing_is_known_of_it(world: FieldWorld) -> None:
    status = world.loop.clients.status()
    assert (status["attached"], status["ok"], status["open_sessions"]) == (False, False, {})
    world.server.recorder = world.north
    assert world.loop.clients.status()["attached"] is True


def test_a_status_request_is_answered_at_once_with_a_list_of_connectors(world: FieldWorld) -> None:
    world.step()
    assert not world.take(world.local, StatusRequest())
    (message,) = of(world.local, StatusMessage)
    assert [each["connector"] for each in message.status["connectors"]] == [1, 2]
    assert set(message.status["power"]["shares"]) == {"1", "2"}


@pytest.mark.parametrize(("connector", "reason"), [(0, "connector_missing"), (3, "no_such_connector")])
def test_a_command_for_no_connector_is_refused_at_once_and_reaches_no_core(
    world: FieldWorld, connector: int, reason: str
) -> None:
    reset(world, "a", connector)
    (reply,) = world.local.replies
    assert (reply.id, reply.result, reply.reason) == ("a", "rejected", reason)
    world.step()
    assert world.commands() == []
    assert len(world.local.replies) == 1


def test_the_answer_goes_to_who_asked_with_the_connector_s_record(world: FieldWorld) -> None:
    other = PaperClient(OPERATOR)
    reset(world, "a", 2)
    world.take(other, Command("b", "reset", connector=1))
    world.step()
    assert [(reply.id, reply.result) for reply in world.local.replies] == [("a", "accepted")]
    assert [(reply.id, reply.result) for reply in other.replies] == [("b", "accepted")]
    pending = [record for record in world.loop.pile.backlog.pending() if record.kind == kinds.COMMAND]
    found = {record.body["id"]: record.connector for record in pending}
    assert found == {"a": 2, "b": 1}


def test_an_asker_is_forgotten_when_too_many_wait(world: FieldWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_OPEN_REQUESTS", 2)
    for command_id in "abc":
        reset(world, command_id, 1)
    world.step()
    assert [reply.id for reply in world.local.replies] == ["b", "c"]
    assert len(world.commands()) == 3, "all were decided"


def test_readings_of_each_connector_go_to_the_recorder_at_their_interval(world: FieldWorld) -> None:
    world.step()
    world.server.recorder = world.north
    world.step(1.0)
    assert of(world.north, ReadingsMessage) == [], "idle: every 5 s, and the first were due without a recorder"
    world.step(4.0)
    assert [(each.connector, each.session) for each in of(world.north, ReadingsMessage)] == [(1, None), (2, None)]
    world.step(4.9)
    assert len(of(world.north, ReadingsMessage)) == 2
    world.step(0.11)
    assert len(of(world.north, ReadingsMessage)) == 4


def test_a_session_that_is_to_be_closed_brings_the_readings_of_its_connector_forward(world: FieldWorld) -> None:
    world.step()
    world.server.recorder = world.north
    world.take(world.north, RecorderHealth(True, open_sessions={2: "S-2"}))
    world.step(1.0)
    assert [each.connector for each in of(world.north, ReadingsMessage)] == [2]
