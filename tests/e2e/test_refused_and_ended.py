"""Starts that are refused leave exactly one record, and a service that is stopped ends its charge first."""

import pytest

from hil_tests.harness.books import check_books
from hil_tests.harness.phases import reach
from hil_tests.harness.pile import Pile
from hil_tests.harness.waiting import wait_until

pytestmark = pytest.mark.bench


def check_refused(pile: Pile, reason: str) -> None:
    """The last session in the record is a refused start with this reason."""
    wait_until(lambda: pile.sessions(), "the refused start is in the record", 30.0)
    newest = pile.sessions()[0]
    assert (newest["result"], newest["energy_wh"], newest["closed_by"]) == ("refused", 0, "control")
    assert reason in newest["stop_reason"].split(", ")


def test_starts_are_refused_without_plug_and_with_the_emergency_stop_pressed(pile: Pile) -> None:
    reach(pile, "idle")
    reply = pile.command("start")
    assert (reply.result, reply.reason) == ("rejected", "not plugged")
    check_refused(pile, "not plugged")
    pile.bench.do("plug")
    pile.wait_state("plugged")
    pile.bench.do("press estop")
    pile.wait_fault("emergency_stop")
    reply = pile.command("start")
    assert (reply.result, reply.reason) == ("rejected", "emergency_stop")
    wait_until(lambda: len(pile.sessions()) == 2, "both refused starts are in the record", 30.0)
    check_refused(pile, "emergency_stop")
    assert pile.bench.probe()["contactors_closed_at_s"] is None
    check_books(pile, sessions=2)
    assert "emergency_stop" in pile.platform.alarms("alarm_raised")


def test_without_recorder_no_start_and_the_refusal_is_recorded_later(pile: Pile) -> None:
    reach(pile, "plugged")
    assert pile.terminate("north") == 0
    pile.wait_fault("recorder_absent")
    reply = pile.command("start")
    assert reply.result == "rejected"
    assert "recorder_absent" in reply.reason
    assert pile.sessions() == []
    pile.start_process("north")
    check_refused(pile, "recorder_absent")
    assert pile.bench.probe()["contactors_closed_at_s"] is None
    check_books(pile, sessions=1)


def test_sigterm_of_the_field_process_ends_the_charge_in_order(pile: Pile) -> None:
    session = reach(pile, "charging")
    assert session is not None
    assert pile.terminate("field") == 0
    # The lock is told before the process ends and takes a moment to move.
    probe = pile.wait_probe("unlocked", lambda probe: not probe["lock_locked"])
    assert (probe["contactor_k1"], probe["contactor_k2"]) == (False, False)
    assert probe["vehicle"]["heard"]["CSD"] > 0
    ended = pile.wait_closed(session)["ended"]
    assert (ended["result"], ended["stop_reason"], ended["closed_by"]) == ("settled", "shutdown", "control")
    assert ended["register_end_wh"] == probe["energy_register_wh"]
    assert ended["energy_wh"] > 0
    assert pile.terminate("north") == 0
    check_books(pile, sessions=1)
