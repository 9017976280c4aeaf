"""Several transfers between the same two nodes: data frames carry no PGN, yet no packet goes to the wrong message."""

import itertools
import random
from typing import Any

import pytest
from bms_dialogue import VALUES, Dialogue
from bms_frames import (
    BCP,
    BCS,
    BMT,
    BMV,
    BRM,
    BSP,
    CONTROL,
    DATA,
    REPLY,
    Line,
    abort,
    charger,
    control,
    cts,
    data,
    end,
    frame,
    give,
    hold,
    packet,
    payload_of,
    replies,
    rts,
    vehicle,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.can.frame import CanFrame
from drivers.gbt27930.charger.phases import Phase
from drivers.gbt27930.messages.table import decode, encode
from drivers.gbt27930.transport.transfer_in import DEAF_PAUSE_S, LONGEST_WAIT_S, TRANSFERS_AT_MOST
from drivers.gbt27930.transport.transport import Received, Transport

# ------------------------------------------------------------------------------------------------ a short one beside


@pytest.mark.parametrize(("received", "answer"), [(0, hold(BCS)), (1, hold(BCS)), (2, cts(BCS, 2, 1))])
def test_bcs_is_cleared_beside_bmv_once_its_numbers_are_unmistakable(received: Any, answer: Any) -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV), *data(BMV, *range(1, received + 1)), rts(BCS))
    assert replies(transport, 0.0) == [cts(BMV, 36, 1), answer]


def test_held_bcs_is_cleared_by_the_packet_that_makes_room() -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV), *data(BMV, 1), rts(BCS))
    replies(transport, 0.0)
    give(transport, 0.01, *data(BMV, 2))
    assert replies(transport, 0.01) == [cts(BCS, 2, 1)]


def test_both_arrive_unmixed_whatever_the_order_of_their_packets() -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV), *data(BMV, *range(1, 18)), rts(BCS))
    assert replies(transport, 0.0) == [cts(BMV, 36, 1), cts(BCS, 2, 1)]
    got = give(transport, 0.1, *data(BMV, 18), *data(BCS, 1), *data(BMV, 19, 20), *data(BCS, 2))
    assert got == [Received(BCS, payload_of(BCS), 0.1, True)]
    assert replies(transport, 0.1) == [end(BCS)]
    got = give(transport, 0.2, *data(BMV, *range(21, 37)))
    assert got == [Received(BMV, payload_of(BMV), 0.2, True)]
    assert replies(transport, 0.2) == [end(BMV)]


def test_bcs_that_follows_its_request_at_once_harms_neither_message() -> None:
    transport = charger()
    got = give(transport, 0.0, rts(BMV), *data(BMV, *range(1, 11)), rts(BCS), *data(BCS, 1, 2))
    got += give(transport, 0.1, *data(BMV, *range(11, 37)))
    assert [(each.pgn, each.payload) for each in got] == [(BCS, payload_of(BCS)), (BMV, payload_of(BMV))]


def test_bcs_that_ignores_its_hold_ends_bmv_instead_of_spoiling_it() -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV), rts(BCS), *data(BCS, 1), *data(BMV, 1))
    assert replies(transport, 0.0) == [cts(BMV, 36, 1), hold(BCS), abort(BMV, 8), abort(BCS, 1)]
    assert transport.counters["mixed_up"] == 1
    assert give(transport, 0.0, *data(BCS, 2), *data(BMV, *range(2, 37))) == []
    give(transport, DEAF_PAUSE_S - 0.0001, rts(BCS), *data(BCS, 1, 2))
    assert replies(transport, DEAF_PAUSE_S) == [abort(BCS, 1)]
    assert give(transport, DEAF_PAUSE_S, rts(BCS), *data(BCS, 1, 2))[0].payload == payload_of(BCS)


def test_of_a_vehicle_that_waits_for_nothing_no_doubtful_message_is_taken() -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV), rts(BCS), *data(BCS, 1), *data(BMV, 1))
    transport.poll(0.0)
    give(transport, 10.0, rts(BMV), *data(BMV, 1), rts(BCS))
    assert replies(transport, 10.0) == [cts(BMV, 36, 1), abort(BCS, 1), abort(BMV, 250)]
    give(transport, 20.0, rts(BMV), *data(BMV, 1, 2), rts(BCS))  # no doubt about these
    assert replies(transport, 20.0) == [cts(BMV, 36, 1), cts(BCS, 2, 1)]


