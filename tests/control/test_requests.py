"""Starts, stops and resets: in the wrong order, in the wrong state, twice, too late, too many."""

from typing import Any

import pytest
from control_world import BEGIN_WALL_MS, World

from agent.control.dc.session import SessionLimits


def refused(world: World, command_id: str) -> str:
    """The word of the refusal; exactly one record and one answer."""
    assert world.log.answers(command_id) == ["rejected"]
    body = world.log.end()
    assert (body["result"], body["command_id"], body["energy_wh"], body["amount_e4"]) == ("refused", command_id, 0, 0)
    return str(body["stop_reason"])


def test_a_start_is_accepted_then_done_and_a_stop_accepted_then_done() -> None:
    world = World().ready()
    start = world.start(user="card 42")
    world.run_until("charging", 20.0)
    world.run(1.0)
    assert world.log.answers(start) == ["accepted", "done"]
    stop = world.command("stop", origin="platform")
    body = world.run_to_end()
    assert world.log.answers(stop) == ["accepted", "done"]
    assert (body["result"], body["stop_reason"]) == ("settled", "platform")
    (started,) = world.log.kind("session_started")
    assert started.body["user"] == "card 42"
    assert [record.body["result"] for record in world.log.kind("command")] == ["accepted", "accepted"]


@pytest.mark.parametrize("state", ["locked", "handshake", "insulation", "recognition", "parameters", "precharge"])
def test_a_stop_during_the_start_ends_it_and_fails_the_start(state: str) -> None:
    world = World().until(state)
    stop = world.command("stop")
    world.step()
    assert world.core.state in ("stopping", "settled")
    body = world.run_to_end(30.0)
    assert (body["result"], body["stop_reason"]) == ("failed", "local")
    assert world.log.answers("c1") == ["accepted", "failed"]
    assert world.log.answers(stop) == ["accepted", "done"]


@pytest.mark.parametrize("state", ["locked", "handshake"])
def test_a_session_that_closed_nothing_ends_at_once(state: str) -> None:
    world = World().until(state)
    world.command("stop")
    began_s = world.now_s
    world.run_to_end(5.0)
    assert world.now_s - began_s < 0.1
    assert world.core.state == "settled"


def test_a_start_while_charging_is_refused_and_the_charge_goes_on() -> None:
    world = World().until("charging")
    command_id = world.start()
    world.step()
    assert refused(world, command_id) == "session_running"
    assert world.core.state == "charging"
    (record,) = world.log.kind("session_ended")
    assert world.core.session is not None
    assert record.session != world.core.session.id


@pytest.mark.parametrize("state", ["idle", "settled"])
def test_a_stop_without_a_session_is_rejected(state: str) -> None:
    world = World().until("idle")
    if state == "settled":
        world.until("locked")
        world.command("stop")
        world.run_to_end(5.0)
    command_id = world.command("stop")
    world.step()
    assert world.log.answers(command_id) == ["rejected"]
    assert world.log.replies[-1].reason == "no_session"


def test_two_stops_are_both_answered_and_the_first_names_the_reason() -> None:
    world = World().until("charging")
    first = world.command("stop", origin="platform")
    world.step()
    second = world.command("stop")
    body = world.run_to_end()
    assert body["stop_reason"] == "platform"
    assert world.log.answers(first) == world.log.answers(second) == ["accepted", "done"]


def test_a_storm_of_stops_is_answered_without_growing() -> None:
    world = World().until("charging")
    ids = [world.command("stop") for _ in range(50)]
    world.step()
    assert world.core.session is not None
    assert len(world.core.session.stop_command_ids) == 16
    world.run_to_end()
    assert all(world.log.answers(each)[0] == "accepted" for each in ids)
    assert world.log.answers(ids[0]) == ["accepted", "done"]


def test_a_repeated_start_acts_once_and_gets_its_last_answer_again() -> None:
    world = World().ready()
    world.command("start", command_id="same")
    world.command("start", command_id="same")
    world.step()
    assert world.log.answers("same") == ["accepted", "accepted"]
    assert len(world.log.kind("session_started")) == 1
    world.run_until("charging", 20.0)
    world.run(1.0)
    world.command("start", command_id="same")
    world.step()
    assert world.log.answers("same")[-1] == "done"
    assert world.log.kind("session_ended") == []


def test_a_stop_acts_even_with_an_id_that_was_used_before() -> None:
    world = World().until("charging")
    world.command("stop", command_id="c1")
    world.step()
    assert world.core.state == "stopping"
    world.command("stop", command_id="c1")
    world.step()
    assert world.log.answers("c1")[-1] == "accepted"


def test_a_reset_is_for_a_person_at_the_pile() -> None:
    world = World().until("idle")
    remote, local = world.command("reset", origin="platform"), world.command("reset")
    world.step()
    assert world.log.answers(remote) == ["rejected"]
    assert world.log.answers(local) == ["accepted"]


def test_an_unknown_command_is_rejected_and_recorded() -> None:
    world = World().until("idle")
    command_id = world.command("open_the_pod_bay_doors")
    world.step()
    assert world.log.replies[-1].reason == "unknown_command"
    assert world.log.kind("command")[-1].body["id"] == command_id


