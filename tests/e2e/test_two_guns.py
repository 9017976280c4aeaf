"""Two vehicles of different kinds on one field process: what one gun does ends one, what the pile does ends both."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from hil_tests.harness.books import check_books
from hil_tests.harness.guns import begin, charge, leave, records_of, wait_charging, watch
from hil_tests.harness.pile import Pile
from hil_tests.harness.selection import OPENING_TIME, full_only

pytestmark = pytest.mark.bench

OPEN_WITHIN_S = 2.0
"""Contactors are open this long after the death of the field process, by what is outside it."""
STOP_WITHIN_S = 1.0
"""Own: from the pressed button to open contactors at every gun."""
GOES_ON_S = 4.0


@pytest.fixture
def pile() -> Iterator[Pile]:
    with Pile(more_vehicles=("bus",)) as running:
        yield running


@dataclass(frozen=True)
class Own:
    """Something that happens at one gun, what must come of it there, and what takes it back."""

    do: str
    reasons: tuple[str, ...]
    remedy: str = ""

    def __str__(self) -> str:
        return self.do.replace(" ", "-")


OWN = [
    Own("heat connector 105", ("over_temperature",), "cool connector"),
    Own("cut wire inputs-outputs", ("inputs_lost",), "mend wire inputs-outputs"),
    Own("cut wire vehicle", ("bms_timeout_bcl", "bms_timeout_bcs"), "mend wire vehicle"),
    Own("cut wire meter", ("meter_lost", "insulation_monitor_lost"), "mend wire meter"),
    Own("unplug force", ("connector_unplugged",)),
    Own("vehicle fault over_temperature", ("bms_fault", "vehicle_fault"), "vehicle normal"),
]


# The inputs of the pile are on the boards of gun 1: the loss of those is in the next test.
CASES = [(gun, own) for own in OWN for gun in (2, 1) if (gun, own.do) != (1, "cut wire inputs-outputs")]


@pytest.mark.parametrize(("failing", "own"), full_only(CASES, [(2, OWN[0]), (2, OWN[1])]), ids=str)
def test_what_happens_at_one_gun_ends_that_one_only(pile: Pile, failing: int, own: Own) -> None:
    steady = 3 - failing
    sessions = charge(pile)
    pile.bench.do(own.do, failing)
    pile.wait_contactors_open(timeout_s=30.0, gun=failing)
    flow = watch(pile, steady, GOES_ON_S)
    assert flow.without_gap, flow

    pile.wait_no_session(connector=failing)
    ended = pile.wait_closed(sessions[failing])
    assert ended["connector"] == failing
    assert ended["ended"]["stop_reason"] in own.reasons
    assert ended["ended"]["register_end_wh"] <= pile.bench.probe(failing)["energy_register_wh"]
    if own.remedy:
        pile.bench.do(own.remedy, failing)
    leave(pile, failing)
    again = begin(pile, failing)
    wait_charging(pile, failing)
    assert watch(pile, steady, 0.5).without_gap

    for gun in (1, 2):
        pile.stop(gun)
    for gun, session in ((failing, again), (steady, sessions[steady])):
        found = pile.wait_closed(session)
        assert (found["connector"], found["ended"]["result"]) == (gun, "settled")
        assert found["ended"]["register_end_wh"] == pile.bench.probe(gun)["energy_register_wh"]
    check_books(pile, sessions=3)
    assert {message["d"]["fault"] for message in records_of(pile, "alarm", failing)} <= set(ended["ended"]["faults"])
    assert records_of(pile, "alarm", steady) == []


@pytest.mark.parametrize(
    ("do", "reasons", "remedy"),
    full_only(
        [
            ("press estop", ("emergency_stop",), "release estop"),
            ("open door", ("door_open",), "close door"),
            (
                "cut wire inputs-outputs",
                ("inputs_lost", "emergency_stop", "door_open", "smoke"),
                "mend wire inputs-outputs",
            ),
            ("cut wire power-stage", ("power_stage_lost",), "mend wire power-stage"),
        ],
        [("press estop", ("emergency_stop",), "release estop")],
    ),
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else None,
)
def test_what_all_guns_share_ends_both(pile: Pile, do: str, reasons: tuple[str, ...], remedy: str) -> None:
    sessions = charge(pile)
    pressed_at_s = pile.bench.probe()["time_s"]
    pile.bench.do(do)
    for gun in (1, 2):
        opened_at_s = pile.wait_contactors_open(timeout_s=30.0, gun=gun)["contactors_opened_at_s"]
        assert opened_at_s > pressed_at_s
        if do == "press estop":
            assert opened_at_s - pressed_at_s <= STOP_WITHIN_S
    for gun, session in sessions.items():
        pile.wait_no_session(connector=gun)
        found = pile.wait_closed(session)
        assert (found["connector"], found["ended"]["result"]) == (gun, "failed")
        assert found["ended"]["stop_reason"] in reasons
        assert found["ended"]["energy_wh"] > 0
        assert found["ended"]["register_end_wh"] == pile.bench.probe(gun)["energy_register_wh"]
    pile.bench.do(remedy)
    for gun in (1, 2):
        leave(pile, gun)
    if do == "press estop":
        for gun in (1, 2):
            pile.wait(
                "only the latch holds",
                lambda status: [item["latched"] for item in status["faults"]] == [True],
                connector=gun,
            )
            assert pile.command("reset", gun).result == "accepted"
    for gun in (1, 2):
        pile.wait("ready again", lambda status: status["start_blockers"] == ["not plugged"], connector=gun)
    check_books(pile, sessions=2)
    for gun, session in sessions.items():
        (ended,) = (message for message in records_of(pile, "session", gun) if message["k"] == "session_ended")
        assert ended["sid"] == session
        assert {message["d"]["state"] for message in records_of(pile, "state", gun)} >= {"charging", "idle"}


def test_field_process_killed_while_both_charge(pile: Pile, record_property: Callable[[str, object], None]) -> None:
    sessions = charge(pile)
    died_at_s = pile.kill("field")
    latest_s = 0.0
    for gun in (1, 2):
        opened_at_s = pile.wait_contactors_open(gun=gun)["contactors_opened_at_s"]
        assert died_at_s < opened_at_s <= died_at_s + OPEN_WITHIN_S
        latest_s = max(latest_s, opened_at_s - died_at_s)
    record_property(OPENING_TIME, round(latest_s, 3))
    pile.start_process("field")
    for gun, session in sessions.items():
        pile.wait("the meter answers", lambda status: "meter_energy_wh" in status["values"], connector=gun)
        found = pile.wait_closed(session)
        ended = found["ended"]
        assert found["connector"] == gun
        assert (ended["closed_by"], ended["result"]) == ("recovery", "failed")
        assert (ended["stop_reason"], ended["register_source"]) == ("control_restarted", "meter")
        assert ended["energy_wh"] > 0
        assert ended["register_end_wh"] == pile.bench.probe(gun)["energy_register_wh"]
        leave(pile, gun)
        pile.wait("ready again", lambda status: status["start_blockers"] == ["not plugged"], connector=gun)
        assert pile.bench.probe(gun)["contactors_closed_at_s"] < died_at_s
    check_books(pile, sessions=2)
    assert {message["c"] for message in pile.platform.records("session") if message["k"] == "session_ended"} == {1, 2}
