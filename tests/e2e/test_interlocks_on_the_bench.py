"""Everything that must end a charge at once or in order, done to a charging pile by the people and parts around it."""

from dataclasses import dataclass, field

import pytest

from hil_tests.harness.books import check_books
from hil_tests.harness.phases import reach, wait_charging
from hil_tests.harness.pile import Pile
from hil_tests.harness.selection import full_only

pytestmark = pytest.mark.bench


@dataclass(frozen=True)
class Case:
    """What is done, what must come of it, and what takes it back."""

    do: str
    reasons: tuple[str, ...]
    remedies: tuple[str, ...] = ()
    needs_reset: bool = False
    unplugged: bool = False
    before_start: bool = field(default=False)

    def __str__(self) -> str:
        return self.do.replace(" ", "-")


CASES = [
    Case("press estop", ("emergency_stop",), ("release estop",), needs_reset=True),
    Case("open door", ("door_open",), ("close door",)),
    Case("smoke", ("smoke",), ("clear smoke",), needs_reset=True),
    Case("heat connector 100", ("over_temperature",), ("cool connector",)),
    Case("unplug force", ("connector_unplugged",), unplugged=True),
    Case("vehicle fault over_temperature", ("bms_fault", "vehicle_fault"), ("vehicle normal",)),
    Case("module fault 0", ("power_stage_fault",), ("module ok 0",)),
    # Comes back three times and is silent again; and keeps its battery on the output, so that nothing can come back.
    Case("vehicle silence BCL", ("bms_timeout_bcl",), ("vehicle normal",)),
    Case("vehicle freeze", ("bms_timeout_bcl", "bms_timeout_bcs"), ("vehicle normal",)),
    Case("jam K1", ("contactor_refuses",), ("unjam K1",), before_start=True),
    Case("leak 20", ("insulation_fault",), ("leak off",), before_start=True),
    Case("vehicle mismatch 20", ("precharge_failed", "parameter_mismatch"), ("vehicle normal",), before_start=True),
]
IN_SHORT_FORM = [CASES[0], CASES[4], CASES[9], CASES[10]]


@pytest.mark.parametrize("case", full_only(CASES, IN_SHORT_FORM), ids=str)
def test_interlock(pile: Pile, case: Case) -> None:
    if case.before_start:
        reach(pile, "plugged")
        pile.bench.do(case.do)
        session = pile.start()
    else:
        found = reach(pile, "charging")
        assert found is not None
        session = found
        pile.bench.do(case.do)
    pile.wait_no_session()
    probe = pile.wait_contactors_open()
    ended = pile.wait_closed(session)["ended"]
    assert ended["result"] == "failed"
    assert ended["stop_reason"] in case.reasons
    assert (ended["energy_wh"] > 0) == (not case.before_start)
    assert ended["register_end_wh"] == probe["energy_register_wh"]
    named = ended["stop_reason"]
    if named != "vehicle_fault":
        assert named in ended["faults"]
        pile.wait_published()
        assert named in pile.platform.alarms("alarm_raised")

    for remedy in case.remedies:
        pile.bench.do(remedy)
    if not case.unplugged:
        pile.wait_probe("unlocked", lambda probe: not probe["lock_locked"])
        pile.bench.do("unplug")
    if case.needs_reset:
        pile.wait("only the latch holds", lambda status: [item["latched"] for item in status["faults"]] == [True])
        assert pile.command("reset").result == "accepted"
    pile.wait("ready for the next customer", lambda status: status["start_blockers"] == ["not plugged"])
    check_books(pile, sessions=1)
    assert pile.platform.alarms("alarm_raised") == pile.platform.alarms("alarm_cleared")


@pytest.mark.parametrize("contactor", full_only(("K1", "K2"), ("K1",)))
def test_a_welded_contactor_is_found_at_the_stop(pile: Pile, contactor: str) -> None:
    session = reach(pile, "charging")
    assert session is not None
    pile.bench.do(f"weld {contactor}")
    pile.stop()
    pile.wait_no_session()
    ended = pile.wait_closed(session)["ended"]
    assert ended["stop_reason"] == "local"
    assert "contactor_welded" in ended["faults"]
    probe = pile.bench.probe()
    assert (probe["contactor_k1"], probe["contactor_k2"]) == (contactor == "K1", contactor == "K2")
    pile.wait_state("faulted")
    reply = pile.command("start")
    assert (reply.result, "contactor_welded" in reply.reason) == ("rejected", True)
    pile.bench.do(f"unweld {contactor}")
    pile.wait("only the latch holds", lambda status: [item["latched"] for item in status["faults"]] == [True])
    assert pile.command("reset").result == "accepted"
    pile.wait_no_fault("contactor_welded")
    check_books(pile, sessions=2)
    assert "contactor_welded" in pile.platform.alarms("alarm_cleared")


@pytest.mark.parametrize("profile", full_only(("low-speed-48v",), ()))
def test_a_vehicle_that_does_not_fit_is_refused_by_name(profile: str) -> None:
    with Pile(vehicle_profile=profile) as pile:
        reach(pile, "plugged")
        session = pile.start()
        pile.wait_no_session()
        ended = pile.wait_closed(session)["ended"]
        assert (ended["result"], ended["stop_reason"], ended["energy_wh"]) == ("failed", "parameter_mismatch", 0)
        assert pile.bench.probe()["contactors_closed_at_s"] is None
        check_books(pile, sessions=1)


@pytest.mark.parametrize("edition", full_only(("2015", "2023"), ()))
def test_a_vehicle_that_pauses_goes_on_afterwards(edition: str) -> None:
    """2015 keeps the contactors closed, 2023 opens them and closes them onto the battery again."""
    with Pile(vehicle_profile="cold-pack", connector={"edition": edition}) as pile:
        session = reach(pile, "charging")
        assert session is not None
        closed = edition == "2015"
        pile.wait_probe("the pause", lambda probe: probe["current_a"] < 1.0 and probe["contactors_closed"] is closed)
        wait_charging(pile)
        pile.stop()
        assert pile.wait_closed(session)["result"] == "settled"
        check_books(pile, sessions=1)
