"""Lengths, periods, values, limits and plausibility, each at, below and above what an observer lets pass."""

from typing import Any

import pytest
from observed_bus import CHARGE, VALUES, Bus

from drivers.can.frame import CanFrame
from drivers.gbt27930.messages.table import MESSAGES, encode, identifier_of
from drivers.gbt27930.observer.checks import undefined
from drivers.gbt27930.observer.observer import Severity


@pytest.mark.parametrize(
    ("name", "payload", "code"),
    [
        ("BCL", b"\x10\x10\x10\x10", "length"),
        ("BCL", b"\x10\x10\x10\x10\x02\xff", "length"),
        ("BCL", b"", "length"),
        ("CCS", b"\xff" * 5, "length"),
        ("BRM", b"\xff" * 8, "transferred"),
        ("BCS", b"\xff" * 8, "transferred"),
        ("BMT", b"", "length"),
        ("BMV", b"\x01\x02\x03", "length"),
        ("BRM", b"\xff" * 48, "length"),
        ("BCL", b"\xff" * 9, "length"),
    ],
)
def test_a_wrong_length(name: str, payload: bytes, code: str) -> None:
    bus = Bus().charging()
    before = dict(bus.session.latest)
    bus.payload(name, payload)
    assert code in bus.codes("violation")
    assert bus.session.latest == before


def test_lists_may_be_short_enough_for_one_frame() -> None:
    bus = Bus().charging()
    bus.say("BMT", "BSP", "BMV")
    assert bus.codes("violation") == []
    assert len(bus.session.values("BMV")["cell_voltages_v"]) == 126


@pytest.mark.parametrize(
    ("name", "interval_s", "code"),
    [
        ("CCS", 0.06, None),
        ("CCS", 0.061, "period.jitter"),
        ("CCS", 0.075, "period.jitter"),
        ("CCS", 0.076, "period.late"),
        ("CCS", 0.04, None),
        ("CCS", 0.039, "period.jitter"),
        ("CCS", 0.024, "period.early"),
        ("BSM", 0.275, None),
        ("BSM", 0.276, "period.jitter"),
        ("BSM", 0.376, "period.late"),
        ("BSM", 0.124, "period.early"),
        ("BCS", 0.376, "period.late"),
    ],
)
def test_an_interval(name: str, interval_s: float, code: str | None) -> None:
    bus = Bus().charging()
    bus.now_s += interval_s
    bus.say(name)
    found = [each for each in bus.told if each.code.startswith("period")]
    assert [(each.code, each.message) for each in found] == ([] if code is None else [(code, name)])
    if found:
        assert found[0].seen == f"{interval_s * 1000:.0f} ms"
        nominal_s = MESSAGES[name].period_s
        assert found[0].amount == pytest.approx(abs(interval_s - nominal_s))


def test_an_answer_that_changes_may_come_at_once() -> None:
    bus = Bus().until("CML")
    bus.say("BRO 00")
    bus.wait(0.05)
    bus.say("BRO AA")
    assert not [code for code in bus.codes() if code.startswith("period")]


def test_the_worst_of_many_is_kept() -> None:
    bus = Bus().charging()
    for interval_s in (0.1, 0.3, 0.2):
        bus.now_s += interval_s
        bus.say("CCS")
    group = bus.session.groups["period.late", "CCS"]
    assert (group.count, group.first.seen, group.worst.seen) == (3, "100 ms", "300 ms")
    assert [each.first for each in bus.told if each.code == "period.late"] == [True, False, False]
    assert bus.session.violations == 3


# --------------------------------------------------------------------------------------------------------- values


@pytest.mark.parametrize(
    ("name", "byte", "raw", "code", "seen"),
    [
        ("BCL", 2, b"\xa1\x0f", "value", "current_a raw 4001"),
        ("BCL", 4, b"\x00", "value", "mode raw 0"),
        ("BCL", 4, b"\x03", "mode.v2g", "3"),
        ("BSM", 5, b"\x03", "value", "cell_voltage_state raw 3"),
        ("BSM", 6, b"\x20", "value", "charging_permitted raw 2"),
        ("BCS", 6, b"\x65", "value", "soc_percent raw 101"),
    ],
)
def test_an_undefined_value(name: str, byte: int, raw: bytes, code: str, seen: str) -> None:
    bus = Bus().charging()
    payload = bytearray(encode(name, VALUES[name]))
    payload[byte : byte + len(raw)] = raw
    bus.payload(name, bytes(payload))
    assert bus.only(code).seen == seen
    bus.payload(name, bytes(payload))
    assert bus.codes().count(code) == 1


@pytest.mark.parametrize("name", [name for name in VALUES if MESSAGES[name].item_bytes == 0])
def test_good_values_are_not_told(name: str) -> None:
    payload = encode(name, VALUES[name])
    from drivers.gbt27930.messages.table import decode

    assert undefined(MESSAGES[name], payload, decode(name, payload)) == []