def test_doubtful_messages_are_followed_by_a_pause_which_a_new_start_ends() -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV), rts(BCS), *data(BCS, 1), *data(BMV, 1))
    give(transport, 10.0, rts(BMV), *data(BMV, 1), rts(BCS))
    transport.poll(10.0)
    give(transport, 10.0 + DEAF_PAUSE_S - 0.0001, rts(BCS))
    assert replies(transport, 12.0) == [abort(BCS, 1)]
    give(transport, 10.0 + DEAF_PAUSE_S, rts(BMV), *data(BMV, 1), rts(BCS))
    assert replies(transport, 12.0) == [cts(BMV, 36, 1), abort(BCS, 1), abort(BMV, 250)]
    transport.reset()
    give(transport, 12.0, rts(BMV), rts(BCS))
    assert replies(transport, 12.0) == [cts(BMV, 36, 1), hold(BCS)]


def test_reset_forgets_what_is_open_and_what_waits() -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV), rts(BCS))
    transport.reset()
    assert transport.next_due() is None
    give(transport, 0.1, rts(BRM), *data(BRM, *range(1, 8)))
    assert replies(transport, 5.0) == [cts(BRM, 7, 1), end(BRM)]


def test_packet_beyond_the_window_shows_that_one_before_is_lost() -> None:
    transport = charger()
    give(transport, 0.0, rts(BRM, grant=2), *data(BRM, 1, 3))
    assert replies(transport, 0.0) == [cts(BRM, 2, 1), cts(BRM, 1, 2)]
    assert transport.counters["retransmissions"] == 1


def test_long_one_waits_for_the_short_one() -> None:
    transport = charger()
    give(transport, 0.0, rts(BCS), rts(BMV), *data(BCS, 1))
    assert replies(transport, 0.0) == [cts(BCS, 2, 1), hold(BMV)]
    give(transport, 0.01, *data(BCS, 2))
    assert replies(transport, 0.01) == [end(BCS), cts(BMV, 36, 1)]


def test_lost_packet_keeps_others_away_until_the_sender_is_past_it() -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV, grant=10), *data(BMV, 1, *range(3, 10)), rts(BCS))
    assert replies(transport, 0.0) == [cts(BMV, 10, 1), hold(BCS)]
    give(transport, 0.1, *data(BMV, 10))
    assert replies(transport, 0.1) == [cts(BMV, 1, 2)]
    give(transport, 0.2, *data(BMV, 2))
    assert replies(transport, 0.2) == [cts(BMV, 10, 11), cts(BCS, 2, 1)]
    give(transport, 0.3, *data(BMV, 3, 4))
    assert transport.counters["duplicates"] == 2
    assert give(transport, 0.3, *data(BCS, 1, 2))[0].payload == payload_of(BCS)


def test_sender_that_goes_back_keeps_others_away_although_nothing_low_is_missing() -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV), *data(BMV, *range(1, 31)), *data(BMV, 1))
    give(transport, 0.0, rts(BCS))
    assert replies(transport, 0.0) == [cts(BMV, 36, 1), hold(BCS)]


def test_packets_sent_again_although_they_had_come_are_not_missed_afterwards() -> None:
    transport = charger()
    got = give(transport, 0.0, rts(BRM), *data(BRM, 1, 2, 3, 1, 2), *data(BRM, 4, 5, 6, 7))
    assert got == [Received(BRM, payload_of(BRM), 0.0, True)]
    assert replies(transport, 0.0) == [cts(BRM, 7, 1), end(BRM)]
    assert (transport.counters["duplicates"], transport.counters["retransmissions"]) == (2, 0)


def test_frame_the_bus_repeats_is_no_packet_of_the_next_message() -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV), rts(BCS), rts(BCP), *data(BMV, 1, 2, 2))
    assert give(transport, 0.0, *data(BCS, 1, 2, 2))[0].payload == payload_of(BCS)
    assert give(transport, 0.0, *data(BCP, 1, 2, 2))[0].payload == payload_of(BCP)
    assert transport.counters["duplicates"] == 3


