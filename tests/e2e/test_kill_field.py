"""SIGKILL of the field process in every phase: the board opens the contactors, the record closes the session."""

from collections.abc import Callable

import pytest

from hil_tests.harness.books import check_books
from hil_tests.harness.phases import PHASES, reach, release, wait_charging
from hil_tests.harness.pile import Pile
from hil_tests.harness.selection import OPENING_TIME

pytestmark = pytest.mark.bench

OPEN_WITHIN_S = 2.0
"""Contactors are open this long after the death of the field process, by whatever is outside it."""
SAFE_VOLTAGE_V = 60.0
CLOSED_WHEN_KILLED = ("insulation", "charging")


def check_unlocked_without_voltage(pile: Pile) -> None:
    """The plug is let go, but not before the voltage that the dead process left is gone."""
    probe = pile.wait_probe("unlocked", lambda probe: not probe["lock_locked"])
    assert probe["outside_voltage_v"] < SAFE_VOLTAGE_V


@pytest.mark.parametrize("phase", PHASES)
def test_field_process_killed(pile: Pile, phase: str, record_property: Callable[[str, object], None]) -> None:
    session = reach(pile, phase)
    closed_before = pile.bench.probe()["contactors_closed"]
    died_at_s = pile.kill("field")
    if phase == "locked":
        pile.thaw("north")
    probe = pile.wait_contactors_open()
    opened_at_s = probe["contactors_opened_at_s"]
    if phase in CLOSED_WHEN_KILLED:
        assert closed_before
        assert opened_at_s is not None
    if opened_at_s is not None:
        assert opened_at_s - died_at_s <= OPEN_WITHIN_S
        if opened_at_s > died_at_s:
            record_property(OPENING_TIME, round(opened_at_s - died_at_s, 3))

    release(pile)
    locked = pile.bench.probe()["lock_locked"]
    pile.start_process("field")
    if locked:
        check_unlocked_without_voltage(pile)
    pile.wait("the meter answers", lambda status: "meter_energy_wh" in status["values"])
    if session is not None:
        found = pile.wait_closed(session)
        ended = found["ended"]
        assert ended["register_end_wh"] == pile.bench.probe()["energy_register_wh"]
        if phase == "settled":
            assert (ended["closed_by"], ended["stop_reason"]) == ("control", "local")
        else:
            assert (ended["closed_by"], ended["result"]) == ("recovery", "failed")
            assert (ended["stop_reason"], ended["register_source"]) == ("control_restarted", "meter")
        assert (ended["energy_wh"] > 0) == (phase in ("charging", "stopping", "settled"))
    # Nobody has closed anything since: neither the dead process nor its successor.
    probe = pile.wait_contactors_open()
    assert probe["contactors_closed_at_s"] is None or probe["contactors_closed_at_s"] < died_at_s

    if phase != "idle":
        pile.wait_probe("unlocked", lambda probe: not probe["lock_locked"])
        pile.bench.do("unplug")
    pile.wait("ready for the next customer", lambda status: status["start_blockers"] == ["not plugged"])
    sessions = 0 if session is None else 1
    if phase == "charging":
        pile.bench.do("plug")
        pile.start()
        wait_charging(pile)
        pile.stop()
        pile.wait_state("settled")
        sessions = 2
    check_books(pile, sessions=sessions)
    assert "control_restarted" in pile.platform.alarms("alarm_raised")
