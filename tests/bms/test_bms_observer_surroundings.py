"""An observer that begins in the middle, hears one side only, or meets what is no part of the dialogue."""

import pytest
from observed_bus import VALUES, Bus

from drivers.can.frame import CanFrame
from drivers.gbt27930.messages.table import encode, identifier_of
from drivers.gbt27930.observer.observer import Outcome, Severity, Stage
from drivers.gbt27930.observer.rules import FOREIGN_AT_MOST, foreign_name

# -------------------------------------------------------------------------------------- recordings from the middle


@pytest.mark.parametrize(
    ("name", "stage"),
    [("CCS", Stage.CHARGING), ("BCL", Stage.CHARGING), ("CRM AA", Stage.RECOGNISED), ("CST", Stage.STOPPING)],
)
def test_listening_that_begins_in_the_middle(name: str, stage: Stage) -> None:
    bus = Bus()
    bus.say(name)
    assert bus.stage() is stage
    assert not bus.session.from_start
    assert bus.only("capture.middle").seen == stage.value


def test_after_joining_in_the_middle_nothing_before_is_missed() -> None:
    bus = Bus()
    bus.say("CRM AA", "BRO")
    bus.say("CML")
    bus.say("CTS")
    assert "order.early" not in bus.codes()
    bus = Bus()
    bus.say("CST", "BST")
    bus.wait(6.0, "CST", "BST")
    assert "missing" not in bus.codes()


def test_only_the_vehicle_can_be_heard() -> None:
    bus = Bus()
    for name in ("BHM", "BRM", "BCP", "BRO", "BCL", "BCS", "BST", "BSD"):
        bus.say(name)
        bus.wait(0.5, "BSM" if name == "BCS" else name)
    assert bus.codes("violation") == []
    assert Stage.CHARGING in [change.stage for change in bus.session.timeline]
    assert bus.stage() is Stage.STOPPING
    bus.wait(20.0)
    assert "missing" not in bus.codes()


def test_only_the_charger_can_be_heard() -> None:
    bus = Bus()
    for name in ("CHM", "CRM", "CRM AA", "CML", "CRO 00", "CRO", "CCS"):
        bus.say(name)
        bus.wait(1.0, name)
    assert bus.codes("violation") == []
    assert bus.stage() is Stage.CHARGING


def test_the_end_of_the_recording() -> None:
    bus = Bus().charging()
    (told,) = bus.observer.finish()
    assert (told.code, told.seen) == ("session.end", "cut off")
    assert bus.session.outcome is Outcome.CUT_OFF
    assert bus.observer.finish() == []


@pytest.mark.parametrize("back_s", [0.5, 100.0])
def test_time_that_runs_backwards(back_s: float) -> None:
    bus = Bus()
    bus.now_s = 1000.0
    bus.charging()
    bus.now_s -= back_s
    bus.say("CCS")
    assert len(bus.observer.sessions) == (1 if back_s < 1 else 2)
    assert ("capture.time" in bus.codes()) is (back_s > 1)


def test_a_time_that_is_no_time() -> None:
    bus = Bus()
    bus.now_s = float("nan")
    bus.say("CHM")
    bus.now_s = 5.0
    bus.say("CHM")
    bus.now_s = float("inf")
    bus.say("CHM")
    assert bus.session.last_frame_s == 5.0


# ------------------------------------------------------------------------------------------------ 2011, variants


def test_a_vehicle_of_the_2011_edition() -> None:
    bus = Bus()
    bus.say("CRM")
    bus.payload("BRM", encode("BRM", {**VALUES["BRM"], "version": "1.0"})[:41])
    bus.wait(0.25)
    bus.payload("BRM", encode("BRM", {**VALUES["BRM"], "version": "1.0"})[:41])
    bus.say("CRM AA", "BCP")
    bus.payload("CML", encode("CML", VALUES["CML"])[:6])
    bus.say("BRO", "CRO 00", "CRO", "BCL", "BCS")
    bus.payload("CCS", encode("CCS", VALUES["CCS"])[:6])
    assert bus.session.vehicle_2011
    assert bus.codes("violation") == []
    assert bus.stage() is Stage.CHARGING
    assert {each.code for each in bus.told if each.severity is Severity.VARIANT} == {"vehicle.2011", "length.variant"}
    assert bus.codes().count("vehicle.2011") == 1


def test_a_ccs_of_eight_bytes_is_a_variant() -> None:
    bus = Bus().charging()
    bus.payload("CCS", encode("CCS", VALUES["CCS"]) + b"\xff")
    assert bus.only("length.variant").seen == "8 bytes, summary table of 2015"


def test_another_priority_is_a_variant() -> None:
    bus = Bus().charging()
    bus.frame(CanFrame(identifier_of("BCL") | 7 << 26, encode("BCL", VALUES["BCL"])))
    assert (bus.only("priority").expected, bus.only("priority").seen) == ("6", "7")
    assert bus.session.counts["BCL"].count == 2


# -------------------------------------------------------------------------------------------------------- foreign


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        (0x1830F456, "multi-gun (CFC)"),
        (0x0C38F456, "27930.2-2024 version negotiation"),
        (0x1820F456, "diagnostic DM1"),
        (0x1812F4F4, "CCS with a foreign address"),
        (0x181256F4, "CCS from the wrong side"),
        (0x1899F456, ""),
        (0x18FF1234, ""),
        (0x1812AA55, ""),
    ],
)
def test_foreign_identifiers_have_names(identifier: int, name: str) -> None:
    assert foreign_name(identifier, True) == name
    bus = Bus()
    bus.frame(CanFrame(identifier, b"\x00"))
    bus.frame(CanFrame(identifier, b"\x01"))
    assert bus.only("foreign").seen == name
    assert bus.observer.foreign[identifier].count == 2
    assert bus.observer.session is None


def test_an_identifier_of_eleven_bits() -> None:
    bus = Bus()
    bus.frame(CanFrame(0x456, b"", extended=False))
    assert bus.only("foreign").seen == "11-bit identifier"


def test_many_foreign_identifiers_are_counted_together() -> None:
    bus = Bus()
    for number in range(FOREIGN_AT_MOST + 10):
        bus.frame(CanFrame(0x18FF0000 | number, b""))
    assert len(bus.observer.foreign) == FOREIGN_AT_MOST
    assert bus.observer.foreign_others == 10