def test_fields_beyond_a_shorter_layout_are_no_values() -> None:
    bus = Bus().charging()
    bus.payload("CCS", encode("CCS", VALUES["CCS"])[:6])
    assert "value" not in bus.codes()


# --------------------------------------------------------------------------------------------------------- demand


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        ({"voltage_v": 420.0, "current_a": 100.0}, []),
        ({"voltage_v": 420.1}, ["demand.voltage_bcp"]),
        ({"current_a": 100.1}, ["demand.current_bcp"]),
        ({"voltage_v": 750.1}, ["demand.voltage_bcp", "demand.voltage_cml"]),
        ({"current_a": 150.1}, ["demand.current_bcp", "demand.current_cml"]),
    ],
)
def test_the_demand_against_both_limits(values: dict[str, float], codes: list[str]) -> None:
    bus = Bus().charging()
    bus.say("BCL", **values)
    assert [code for code in bus.codes("violation") if code.startswith("demand")] == codes


def test_without_limits_no_demand_is_too_high() -> None:
    bus = Bus()
    bus.say("CCS", "BCL", "BCS")
    bus.say("BCL", voltage_v=1500.0, current_a=400.0)
    assert bus.codes("violation") == ["period.early"]


# --------------------------------------------------------------------------------------------------------- output


@pytest.mark.parametrize(
    ("values", "seconds", "codes"),
    [
        ({"current_a": 81.6}, 5.0, []),
        ({"current_a": 82.0}, 1.4, []),
        ({"current_a": 82.0}, 1.7, ["output.current"]),
        ({"current_a": 120.0}, 1.8, []),  # 38 A above: 1.9 s at 20 A/s
        ({"current_a": 120.0}, 2.1, ["output.current", "output.differs"]),
        ({"voltage_v": 415.0}, 5.0, []),
        ({"voltage_v": 415.2}, 1.7, ["output.voltage"]),
        ({"voltage_v": 426.1}, 1.2, []),
        ({"voltage_v": 426.3}, 0.95, []),
        ({"voltage_v": 426.3}, 1.2, ["output.voltage_bcp"]),
    ],
)
def test_the_output_against_the_demand(values: dict[str, float], seconds: float, codes: list[str]) -> None:
    bus = Bus().charging()
    told = {"output.current", "output.voltage", "output.voltage_bcp"}
    bus.wait(seconds, "BCL")
    bus = Bus().charging()
    steps = round(seconds / 0.05)
    for step in range(steps + 1):
        bus.say("CCS", **values)
        if step < steps:
            bus.now_s += 0.05
            bus.say("BCL")
    found = {code for code in bus.codes() if code in told}
    assert found == {code for code in codes if code in told}


def test_an_excess_is_told_once_each_time() -> None:
    bus = Bus().charging()
    for _ in range(2):
        bus.wait(3.0, "CCS", "BCL", "BCS", "BSM", permitted=True)
        for _ in range(60):
            bus.now_s += 0.05
            bus.say("CCS", current_a=99.0)
            bus.say("BCL")
    assert bus.codes().count("output.current") == 2


def test_current_without_permission() -> None:
    bus = Bus().charging()
    for current_a, expected in ((5.0, 0), (5.1, 1)):
        for _ in range(45):
            bus.now_s += 0.05
            bus.say("CCS", permitted=False, current_a=current_a)
            bus.say("BCL")
        assert bus.codes().count("output.not_permitted") == expected


def test_ccs_and_bcs_that_tell_different_currents() -> None:
    bus = Bus().charging()
    bus.wait(31.0, *CHARGE)
    for current_a, steps, expected in ((61.6, 130, 0), (61.5, 121, 0), (61.5, 1, 1), (61.5, 20, 1)):
        for _ in range(steps):
            bus.now_s += 0.25
            bus.say("CCS", "BCL")
            bus.say("BCS", current_a=current_a)
        assert bus.codes().count("output.differs") == expected, (current_a, steps)
    assert bus.only("output.differs").seen == "61.5 A"


def test_ccs_and_bcs_that_tell_different_voltages() -> None:
    bus = Bus().charging()
    for voltage_v, steps, expected in ((440.0, 130, 0), (440.1, 121, 0), (440.1, 1, 1)):
        for _ in range(steps):
            bus.now_s += 0.25
            bus.say("CCS", "BCL", voltage_v=400.0)
            bus.say("BCS", voltage_v=voltage_v)
        assert bus.codes().count("output.differs") == expected, (voltage_v, steps)


