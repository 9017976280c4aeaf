"""A listener beside a whole charge: it sends nothing, and its record tells the same charge.

The charger that it follows is the project's own field process, as somebody else's charger on the same CAN line.
"""

import time
from typing import Any

import pytest

from hil_tests.harness.listener import Listener
from hil_tests.harness.phases import wait_charging
from hil_tests.harness.pile import Pile

pytestmark = pytest.mark.bench

READ_FUNCTIONS = {1, 2, 3, 4}
"""Modbus functions that change nothing. The owner of a line asks for more than inputs after a reply that came late: the
next request then has to be another one, so that the two replies can be told apart."""


def check_silent(pile: Pile) -> None:
    """Nothing that the listener did reached a wire, and its port was opened listen-only and in no other way."""
    tap = pile.bench.probe()["tap"]
    assert tap["opened_with"] == ["L"], tap
    assert (tap["frames_asked"], tap["frames_sent"]) == (0, 0), tap
    assert set(tap["functions"]) <= READ_FUNCTIONS, tap


def check_same(charger: dict[str, Any], heard: dict[str, Any]) -> None:
    """What the two records must agree about."""
    for name in ("vin", "soc_start_percent", "soc_end_percent", "result"):
        assert heard[name] == charger[name], name
    assert heard["complete"] is True
    assert heard["from_start"] is True
    # CSD counts in steps of 0.1 kWh.
    assert abs(heard["csd_energy_wh"] - charger["energy_wh"]) <= 100


def test_a_listener_follows_a_whole_charge_and_never_sends() -> None:
    with Pile(tap=True) as pile, Listener(pile) as listener:
        listener.wait("the listener is well", lambda status: status["faults"] == [] and status["recorder"]["ok"])
        pile.bench.do("plug")
        session = pile.start()
        listener.wait("the dialogue is heard", lambda status: status["session"] is not None)
        wait_charging(pile)
        shown = listener.wait("it shows the charge", lambda status: status["state"] == "charging")
        assert shown["role"] == "monitor"
        for name in ("start", "stop"):
            reply = listener.command(name)
            assert (reply.result, reply.reason) == ("rejected", "monitor_only")
        # The stop action of the unit, and the command a person may try: they find nothing to open.
        made = listener.cli("make-safe")
        assert (made.returncode, "no output to open" in made.stderr) == (0, True)
        assert "监听" in listener.cli("status", lang="zh").stdout
        before = listener.status()["values"]
        time.sleep(3.0)
        after = listener.status()["values"]
        assert after["ccs_current_a"] > 20.0
        assert abs(after["ccs_voltage_v"] - after["meter_voltage_v"]) < 5.0
        assert after["meter_energy_wh"] > before["meter_energy_wh"]
        pile.stop()
        pile.wait_state("settled")
        charger, heard = pile.wait_closed(session)["ended"], listener.wait_closed()
        ended = heard["ended"]
        check_same(charger, ended)
        assert (ended["stop_side"], ended["stop_reason"]) == ("charger", "charger_manual")
        assert (ended["role"], ended["energy_source"], ended["register_source"]) == ("monitor", "meter", "meter")
        assert ended["energy_wh"] == charger["energy_wh"] > 0
        assert ended["amount_e4"] == charger["amount_e4"]
        assert ended["faults"] == []
        assert heard["vehicle"]["vin"] == charger["vin"]
        kinds = [record["kind"] for record in heard["records"]]
        assert (kinds.count("session_started"), kinds.count("session_ended")) == (1, 1)
        with listener.ledger() as reader:
            assert reader.faults(50) == [], "nothing was wrong"
            assert reader.verify().problems == []
        shown_text = listener.cli("session", "last").stdout
        assert "another maker's charger" in shown_text
        assert charger["vin"] in shown_text
        pile.bench.do("open door")
        listener.wait("the door is told", lambda status: [item["id"] for item in status["faults"]] == ["door_open"])
        assert listener.status()["buses"]["vehicle"]["frames_in"] > 200, "it has really heard the dialogue"
        check_silent(pile)


def test_without_a_meter_a_charge_that_the_vehicle_ends() -> None:
    site: dict[str, Any] = {
        "connector": {"meter": None, "wiring": None, "boards": None},
        "board": None,
        "bus": {"modbus": None},
    }
    with Pile(tap=True) as pile, Listener(pile, **site) as listener:
        listener.wait("the listener is well", lambda status: status["faults"] == [] and status["recorder"]["ok"])
        pile.bench.do("vehicle target 80.8")
        pile.bench.do("plug")
        session = pile.start()
        pile.wait_state("settled", timeout_s=90.0)
        charger, heard = pile.wait_closed(session)["ended"], listener.wait_closed()
        ended = heard["ended"]
        check_same(charger, ended)
        assert (charger["stop_reason"], ended["stop_reason"], ended["stop_side"]) == ("vehicle", "vehicle", "vehicle")
        assert (ended["energy_source"], ended["energy_quality"]) == ("vehicle_bus", "charger_total")
        assert "amount_e4" not in ended
        assert "not billed" in listener.cli("session", "last").stdout
        assert listener.cli("sessions").returncode == 0
        check_silent(pile)
