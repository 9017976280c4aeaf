"""Readings go to whom they belong, and a contact of the pile that is wired twice counts as its worst."""

import pytest

from agent.field.delivery import Delivery
from agent.field.outputs import Names
from drivers.reading import Quality, Reading

STOP = "emergency_stop_pressed"


class Pile:
    def __init__(self) -> None:
        self.taken: list[tuple[str, Reading, int | None]] = []

    def on_reading(self, name: str, reading: Reading, connector: int | None = None) -> None:
        self.taken.append((name, reading, connector))


def contact(pressed: bool, at_s: float, quality: Quality = Quality.GOOD) -> Reading:
    return Reading(pressed, "bool", at_s, quality)


def test_scope_decides_who_gets_a_reading() -> None:
    pile, names = Pile(), Names(several=True)
    delivery = Delivery(pile, names.routes, 1)
    delivery.deliver(names.contact(1, STOP), contact(False, 1.0))
    delivery.deliver(names.contact(2, "contactor_k1_closed"), contact(False, 1.0))
    delivery.deliver(names.of(0, "frequency_hz"), Reading(50.0, "Hz", 1.0))
    assert [(name, connector) for name, _, connector in pile.taken] == [
        (STOP, None),
        ("contactor_k1_closed", 2),
        ("frequency_hz", 1),
    ]


def test_one_connector_has_plain_names_and_a_change_is_an_edge() -> None:
    pile = Pile()
    delivery = Delivery(pile, {}, 1)
    delivery.deliver("lock_locked", contact(True, 1.0))
    assert (pile.taken[0][2], delivery.edge) == (1, True)
    delivery.edge = False
    delivery.deliver("lock_locked", contact(True, 2.0))
    assert not delivery.edge
    delivery.take(1, "module_fault", contact(True, 2.0))
    assert delivery.edge


def test_what_belongs_to_no_process_image_goes_elsewhere() -> None:
    pile = Pile()
    found: list[str] = []
    delivery = Delivery(pile, {}, 1, {"joined": lambda name, _: found.append(name)})
    delivery.deliver("joined", contact(True, 1.0))
    assert (found, pile.taken) == (["joined"], [])


@pytest.mark.parametrize(
    ("first", "second", "worst"),
    [
        (contact(False, 1.0), contact(False, 2.0), contact(False, 1.0)),
        (contact(True, 1.0), contact(False, 2.0), contact(True, 1.0)),
        (contact(False, 1.0), contact(True, 2.0), contact(True, 1.0)),
        (contact(False, 1.0, Quality.FAILED), contact(True, 2.0), contact(True, 1.0)),
        (contact(False, 1.0, Quality.FAILED), contact(False, 2.0), contact(False, 1.0, Quality.FAILED)),
    ],
)
def test_a_contact_wired_twice_counts_as_its_worst_and_oldest(first: Reading, second: Reading, worst: Reading) -> None:
    pile, names = Pile(), Names(several=True)
    ways = names.contact(1, STOP), names.contact(2, STOP)
    delivery = Delivery(pile, names.routes, 1)
    delivery.deliver(ways[0], first)
    assert pile.taken == [], "one of two says nothing yet"
    delivery.deliver(ways[1], second)
    assert pile.taken == [(STOP, worst, None)]
