"""Each wire of the bench cut in each phase: a named end, open contactors, no traceback; the broker changes nothing."""

import pytest

from hil_tests.harness.books import check_books
from hil_tests.harness.phases import reach, release, wait_charging
from hil_tests.harness.pile import Pile
from hil_tests.harness.selection import full_only

pytestmark = pytest.mark.bench

STARTING = ("handshake", "insulation", "parameters", "precharge")
PHASES = (*STARTING, "charging", "stopping")
_STAGE = {"power_stage_lost"}
_METER = {"insulation_monitor_lost", "meter_lost"}
_BOARDS = {"inputs_lost"}

EXPECTED = {
    ("vehicle", "handshake"): {"bms_timeout_bhm", "bms_timeout_brm"},
    ("vehicle", "insulation"): {"bms_timeout_brm"},
    # From here on three new handshakes are tried first, and nobody answers them.
    ("vehicle", "parameters"): {"bms_timeout_brm"},
    ("vehicle", "precharge"): {"bms_timeout_brm"},
    ("vehicle", "charging"): {"bms_timeout_brm"},
    **{("meter", phase): _METER for phase in (*STARTING, "charging")},
    **{("power-stage", phase): _STAGE for phase in (*STARTING, "charging")},
    **{("inputs-outputs", phase): _BOARDS for phase in (*STARTING, "charging")},
    # The end that somebody wished has begun: it keeps its name.
    **{(wire, "stopping"): {"local"} for wire in ("vehicle", "meter", "power-stage", "inputs-outputs")},
}


@pytest.mark.parametrize(
    ("wire", "phase"), full_only(EXPECTED, [(wire, phase) for wire, phase in EXPECTED if phase == "charging"])
)
def test_wire_cut(pile: Pile, wire: str, phase: str) -> None:
    session = reach(pile, phase)
    assert session is not None
    pile.bench.do(f"cut wire {wire}")
    release(pile)
    pile.wait_contactors_open(timeout_s=60.0)
    pile.wait_no_session()
    ended = pile.wait_closed(session)["ended"]
    assert ended["stop_reason"] in EXPECTED[wire, phase]
    assert ended["result"] == ("settled" if phase == "stopping" else "failed")
    assert ended["closed_by"] == "control"
    if phase != "stopping":
        assert ended["stop_reason"] in ended["faults"]
    assert ended["register_end_wh"] <= pile.bench.probe()["energy_register_wh"]
    if wire != "meter":
        assert ended["register_end_wh"] == pile.bench.probe()["energy_register_wh"]

    pile.bench.do(f"mend wire {wire}")
    pile.wait_probe("unlocked", lambda probe: not probe["lock_locked"])
    pile.bench.do("unplug")
    pile.wait("ready for the next customer", lambda status: status["start_blockers"] == ["not plugged"])
    sessions = 1
    if phase == "charging":
        pile.bench.do("plug")
        session = pile.start()
        wait_charging(pile)
        pile.stop()
        pile.wait_state("settled")
        assert pile.wait_closed(session)["result"] == "settled"
        sessions = 2
    check_books(pile, sessions=sessions)
    raised = pile.platform.alarms("alarm_raised")
    assert raised == pile.platform.alarms("alarm_cleared")
    assert set(ended["faults"]) <= raised


@pytest.mark.parametrize("phase", full_only(("idle", *PHASES), ("charging",)))
def test_broker_cut_changes_nothing(pile: Pile, phase: str) -> None:
    session = reach(pile, phase)
    pile.bench.do("cut wire broker")
    release(pile)
    if session is None:
        pile.bench.do("plug")
        session = pile.start()
    if phase != "stopping":
        wait_charging(pile)
        pile.stop()
    pile.wait_state("settled")
    ended = pile.wait_closed(session)["ended"]
    assert (ended["result"], ended["stop_reason"], ended["faults"]) == ("settled", "local", [])
    # A throw-away broker forgets its subscribers: the platform must be back first, or it cannot be told.
    pile.freeze("north")
    pile.bench.do("mend wire broker")
    pile.platform.wait_subscribed()
    pile.thaw("north")
    check_books(pile, sessions=1)
    assert pile.platform.records("alarm") == []


@pytest.mark.parametrize(
    ("wire", "fault"),
    full_only(
        [
            ("meter", "meter_lost"),
            ("meter", "insulation_monitor_lost"),
            ("power-stage", "power_stage_lost"),
            ("inputs-outputs", "inputs_lost"),
        ],
        (),
    ),
)
def test_wire_cut_while_nobody_is_there(pile: Pile, wire: str, fault: str) -> None:
    reach(pile, "idle")
    pile.bench.do(f"cut wire {wire}")
    pile.wait_fault(fault)
    pile.wait_state("faulted")
    pile.bench.do("plug")
    reply = pile.command("start")
    assert reply.result == "rejected"
    assert fault in reply.reason
    pile.bench.do(f"mend wire {wire}")
    pile.wait_no_fault(fault)
    session = pile.start()
    wait_charging(pile)
    pile.stop()
    assert pile.wait_closed(session)["result"] == "settled"
    check_books(pile, sessions=2)
