"""Bringing an agent back to the moment before an edge, in virtual time."""

from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.reading import Reading
from hil_tests.performance.flags import Flags, Slot
from hil_tests.performance.reaction_board import Boards, framed, requests
from hil_tests.performance.rearm import ChargingCore, Moment, attributes, put
from hil_tests.performance.virtual_pile import BEGIN_S, VirtualPile, reference_site


@pytest.fixture(scope="module")
def charging_pile(tmp_path_factory: pytest.TempPathFactory) -> VirtualPile:
    pile = VirtualPile(reference_site(tmp_path_factory.mktemp("site")), unfiltered=("emergency_stop",))
    pile.plug_and_start()
    pile.run_until("charging")
    pile.run_for(2.0)
    return pile


def test_the_virtual_charge_delivers_current(charging_pile: VirtualPile) -> None:
    values = charging_pile.measured()
    assert values["meter_current_a"] > 5.0
    assert charging_pile.core.point.held.contactors is True


def test_an_edge_opens_and_the_core_comes_back_at_another_time(charging_pile: VirtualPile) -> None:
    core = charging_pile.core
    kept = ChargingCore(charging_pile)
    charger, session = core.point.charger, core.session
    for later_s in (123.0, 4567.0, 20.5):
        kept.restore(later_s)
        outputs = core.evaluate(later_s + 0.001, 0, "synced")
        assert outputs.relays["contactor_k1"] is True
        assert core.state == "charging"
        core.on_reading("emergency_stop_pressed", Reading(True, "bool", later_s + 0.002))
        outputs = core.evaluate(later_s + 0.003, 0, "synced")
        assert outputs.relays["contactor_k1"] is False
        assert core.state == "stopping"
        numbers = [record.number for record in outputs.records]
        assert numbers
        assert numbers[-1] == core.backlog.last_number
    kept.restore(7.0)
    assert core.state == "charging"
    assert core.point.charger is not charger
    assert core.session is not session
    assert core.session is not None
    assert core.session.stop_reason is None


def test_records_get_their_numbers_back(charging_pile: VirtualPile) -> None:
    pile = charging_pile
    before = pile.core.backlog
    try:
        pile.restore_backlog()
        pending = pile.core.backlog.pending()
        assert [record.number for record in pending] == [record.number for record in pile.records]
        assert [record.number for record in pending] == list(range(1, len(pending) + 1))
        assert pile.core.backlog.acknowledged == 0
    finally:
        pile.core.chassis.backlog = before


class _Thing:
    def __init__(self, now_s: float) -> None:
        self.moments = [now_s + 1.0, float("inf"), 0.3, 115200.0]
        self.seen = {"a": (now_s, "text"), "b": frozenset({1})}
        self.queue = deque([Reading(1.0, "V", now_s)], maxlen=3)
        self.own = self
        self.shared = object()


def test_moments_move_and_nothing_else() -> None:
    thing = _Thing(BEGIN_S)
    shared = thing.shared
    kept = Moment([thing], BEGIN_S, shared=[shared], leave=frozenset({"left"}))
    thing.moments.clear()
    thing.queue.clear()
    thing.seen = {}
    kept.restore(50.0)
    assert thing.moments == [51.0, float("inf"), 0.3, 115200.0]
    assert thing.seen == {"a": (50.0, "text"), "b": frozenset({1})}
    assert list(thing.queue) == [Reading(1.0, "V", 50.0)]
    assert thing.queue.maxlen == 3
    assert thing.own is thing
    assert thing.shared is shared


def test_an_attribute_that_is_not_there_is_not_made_up() -> None:
    thing = _Thing(0.0)
    put(thing, seen={})
    assert thing.seen == {}
    with pytest.raises(AttributeError):
        put(thing, renamed=1)
    assert not hasattr(thing, "renamed")


def test_slots_are_attributes_too(tmp_path: Path) -> None:
    parameters = VirtualPile(reference_site(tmp_path)).parameters
    assert attributes(parameters)["pile_id"] == parameters.pile_id
    assert replace(parameters).pile_id == parameters.pile_id


def test_flags_are_shared_by_all_who_map_the_file(tmp_path: Path) -> None:
    first = Flags(tmp_path / "flags", create=True)
    second = Flags(tmp_path / "flags")
    first.put(Slot.DECIDED_NS, 1 << 60)
    assert second.get(Slot.DECIDED_NS) == 1 << 60
    assert second.get(Slot.READY) == 0
    first.close()
    second.close()


def test_boards_answer_as_the_agent_expects() -> None:
    boards = Boards([True] * 6 + [False] * 2, list(range(8)), stop_channel=0)
    read_inputs = framed(bytes((1, 2, 0, 0, 0, 8)))
    assert boards.answer(read_inputs) == framed(bytes((1, 2, 1, 0b0011_1111)))
    assert boards.answer(read_inputs, pressed=True) == framed(bytes((1, 2, 1, 0b0011_1110)))
    on, off = framed(bytes((1, 5, 2, 3, 0, 10))), framed(bytes((1, 5, 0, 3, 0, 0)))
    assert boards.answer(on) == on
    assert boards.answer(framed(bytes((1, 1, 0, 0, 0, 8)))) == framed(bytes((1, 1, 1, 0b1000)))
    assert boards.answer(off) == off
    assert boards.answer(framed(bytes((1, 1, 0, 0, 0, 8)))) == framed(bytes((1, 1, 1, 0)))
    assert boards.answer(framed(bytes((2, 4, 0, 6, 0, 2)))) == framed(bytes((2, 4, 4, 0, 6, 0, 7)))


def test_requests_are_taken_whole() -> None:
    buffer = bytearray(bytes(8) + b"\x01\x02")
    assert requests(buffer) == [bytes(8)]
    assert buffer == b"\x01\x02"
