"""Two vehicles of different kinds on one field process: what is one gun's ends that one, what is the pile's ends both."""

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


@pytest.mark.parametrize(
    ("failing", "own"),
    full_only([(gun, own) for own in OWN for gun in (1, 2)], [(2, OWN[0]), (1, OWN[1])]),
    ids=str,
)
def test_what_happens_at_one_gun_ends_that_one_only(pile: Pile, failing: int, own: Own) -> None:
    steady = 3 - failing
    if failing == 1 and own.do == "cut wire inputs-outputs":
        pytest.skip("the inputs of the pile are on the boards of gun 1: see the test of the shared inputs")
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
