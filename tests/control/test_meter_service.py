"""Proof of the unit and exchange of the meter: an audit record when everything agrees, a reason when it does not."""

from typing import Any

import pytest
from control_world import World

from drivers.meters.register_form import RegisterForm

METER = {"model": "m", "serial_number": "NEW-2", "energy_unit_wh": "1"}
DISPLAY_WH = 1_000_000


def idle(register_wh: int = DISPLAY_WH, step_mwh: int = 1000) -> World:
    world = World(register_form=RegisterForm(step_mwh=step_mwh, unit_disputed=True), meter=METER)
    world.override["meter_energy_wh"] = register_wh
    world.run(0.1)
    return world


def reply(world: World, name: str, arguments: dict[str, Any], **more: Any) -> tuple[str, str]:
    command_id = world.command(name, arguments=arguments, **more)
    world.step()
    (record,) = [record for record in world.log.kind("command") if record.body["id"] == command_id]
    (answer,) = [answer for answer in world.log.replies if answer.id == command_id]
    assert (answer.result, answer.reason) == (record.body["result"], record.body["reason"])
    assert record.body["name"] == name
    return answer.result, answer.reason


def audits(world: World) -> list[dict[str, Any]]:
    return [dict(record.body) for record in world.log.kind("audit")]


PROOF = {"display_mwh": DISPLAY_WH * 1000, "display_step_mwh": 10_000, "by": "Li"}


def test_a_display_that_agrees_is_a_proof() -> None:
    world = idle()
    assert world.log.alarms() == ["meter_unit_unproven"]
    assert reply(world, "meter_prove", PROOF) == ("accepted", "")
    assert audits(world) == [
        {
            "audit": "meter_unit_proven", "proof": "m/NEW-2/1", "model": "m", "serial_number": "NEW-2",
            "energy_unit_wh": "1", "display_mwh": 1_000_000_000, "display_step_mwh": 10_000,
            "register_wh": DISPLAY_WH, "by": "Li",
        }
    ]  # fmt: skip
    world.run(1.0)
    assert world.log.cleared() == ["meter_unit_unproven"]


# A display of 0.01 kWh and a register of 1 Wh: together they may differ by 11 Wh.
@pytest.mark.parametrize(("register_wh", "agrees"), [(-12, False), (-11, True), (0, True), (11, True), (12, False)])
def test_how_far_display_and_register_may_differ(register_wh: int, agrees: bool) -> None:
    world = idle(DISPLAY_WH + register_wh)
    wanted = ("accepted", "") if agrees else ("rejected", f"register_differs: {DISPLAY_WH + register_wh} Wh")
    assert reply(world, "meter_prove", PROOF) == wanted
    assert len(audits(world)) == int(agrees)


@pytest.mark.parametrize("factor", [0.1, 10, 1000])
def test_a_unit_that_is_wrong_is_seen(factor: float) -> None:
    world = idle(int(DISPLAY_WH * factor))
    assert reply(world, "meter_prove", PROOF)[0] == "rejected"


@pytest.mark.parametrize(("display_wh", "enough"), [(219, False), (220, True)])
def test_too_little_energy_proves_nothing(display_wh: int, enough: bool) -> None:
    world = idle(display_wh)
    wanted = ("accepted", "") if enough else ("rejected", "display_too_small: 220 Wh")
    assert reply(world, "meter_prove", {**PROOF, "display_mwh": display_wh * 1000}) == wanted


def test_the_own_step_of_the_meter_counts() -> None:
    assert reply(idle(DISPLAY_WH + 20, 10_000), "meter_prove", PROOF) == ("accepted", "")
    assert reply(idle(DISPLAY_WH + 21, 10_000), "meter_prove", PROOF)[0] == "rejected"


EXCHANGE = {
    "old_serial": "OLD-1", "old_end_wh": 5_000_000, "serial": "NEW-2", "new_start_wh": DISPLAY_WH, "by": "Li",
    "reason": "broken",
}  # fmt: skip