def test_first_packet_after_a_repeated_request_is_no_duplicate() -> None:
    transport = charger()
    assert give(transport, 0.0, rts(BCS), *data(BCS, 1), rts(BCS), *data(BCS, 1, 2))[0].payload == payload_of(BCS)
    assert transport.counters["duplicates"] == 0


def test_four_in_flight() -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV), *data(BMV, *range(1, 20)), rts(BMT), *data(BMT, 1, 2, 3), rts(BSP))
    give(transport, 0.0, *data(BSP, 1, 2), rts(BCS))
    assert replies(transport, 0.0) == [cts(BMV, 36, 1), cts(BMT, 19, 1), cts(BSP, 3, 1), cts(BCS, 2, 1)]
    got = give(transport, 0.1, *data(BMT, 4), *data(BCS, 1), *data(BMV, 20), *data(BSP, 3), *data(BCS, 2))
    got += give(transport, 0.1, *data(BMV, *range(21, 37)), *data(BMT, *range(5, 20)))
    assert [(each.pgn, each.payload) for each in got] == [(pgn, payload_of(pgn)) for pgn in (BSP, BCS, BMV, BMT)]
    assert transport.next_due() == 0.1
    transport.poll(0.1)
    assert transport.next_due() is None


# ------------------------------------------------------------------------------------------------ holds and limits


def test_holds_are_repeated_within_the_holding_time() -> None:
    transport = charger()
    give(transport, 0.0, rts(BRM), rts(BCP))
    replies(transport, 0.0)
    give(transport, 0.1, rts(BCS))
    assert replies(transport, 0.1) == [hold(BCS)]
    assert transport.next_due() == 0.4
    assert replies(transport, 0.3999) == []
    assert replies(transport, 0.4) == [hold(BCP), hold(BCS)]
    assert transport.next_due() == 0.8


def test_shortest_waiting_message_goes_first() -> None:
    transport = charger()
    give(transport, 0.0, rts(BRM), rts(BMT), rts(BSP), rts(BCS))
    replies(transport, 0.0)
    give(transport, 0.1, *data(BRM, *range(1, 8)))
    assert replies(transport, 0.1) == [cts(BCS, 2, 1), end(BRM)]
    give(transport, 0.1, *data(BCS, 1, 2))
    assert replies(transport, 0.1) == [end(BCS), cts(BSP, 3, 1)]
    give(transport, 0.1, *data(BSP, 1, 2, 3))
    assert replies(transport, 0.1) == [end(BSP), cts(BMT, 19, 1)]


def test_slow_message_gives_way_to_one_that_waits_too_long() -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV), rts(BCS))
    for tick in range(1, 12):  # packet 1 is lost, all others come just in time
        give(transport, tick * 0.3, *data(BMV, tick + 1), rts(BCS))
        transport.poll(tick * 0.3)
    transport.poll(3.4)
    assert transport.next_due() == LONGEST_WAIT_S
    assert replies(transport, LONGEST_WAIT_S - 0.0001) == []
    assert replies(transport, LONGEST_WAIT_S) == [abort(BMV, 2), cts(BCS, 2, 1)]


def test_long_wait_ends_only_what_is_in_the_way() -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV), *data(BMV, *range(1, 31)), rts(BMT), rts(BSP), rts(BCS))
    replies(transport, 0.0)
    for tick in range(1, 6):
        give(transport, tick * 0.6, *data(BMT, tick + 1), *data(BMV, 30 + tick))
        transport.poll(tick * 0.6)
    transport.poll(3.4)
    assert replies(transport, LONGEST_WAIT_S) == [abort(BMT, 2), cts(BCS, 2, 1)]
    give(transport, 3.6, *data(BCS, 1, 2))
    assert replies(transport, 3.6) == [end(BCS), cts(BSP, 3, 1)]
    got = give(transport, 3.7, *data(BSP, 1, 2), *data(BMV, 36), *data(BSP, 3))  # BMV was never in the way
    assert [each.payload for each in got] == [payload_of(BMV), payload_of(BSP)]