@pytest.mark.parametrize(
    ("name", "values", "code"),
    [
        ("BCS", {"maximum_cell_voltage_v": 3.65}, None),
        ("BCS", {"maximum_cell_voltage_v": 3.66}, "battery.cell_voltage"),
        ("BCS", {"voltage_v": 426.2}, None),
        ("BCS", {"voltage_v": 426.3}, "battery.voltage"),
        ("BSM", {"highest_temperature_c": 55}, None),
        ("BSM", {"highest_temperature_c": 56}, "battery.temperature"),
    ],
)
def test_the_battery_above_its_own_limits(name: str, values: dict[str, Any], code: str | None) -> None:
    bus = Bus().charging()
    for _ in range(3):
        bus.now_s += 0.25
        bus.say("BCL", "CCS", *({"BCS", "BSM"} - {name}))
        bus.say(name, **values)
        if not bus.told or bus.session.counts[name].count < 3:
            assert not [each for each in bus.codes() if each.startswith("battery")], "one message tells nothing"
    assert [each for each in bus.codes() if each.startswith("battery")] == ([] if code is None else [code])


def test_output_without_values_is_not_judged() -> None:
    bus = Bus().charging()
    bus.payload("CCS", b"\xff" * 7)
    bus.payload("BCS", b"\xff" * 9)
    assert not [code for code in bus.codes() if code.startswith(("output", "soc", "frozen"))]
    bus.say("CST")
    bus.say("CCS", current_a=150.0)
    bus.say("BCS", current_a=10.0)
    assert not [code for code in bus.codes() if code.startswith("output")]


def test_output_before_any_demand_is_not_judged() -> None:
    bus = Bus()
    for _ in range(60):
        bus.now_s += 0.05
        bus.say("CCS", current_a=300.0, voltage_v=900.0)
    assert not [code for code in bus.codes() if code.startswith("output")]
    bus.say("BCS", current_a=300.0)
    assert bus.observer.stage.value == "charging"


def test_status_before_any_output_is_not_judged() -> None:
    bus = Bus()
    for _ in range(30):
        bus.now_s += 0.25
        bus.say("BCS", current_a=300.0)
    assert not [code for code in bus.codes() if code.startswith("output")]


# ------------------------------------------------------------------------------------------------ frozen and jumps


@pytest.mark.parametrize(("current_a", "expected"), [(19.9, []), (20.0, ["BCS", "CCS"]), (79.5, ["BCS", "CCS"])])
def test_data_that_never_changes_while_current_flows(current_a: float, expected: list[str]) -> None:
    bus = Bus().charging()
    bus.wait(299.0, *CHARGE, current_a=current_a)
    assert "frozen" not in bus.codes()
    bus.wait(3.0, *CHARGE, current_a=current_a)
    assert sorted({each.message for each in bus.told if each.code == "frozen"}) == expected
    bus.wait(3.0, *CHARGE, current_a=current_a)
    assert bus.codes().count("frozen") == len(expected)


@pytest.mark.parametrize(("soc", "told"), [(16, False), (26, False), (27, True), (15, True)])
def test_a_jump_of_the_state_of_charge(soc: int, told: bool) -> None:
    bus = Bus().charging()
    bus.say("BCS", soc_percent=soc)
    assert ("soc.jump" in bus.codes()) is told


@pytest.mark.parametrize(("soc", "told"), [(25, False), (26, True)])
def test_a_first_state_of_charge_far_from_bcp(soc: int, told: bool) -> None:
    bus = Bus().until("CRO")
    bus.say("BCL")
    bus.say("BCS", soc_percent=soc)
    assert ("soc.jump" in bus.codes()) is told


def test_no_more_kinds_of_observations_than_can_be_kept() -> None:
    bus = Bus().charging()
    for number in range(300):
        pgn = 0x2800 + number * 0x100 & 0x3FF00
        data = bytes((16, 9, 0, 9, 255)) + pgn.to_bytes(3, "little")
        bus.frame(CanFrame(0x1CEC56F4, data))
        bus.now_s += 0.01
    assert len(bus.session.groups) == 256
    assert all(each.severity in Severity for each in bus.told)


def test_foreign_frames_of_a_vehicle_do_not_keep_a_session_alive() -> None:
    bus = Bus().charging()
    for _ in range(12):
        bus.now_s += 1.0
        bus.frame(CanFrame(0x1899F456, b""))
    assert bus.observer.session is None


def values_of(name: str, **more: Any) -> bytes:
    return encode(name, {**VALUES[name], **more})


def test_a_message_of_the_dialogue_is_known_by_its_addresses() -> None:
    bus = Bus()
    bus.frame(CanFrame(identifier_of("CHM") | 1 << 24, values_of("CHM")))  # data page 1
    bus.frame(CanFrame(identifier_of("CHM") | 1 << 29, values_of("CHM")))  # no identifier at all
    bus.frame(CanFrame(-1, b""))
    assert bus.observer.session is None
    assert len(bus.observer.foreign) == 3
