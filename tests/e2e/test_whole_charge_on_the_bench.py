"""One charge from plug to plug, ended by each of those who may end it."""

import pytest

from hil_tests.harness.books import check_books
from hil_tests.harness.phases import wait_charging
from hil_tests.harness.pile import Pile
from hil_tests.harness.waiting import wait_until

pytestmark = pytest.mark.bench

STATES = [
    "plugged",
    "locked",
    "handshake",
    "insulation",
    "recognition",
    "parameters",
    "precharge",
    "charging",
    "stopping",
    "settled",
]


def check_settled(pile: Pile, session: str, reason: str) -> None:
    """The session ended normally, the pile is at rest and the vehicle has closed its side."""
    pile.wait_state("settled")
    found = pile.wait_closed(session)
    ended = found["ended"]
    assert (ended["result"], ended["stop_reason"], ended["closed_by"]) == ("settled", reason, "control")
    assert ended["faults"] == []
    assert ended["register_source"] == "meter"
    probe = pile.wait_probe("unlocked", lambda probe: not probe["lock_locked"])
    assert not probe["contactor_k1"]
    assert not probe["contactor_k2"]
    assert probe["auxiliary_voltage_v"] == 0.0
    assert ended["register_end_wh"] == probe["energy_register_wh"]
    assert ended["energy_wh"] > 0
    assert probe["vehicle"]["phase"] == "asleep"
    assert probe["vehicle"]["stop_reason"] is not None
    assert probe["vehicle"]["timed_out"] is None
    assert probe["vehicle"]["heard"]["CSD"] > 0
    assert "BEM" not in probe["vehicle"]["said"]
    assert found["vehicle"]["vin"] == ended["vin"] == "LDEMX1SHUTTLE0001"
    pile.wait_published()
    states = [message["d"]["state"] for message in pile.platform.records("state")]
    assert states[-len(STATES) :] == STATES
    assert pile.platform.records("alarm") == []


def test_the_platform_starts_and_stops_a_charge(pile: Pile) -> None:
    pile.bench.do("plug")
    pile.wait("no start blocker", lambda status: bool(status["may_start"]))
    start = pile.platform.order("start")
    wait_charging(pile)
    wait_until(lambda: len(pile.platform.replies(start)) == 2, "both answers to the start", 30.0)
    replies = pile.platform.replies(start)
    assert [reply["result"] for reply in replies] == ["accepted", "done"]
    stop = pile.platform.order("stop")
    check_settled(pile, replies[0]["sid"], "platform")
    wait_until(lambda: len(pile.platform.replies(stop)) == 2, "both answers to the stop", 30.0)
    assert [reply["result"] for reply in pile.platform.replies(stop)] == ["accepted", "done"]
    check_books(pile, sessions=1)


def test_the_vehicle_ends_the_charge_and_the_next_customer_comes(pile: Pile) -> None:
    pile.bench.do("vehicle target 80.8")
    pile.bench.do("plug")
    session = pile.start()
    check_settled(pile, session, "vehicle")
    pile.bench.do("unplug")
    pile.wait_state("idle")
    pile.bench.do("vehicle target 98")
    pile.bench.do("plug")
    session = pile.start()
    wait_charging(pile)
    pile.stop()
    check_settled(pile, session, "local")
    check_books(pile, sessions=2)


def test_the_ordered_energy_ends_the_charge(pile: Pile) -> None:
    pile.bench.do("plug")
    session = pile.start(energy_wh=30)
    check_settled(pile, session, "energy_limit")
    ended = pile.wait_closed(session)["ended"]
    assert ended["energy_wh"] >= 30
    check_books(pile, sessions=1)