def test_patience_begins_anew_when_another_message_gets_in_the_way() -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV), rts(BMT), rts(BSP))
    for tick in range(1, 6):
        give(transport, tick * 0.6, *data(BMV, tick + 1))
        transport.poll(tick * 0.6)
    assert abort(BMV, 2) in replies(transport, LONGEST_WAIT_S)
    assert replies(transport, LONGEST_WAIT_S + 0.3) == []
    give(transport, LONGEST_WAIT_S + 0.3, *data(BSP, 1, 2, 3))
    assert replies(transport, LONGEST_WAIT_S + 0.3) == [end(BSP), cts(BMT, 19, 1)]


def test_dead_transfer_gives_way_without_further_attempts_when_another_waits() -> None:
    transport = charger()
    give(transport, 0.0, rts(BRM), rts(BCP))
    transport.poll(0.0)
    assert replies(transport, 1.2499)[:1] == [hold(BCP)]
    assert replies(transport, 1.25)[:2] == [abort(BRM, 3), cts(BCP, 2, 1)]


def test_transfer_of_which_nothing_came_is_asked_for_again() -> None:
    transport = charger()
    give(transport, 0.0, rts(BRM))
    replies(transport, 0.0)
    assert replies(transport, 1.2499) == []
    assert replies(transport, 1.25) == [cts(BRM, 7, 1)]


def test_dead_transfer_is_given_up_when_its_sender_has_begun_another() -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV), *data(BMV, *range(1, 11)))
    give(transport, 0.7, rts(BCS))
    replies(transport, 0.7)
    assert replies(transport, 0.75) == [abort(BMV, 3)]
    assert give(transport, 0.76, *data(BCS, 1, 2))[0].pgn == BCS


def test_left_transfer_is_not_asked_for_again_even_when_the_other_is_complete() -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV), *data(BMV, *range(1, 11)), rts(BCS), *data(BCS, 1, 2))
    replies(transport, 0.0)
    assert replies(transport, 0.7499) == []
    assert replies(transport, 0.75) == [abort(BMV, 3)]


def test_transfer_that_went_on_beside_another_is_asked_for_again() -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV), *data(BMV, *range(1, 11)), rts(BCS), *data(BCS, 1), *data(BMV, 11), *data(BCS, 2))
    replies(transport, 0.0)
    assert replies(transport, 0.75) == [cts(BMV, 25, 12)]


def test_repeated_request_of_a_long_message_waits_for_the_short_one_beside_it() -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV), *data(BMV, *range(1, 11)), rts(BCS), rts(BMV))
    assert replies(transport, 0.0) == [cts(BMV, 36, 1), cts(BCS, 2, 1), hold(BMV)]
    got = give(transport, 0.1, *data(BCS, 1, 2), *data(BMV, *range(1, 37)))
    assert [each.payload for each in got] == [payload_of(BCS), payload_of(BMV)]


def test_inconsistent_request_makes_room() -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV), rts(BCS), control("10310006ff001500"))
    assert replies(transport, 0.0) == [cts(BMV, 36, 1), hold(BCS), abort(BMV, 250), cts(BCS, 2, 1)]


def test_abort_by_the_sender_makes_room() -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV), rts(BCS), control(abort(BMV, 250)))
    assert replies(transport, 0.0) == [cts(BMV, 36, 1), hold(BCS), cts(BCS, 2, 1)]
    assert transport.counters["aborted_by_peer"] == 1


def test_seventh_transfer_is_turned_away() -> None:
    assert TRANSFERS_AT_MOST == 6
    transport = charger()
    pgns = [0x2000 + at * 256 for at in range(TRANSFERS_AT_MOST + 1)]
    give(transport, 0.0, *(rts(pgn, 9) for pgn in pgns))
    assert replies(transport, 0.0)[-2:] == [hold(pgns[-2]), abort(pgns[-1], 1)]
    assert transport.counters["turned_away"] == 1
    give(transport, 0.0, rts(pgns[1], 9))  # one that already waits may ask again
    assert transport.counters["turned_away"] == 1


# ------------------------------------------------------------------------------------------------ senders of all kinds