@pytest.mark.parametrize(("expires_ms", "word"), [(0, ""), (1, ""), (0 - 1, "expired")])
def test_an_expired_start_is_refused(expires_ms: int, word: str) -> None:
    world = World().ready()
    at_ms = 0 if expires_ms == 0 else world.wall_ms + round(world.step_s * 1000) + (expires_ms if expires_ms < 0 else 0)
    command_id = world.command("start", expires_wall_ms=at_ms)
    world.step()
    if word:
        assert refused(world, command_id) == word
    else:
        assert world.log.answers(command_id) == ["accepted"]


def test_without_a_clock_nobody_knows_whether_a_start_has_expired() -> None:
    world = World().ready()
    world.wall_quality = "unset"
    remote = world.command("start", expires_wall_ms=BEGIN_WALL_MS * 2)
    world.step()
    assert refused(world, remote) == "clock_unset"
    local = world.start()
    world.step()
    assert world.log.answers(local) == ["accepted"]


def test_a_start_during_shutdown_is_refused() -> None:
    world = World().ready()
    world.core.request_shutdown()
    command_id = world.start()
    world.step()
    assert refused(world, command_id) == "shutting_down"
    assert world.core.safe_to_exit


@pytest.mark.parametrize("state", ["locked", "insulation", "precharge", "charging"])
def test_a_shutdown_ends_the_session_in_order(state: str) -> None:
    world = World().until(state)
    assert not world.core.safe_to_exit
    world.core.request_shutdown()
    body = world.run_to_end(35.0)
    assert body["stop_reason"] == "shutdown"
    reached = "done" in world.log.answers("c1")
    assert body["result"] == ("settled" if reached else "failed")
    assert world.core.safe_to_exit


def test_a_start_with_no_vehicle_is_refused() -> None:
    world = World().until("idle")
    command_id = world.start()
    world.step()
    assert "not plugged" in refused(world, command_id)


def test_a_start_in_the_moment_between_plug_and_state_is_refused_by_the_state() -> None:
    world = World().until("idle")
    world.run(3.0)
    world.plant.plug()
    world.run(0.1)
    command_id = world.start()
    world.step()
    assert refused(world, command_id) == "state: idle"


@pytest.mark.parametrize(
    "arguments",
    [{"energy_wh": 0}, {"energy_wh": -1}, {"energy_wh": 1.5}, {"energy_wh": True}, {"energy_wh": "5"},
     {"energy_wh": 10_000_001}, {"soc_percent": 101}, {"duration_s": 604_801}, {"amount_e4": 1_000_000_001},
     {"colour": 1}, {"x" * 5000: 1}],
)  # fmt: skip
def test_wrong_arguments_are_refused(arguments: dict[str, Any]) -> None:
    world = World().ready()
    command_id = world.start(**arguments)
    world.step()
    reason = refused(world, command_id)
    assert reason.startswith("bad_arguments: ")
    assert len(reason) <= 300


@pytest.mark.parametrize(
    ("name", "highest"),
    [("energy_wh", 10_000_000), ("duration_s", 604_800), ("amount_e4", 1_000_000_000), ("soc_percent", 100)],
)
def test_limits_at_their_bounds(name: str, highest: int) -> None:
    for value in (1, highest):
        limits = SessionLimits.from_arguments({name: value, "user": "u"})
        assert limits.as_record() == {name: value}
    for value in (0, highest + 1):
        with pytest.raises(ValueError, match=name):
            SessionLimits.from_arguments({name: value})


def test_a_long_user_is_cut() -> None:
    world = World().ready()
    world.start(user="u" * 500)
    world.step()
    (started,) = world.log.kind("session_started")
    assert started.body["user"] == "u" * 64


@pytest.mark.parametrize(
    ("limits", "reason"),
    [({"energy_wh": 30}, "energy_limit"), ({"duration_s": 12}, "time_limit"), ({"amount_e4": 400}, "amount_limit"),
     ({"soc_percent": 80}, "soc_limit")],
)  # fmt: skip
def test_the_customer_s_limits_end_the_charge(limits: dict[str, int], reason: str) -> None:
    world = World().ready()
    world.start(**limits)
    world.run_until("charging", 20.0)
    body = world.run_to_end(60.0)
    assert (body["result"], body["stop_reason"]) == ("settled", reason)
    if reason == "energy_limit":
        assert 30 <= body["energy_wh"] <= 40
    if reason == "time_limit":
        assert 12 <= body["duration_s"] <= 30
    assert world.vehicle.bms.last_heard["CST"]["condition_reached"] == 1


def test_hundreds_of_refusals_with_the_recorder_away_do_not_fill_the_memory() -> None:
    world = World(maximum_backlog=100).until("idle")
    world.recorder_there = False
    for _ in range(300):
        world.start()
        world.step()
    assert len(world.core.backlog.pending()) <= 76
    last = world.log.records[-1].number
    world.recorder_there = True
    world.core.on_acknowledged(last)
    world.run(0.1)
    (omitted,) = world.log.events("records_omitted")
    assert omitted["count"] > 400
    numbers = [record.number for record in world.log.records]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_full_backlog_ends_the_session_in_order_and_keeps_its_end() -> None:
    world = World(maximum_backlog=120).until("charging")
    world.recorder_there = False
    while not world.core.backlog.full:
        world.start()
        world.step()
    world.run(0.1)
    body_reason = world.core.session.stop_reason if world.core.session else ""
    assert body_reason == "recorder_lost"
    while world.core.session is not None:
        world.step()
    ended = [record for record in world.log.kind("session_ended") if record.body["result"] != "refused"]
    assert len(ended) == 1