def test_an_exchange_stands_in_the_record_with_both_registers() -> None:
    world = idle(5_000_000)
    world.override["meter_energy_wh"] = DISPLAY_WH
    world.run(0.1)
    assert "meter_register_moved" in world.log.alarms()
    assert reply(world, "meter_exchange", EXCHANGE) == ("accepted", "")
    assert audits(world) == [
        {
            "audit": "meter_exchanged",
            "old": {"serial_number": "OLD-1", "register_end_wh": 5_000_000},
            "new": {"serial_number": "NEW-2", "register_start_wh": DISPLAY_WH},
            "register_wh": DISPLAY_WH, "former_wh": 5_000_000, "by": "Li", "reason": "broken",
        }
    ]  # fmt: skip
    # The latch waits for a person, who has now said what it was.
    world.command("reset")
    world.run(1.0)
    assert "meter_register_moved" in world.log.cleared()
    # What was before belongs to the old meter and binds no later exchange.
    assert reply(world, "meter_exchange", {**EXCHANGE, "old_end_wh": 1})[0] == "accepted"


@pytest.mark.parametrize(("old_end_wh", "fits"), [(4_999_999, False), (5_000_000, True), (5_000_001, True)])
def test_the_old_meter_cannot_end_below_what_it_has_shown(old_end_wh: int, fits: bool) -> None:
    world = idle(5_000_000)
    world.override["meter_energy_wh"] = DISPLAY_WH
    world.run(0.1)
    wanted = ("accepted", "") if fits else ("rejected", "old_end_below: 5000000 Wh")
    assert reply(world, "meter_exchange", {**EXCHANGE, "old_end_wh": old_end_wh}) == wanted


@pytest.mark.parametrize(("over_wh", "fits"), [(-13, False), (-12, True), (12, True), (13, False)])
def test_the_new_meter_stands_where_it_began(over_wh: int, fits: bool) -> None:
    world = idle(DISPLAY_WH + over_wh)
    wanted = ("accepted", "") if fits else ("rejected", f"register_differs: {DISPLAY_WH + over_wh} Wh")
    assert reply(world, "meter_exchange", EXCHANGE) == wanted


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"serial": "OTHER"}, "serial_differs: NEW-2"),
        ({"old_serial": "NEW-2"}, "same_serial"),
        ({"serial": ""}, "bad_arguments: serial must be text of at most 64 characters"),
        ({"old_serial": 7}, "bad_arguments: old_serial must be text of at most 64 characters"),
        ({"by": "x" * 65}, "bad_arguments: by must be text of at most 64 characters"),
        ({"old_end_wh": -1}, "bad_arguments: old_end_wh must be a whole number, at least 0"),
        ({"old_end_wh": 1.5}, "bad_arguments: old_end_wh must be a whole number, at least 0"),
        ({"new_start_wh": 10**15 + 1}, "bad_arguments: new_start_wh must be a whole number, at least 0"),
        ({"new_start_wh": True}, "bad_arguments: new_start_wh must be a whole number, at least 0"),
        ({"old_end": 1}, "bad_arguments: unknown argument old_end"),
    ],
)
def test_what_is_wrong_with_an_exchange_is_named(changes: dict[str, Any], reason: str) -> None:
    world = idle()
    assert reply(world, "meter_exchange", {**EXCHANGE, **changes}) == ("rejected", reason)
    assert audits(world) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"display_step_mwh": 0}, "bad_arguments: display_step_mwh must be a whole number, at least 1"),
        ({"display_mwh": None}, "bad_arguments: display_mwh must be a whole number, at least 0"),
        ({"serial": "x"}, "bad_arguments: unknown argument serial"),
    ],
)
def test_what_is_wrong_with_a_proof_is_named(changes: dict[str, Any], reason: str) -> None:
    assert reply(idle(), "meter_prove", {**PROOF, **changes}) == ("rejected", reason)


WORK = pytest.mark.parametrize(("name", "arguments"), [("meter_prove", PROOF), ("meter_exchange", EXCHANGE)])


@WORK
def test_only_a_person_at_the_pile_may_do_it(name: str, arguments: dict[str, Any]) -> None:
    assert reply(idle(), name, arguments, origin="platform") == ("rejected", "only_at_the_pile")


@WORK
def test_not_while_a_session_runs(name: str, arguments: dict[str, Any]) -> None:
    world = World(meter=METER).until("charging")
    assert reply(world, name, arguments) == ("rejected", "session_running")
    assert audits(world) == []


@WORK
def test_not_without_a_meter_that_answers(name: str, arguments: dict[str, Any]) -> None:
    world = idle()
    world.missing.add("meter_energy_wh")
    world.run(3.1)
    assert reply(world, name, arguments) == ("rejected", "no value: meter_energy_wh")
    never = World(meter=METER)
    never.missing.add("meter_energy_wh")
    never.run(0.1)
    assert reply(never, name, arguments) == ("rejected", "no value: meter_energy_wh")