@pytest.mark.parametrize(("at_once", "spacing_s"), [(1, 0.01), (1, 0.03), (4, 0.0), (4, 0.01), (4, 0.1)])
def test_bcs_keeps_coming_beside_every_optional_message(at_once: Any, spacing_s: Any) -> None:
    car, pile = vehicle(packet_interval_s=spacing_s, transfers_at_once=at_once), charger()
    line = Line(car, pile)
    for tick in range(1200):
        if tick % 10 == 0:
            car.send(BCS, 7, payload_of(BCS), line.now_s)
        if tick % 400 == 0:
            for pgn in (BMV, BMT, BSP):
                car.send(pgn, 7, payload_of(pgn), line.now_s)
        line.step(0.025)
    line.run(5.0)
    received = line.received[1]
    assert all(each.payload == payload_of(each.pgn) for each in received)
    assert [sum(each.pgn == pgn for each in received) for pgn in (BMV, BMT, BSP)] == [3, 3, 3]
    times = [each.at_s for each in received if each.pgn == BCS]
    longest_s = max(b - a for a, b in itertools.pairwise(times))
    assert longest_s < (3.5 if at_once == 1 else 1.0)
    assert pile.counters["mixed_up"] == pile.counters["receive_failed"] == 0


@settings(max_examples=600, deadline=None)
@given(
    st.permutations([BMV, BMT, BSP, BCS, BRM, BCP]),
    st.lists(st.integers(0, 12), min_size=6, max_size=6),
    st.sampled_from([0.0, 0.01, 0.03]),
    st.sets(st.integers(1, 120), max_size=5),
    st.sets(st.integers(1, 120), max_size=5),
)
def test_lost_and_repeated_frames_never_mix_messages(
    order: Any, pauses: Any, spacing_s: Any, lost: Any, twice: Any
) -> None:
    car, pile = vehicle(packet_interval_s=spacing_s, transfers_at_once=6), charger()
    line = Line(car, pile, frozenset(lost), frozenset(twice))
    for pgn, pause in zip(order, pauses, strict=True):
        car.send(pgn, 7, payload_of(pgn), line.now_s)
        line.run(pause * 0.01, 0.01)
    line.run(15.0, 0.1)
    assert all(each.payload == payload_of(each.pgn) for each in line.received[1])
    assert len(line.received[1]) == 6 or lost or twice
    assert car.next_due() is None
    assert pile.next_due() is None


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([BMV, BMT, BSP, BRM, BCP]),
    st.integers(0, 60),
    st.sampled_from([7, 25, 26]),
    st.integers(0, 1 << 32),
)
def test_vehicle_that_waits_for_no_clearance_never_gets_a_mixed_message_through(
    pgn: Any, start: Any, period: Any, seed: Any
) -> None:
    """BCS in every period and another message beside it, a frame of each in every step, deaf to the charger."""
    transport, chance = charger(), random.Random(seed)  # noqa: S311
    streams = [(tick, BCS) for tick in range(0, 200, period)] + [(start, pgn), (start + 120, pgn)]
    received: list[Received] = []
    for tick in range(240):
        running = [
            [rts(each), *data(each, *range(1, len(payload_of(each)) // 7 + 2))][tick - since : tick - since + 1]
            for since, each in streams
            if since <= tick
        ]
        chance.shuffle(running)
        received += give(transport, tick * 0.01, *(each for frames in running for each in frames))
        transport.poll(tick * 0.01)
    assert all(each.payload == payload_of(each.pgn) for each in received)
    assert any(each.pgn == BCS for each in received)


def test_windows_of_the_sender_are_kept_for_each_message() -> None:
    transport = charger()
    give(transport, 0.0, rts(BMV, grant=4), *data(BMV, 1, 2, 3, 4), rts(BCS, grant=1))
    assert replies(transport, 0.0) == [cts(BMV, 4, 1), cts(BMV, 4, 5), cts(BCS, 1, 1)]
    give(transport, 0.1, *data(BMV, 5), *data(BCS, 1))
    assert replies(transport, 0.1) == [cts(BCS, 1, 2)]


@pytest.mark.parametrize("edition", ["2015", "2023"])
def test_charge_goes_on_while_every_optional_message_comes_slowly(edition: Any) -> None:
    dialogue = Dialogue(edition).until(Phase.CHARGING)
    dialogue.vehicle = vehicle(packet_interval_s=0.08, transfers_at_once=4)
    dialogue.run(35.0, "BCL", "BCS", "BSM", "BMV", "BMT", "BSP")
    dialogue.expect(Phase.CHARGING)
    counters = dialogue.charger.status()["transport"]
    assert counters["received"] >= 90
    assert counters["mixed_up"] == counters["receive_failed"] == 0
    assert dialogue.now_s - dialogue.latest("BCS").at_s < 1.0
    for name in ("BMV", "BMT", "BSP"):
        assert dialogue.latest(name).values == decode(name, encode(name, VALUES[name]))


def test_both_directions_at_once() -> None:
    one, other = (
        charger(packet_interval_s=0.01, transfers_at_once=3),
        vehicle(packet_interval_s=0.01, transfers_at_once=3),
    )
    line = Line(one, other)
    for pgn in (BMV, BMT, BCS):
        one.send(pgn, 7, payload_of(pgn), 0.0)
        other.send(pgn, 7, payload_of(pgn), 0.0)
    line.run(3.0)
    for received in line.received:
        assert {each.pgn: each.payload for each in received} == {pgn: payload_of(pgn) for pgn in (BMV, BMT, BCS)}
    assert one.counters["sent"] == other.counters["sent"] == 3


def test_acknowledgement_that_is_lost_costs_nothing_but_time() -> None:
    car, pile = vehicle(packet_interval_s=0.0), charger()
    line = Line(car, pile, lost=frozenset({5}))  # request, clearance, two packets, acknowledgement
    car.send(BCS, 7, payload_of(BCS), 0.0)
    car.send(BCP, 7, payload_of(BCP), 0.0)
    line.run(2.0)
    assert [each.pgn for each in line.received[1]] == [BCS, BCP]
    assert (car.counters["send_failed"], car.counters["sent"]) == (1, 1)
    assert pile.counters["unexpected_control"] == 1  # the abort of what is complete


def test_sender_repeats_a_message_only_after_its_older_self() -> None:
    car = vehicle(packet_interval_s=0.0, transfers_at_once=3)
    car.send(BCS, 7, payload_of(BCS), 0.0)
    car.send(BCS, 7, bytes(9), 0.0)
    car.send(BSP, 7, payload_of(BSP), 0.0)
    assert [each.data.hex() for each in car.poll(0.0)] == [rts(BCS).data.hex(), rts(BSP).data.hex()]
    car.receive(frame(REPLY, end(BCS)), 0.1)
    assert [each.data.hex() for each in car.poll(0.1)] == [rts(BCS).data.hex()]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.builds(rts, st.sampled_from([BMV, BMT, BSP, BCS]), st.integers(0, 1785), st.integers(0, 255)),
            st.builds(lambda number, fill: packet(number, bytes([fill]) * 1785), st.integers(0, 40), st.integers(0, 1)),
            st.builds(lambda pgn: control(abort(pgn, 3)), st.sampled_from([BMV, BMT, BSP, BCS])),
            st.builds(CanFrame, st.sampled_from([CONTROL, DATA]), st.binary(max_size=8)),
        ).map(lambda each: (each, 0.0)),
        max_size=120,
    ),
    st.lists(st.floats(0, 0.5), min_size=120, max_size=120),
)
def test_no_sequence_of_transfers_upsets_the_receiver(frames: Any, waits: Any) -> None:
    transport, now_s = charger(), 0.0
    for (each, _), wait_s in zip(frames, waits, strict=False):
        now_s += wait_s
        transport.receive(each, now_s)
        assert len(transport.poll(now_s)) <= 2 * TRANSFERS_AT_MOST
        assert held(transport) <= TRANSFERS_AT_MOST
        due = transport.next_due()
        assert due is None or due > now_s
    for _ in range(100):
        now_s += 0.5
        transport.poll(now_s)
    assert transport.next_due() is None
    assert held(transport) == 0


def held(transport: Transport) -> int:
    incoming = transport._incoming
    return len(incoming._open) + len(incoming._waiting)
