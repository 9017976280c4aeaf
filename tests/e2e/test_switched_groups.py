"""Groups of power modules that go to the gun that needs them, and back, over allocation contactors."""

from collections.abc import Iterator
from typing import Any

import pytest

from hil_tests.bench.closings import closings
from hil_tests.harness.books import check_books
from hil_tests.harness.guns import begin, charge, leave, wait_charging, watch
from hil_tests.harness.pile import Pile
from hil_tests.harness.selection import full_only

pytestmark = pytest.mark.bench

ONE_GROUP_A = 150.0
"""Maximum current of one group (config/piles/dc-120kw-two-guns.toml)."""


@pytest.fixture
def pile() -> Iterator[Pile]:
    with Pile(vehicle_profile="bus", more_vehicles=("demo-car",), switched=True) as running:
        yield running


def fed(probe: dict[str, Any]) -> dict[str, list[int]]:
    """The guns that each group is joined to on the bench."""
    return {name: group["guns"] for name, group in probe["bank"]["groups"].items()}


def check_contactors(pile: Pile) -> int:
    """No group ever fed two guns, and each contactor closed as permitted. Returns the closings onto a live gun."""
    bank = pile.bench.probe()["bank"]
    assert bank["fed_two_guns"] == 0
    found = closings(bank)
    assert all(each.permitted for each in found), found
    return sum(each.onto_live for each in found)


@pytest.mark.parametrize("way_back", full_only(("start", "fault", "kill"), ("start",)))
def test_a_free_group_is_lent_and_given_back(pile: Pile, way_back: str) -> None:
    first = begin(pile, 1)
    wait_charging(pile, 1)
    pile.wait_probe(
        "both groups feed gun 1",
        lambda probe: fed(probe) == {"A": [1], "B": [1]} and probe["current_a"] > ONE_GROUP_A + 10.0,
        60.0,
    )
    if way_back == "start":
        second = begin(pile, 2)
        pile.wait_probe("group B feeds gun 2", lambda probe: fed(probe) == {"A": [1], "B": [2]}, 60.0)
        wait_charging(pile, 2)
        flow = watch(pile, 1, 2.0)
        assert flow.without_gap, flow
        assert pile.bench.probe(1)["current_a"] <= ONE_GROUP_A + 2.0
        pile.stop(2)
        assert pile.wait_closed(second)["ended"]["result"] == "settled"
        pile.stop(1)
        assert pile.wait_closed(first)["ended"]["result"] == "settled"
    elif way_back == "fault":
        pile.bench.do("heat connector 105", 1)
        pile.wait_contactors_open(timeout_s=30.0, gun=1)
        assert pile.wait_closed(first)["ended"]["stop_reason"] == "over_temperature"
        pile.bench.do("cool connector", 1)
    else:
        pile.kill("field")
        pile.wait_contactors_open(gun=1)
        pile.wait_probe("no group feeds a gun", lambda probe: fed(probe) == {"A": [], "B": []}, 10.0)
        pile.start_process("field")
        assert pile.wait_closed(first)["ended"]["stop_reason"] == "control_restarted"
    for gun in (1, 2):
        leave(pile, gun)
        pile.wait("ready again", lambda status: status["start_blockers"] == ["not plugged"], 90.0, connector=gun)
    if way_back != "start":
        sessions = charge(pile)
        assert fed(pile.bench.probe()) == {"A": [1], "B": [2]}
        for gun, session in sessions.items():
            pile.stop(gun)
            assert pile.wait_closed(session)["ended"]["result"] == "settled"
    assert check_contactors(pile) >= 1
    check_books(pile, sessions=2 if way_back == "start" else 3)
