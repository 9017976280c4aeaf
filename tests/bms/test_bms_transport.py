"""J1939-21 transfers: frames by hand against the receiver, and two transports against each other."""

from typing import Any

import pytest
from bms_frames import CONTROL, DATA, REPLY, Line, charger, control, frame, give, replies, vehicle
from bms_frames import packet as packet_of
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.can.frame import CanFrame
from drivers.gbt27930.transport.segments import LARGEST_BYTES
from drivers.gbt27930.transport.transport import WAITING_FRAMES_AT_MOST, Received

BRM = bytes(range(100, 149))


def packet(number: int, payload: bytes = BRM) -> CanFrame:
    return packet_of(number, payload)


RTS_BRM = "10310007ff000200"
RTS_BCP = "100d0002ff000600"
RTS_BCS = "10090002ff001100"


# ------------------------------------------------------------------------------------------------ single frames


def test_single_frame_is_delivered_whatever_its_priority() -> None:
    transport = charger()
    for priority in (0, 4, 6, 7):
        received = transport.receive(CanFrame(priority << 26 | 0x1056F4, b"\x01"), 2.5)
        assert received == [Received(0x1000, b"\x01", 2.5, False)]
    assert transport.poll(2.5) == []
    assert transport.counters["single_frames"] == 4


@pytest.mark.parametrize(
    "each",
    [
        CanFrame(0x181056F5, b"\x01"),  # other source
        CanFrame(0x1810F4F4, b"\x01"),  # other destination
        CanFrame(0x191056F4, b"\x01"),  # data page 1
        CanFrame(0x1A1056F4, b"\x01"),  # reserved bit
        CanFrame(0x0070F4B5, b"\x01"),
        CanFrame(0x6F4, b"\x01", extended=False),
        CanFrame(0x1056F4, b"\x01", extended=False),
        CanFrame(0x18EEFF56, bytes(8)),
    ],
)
def test_foreign_frames_are_counted_and_ignored(each: Any) -> None:
    transport = charger()
    assert transport.receive(each, 0.0) == []
    assert transport.counters["foreign"] == 1
    assert transport.poll(0.0) == []
    assert transport.next_due() is None


def test_short_message_goes_out_as_one_frame_of_its_length() -> None:
    transport = charger()
    assert transport.send(0x0A00, 4, b"\xaa", 1.0)
    assert transport.next_due() == 1.0
    assert transport.poll(1.0) == [CanFrame(0x100AF456, b"\xaa")]
    assert transport.next_due() is None


@pytest.mark.parametrize("size", [0, LARGEST_BYTES + 1])
def test_message_of_impossible_length_is_a_mistake_of_the_caller(size: Any) -> None:
    with pytest.raises(ValueError, match="1 to 1785"):
        charger().send(0x200, 7, bytes(size), 0.0)


# ------------------------------------------------------------------------------------------------ receiving


def test_brm_is_granted_at_once_and_acknowledged() -> None:
    transport = charger()
    assert give(transport, 1.0, control(RTS_BRM)) == []
    assert transport.next_due() == 1.0
    assert replies(transport, 1.0) == ["110701ffff000200"]
    assert transport.next_due() == 2.25  # T2
    assert give(transport, 1.01, *(packet(number) for number in range(1, 7))) == []
    assert transport.next_due() == pytest.approx(1.76)  # T1
    assert give(transport, 1.02, packet(7)) == [Received(0x0200, BRM, 1.02, True)]
    assert replies(transport, 1.02) == ["13310007ff000200"]
    assert transport.next_due() is None
    assert transport.counters["received"] == 1


def test_priority_6_and_grants_by_two_packets() -> None:
    transport = charger()
    give(transport, 0.0, frame(0x18EC56F4, "1031000702000200"))
    assert replies(transport, 0.0) == ["110201ffff000200"]
    for first in (1, 3, 5):
        give(transport, 0.0, packet(first), packet(first + 1))
        expected = 2 if first < 5 else 1
        assert replies(transport, 0.0) == [f"110{expected}0{first + 2}ffff000200"]
    assert give(transport, 0.0, packet(7))[0].payload == BRM


def test_last_packet_without_filling_is_taken_but_not_one_that_is_too_short() -> None:
    transport = charger()
    give(transport, 0.0, control(RTS_BCS))
    give(transport, 0.0, CanFrame(DATA, b"\x01abcdefg"))
    assert give(transport, 0.0, CanFrame(DATA, b"\x02h")) == []
    assert transport.counters["wrong_sequence"] == 1
    assert give(transport, 0.0, CanFrame(DATA, b"\x02hi"))[0].payload == b"abcdefghi"


def test_duplicate_wrong_and_unexpected_packets_change_nothing() -> None:
    transport = charger()
    give(transport, 0.0, packet(1), packet(1), CanFrame(DATA, b""))
    assert transport.counters["unexpected_data"] == 3
    assert transport.counters["duplicates"] == 0
    give(transport, 0.0, control(RTS_BRM), packet(1), packet(1), packet(0), packet(8))
    assert transport.counters["duplicates"] == 1
    assert transport.counters["wrong_sequence"] == 2
    give(transport, 0.0, CanFrame(DATA, b""))
    assert give(transport, 0.0, *(packet(number) for number in range(2, 8)))[0].payload == BRM


def test_lost_packets_are_asked_for_again_run_by_run() -> None:
    transport = charger()
    give(transport, 0.0, control(RTS_BRM))
    replies(transport, 0.0)
    give(transport, 0.0, *(packet(number) for number in (1, 4, 5, 7)))
    assert replies(transport, 0.0) == ["110202ffff000200"]  # packets 2 and 3
    give(transport, 0.1, packet(2), packet(3))
    assert replies(transport, 0.1) == ["110106ffff000200"]
    assert give(transport, 0.2, packet(6))[0].payload == BRM
    assert transport.counters["retransmissions"] == 1  # the second run is granted, not asked for again


def test_lost_last_packet_is_noticed_by_time_and_given_up_after_two_attempts() -> None:
    transport = charger()
    give(transport, 0.0, control(RTS_BRM), *(packet(number) for number in range(1, 7)))
    replies(transport, 0.0)
    assert replies(transport, 0.7499) == []
    assert replies(transport, 0.75) == ["110107ffff000200"]
    assert replies(transport, 1.9999) == []
    assert replies(transport, 2.0) == ["110107ffff000200"]
    assert replies(transport, 3.25) == ["ff03ffffff000200"]
    assert transport.next_due() is None
    assert (transport.counters["retransmissions"], transport.counters["receive_failed"]) == (2, 1)


def test_sender_that_keeps_losing_packets_is_aborted() -> None:
    transport = charger()
    give(transport, 0.0, control(RTS_BRM), packet(7))
    assert replies(transport, 0.0) == ["110701ffff000200", "110601ffff000200"]
    give(transport, 0.0, packet(6))
    assert replies(transport, 0.0) == ["110501ffff000200"]
    give(transport, 0.0, packet(5))
    assert replies(transport, 0.0) == ["ff05ffffff000200"]
    assert transport.counters["receive_failed"] == 1


def test_repeated_request_starts_the_same_message_afresh() -> None:
    transport = charger()
    give(transport, 0.0, control(RTS_BRM), packet(1), packet(2), control(RTS_BRM))
    assert replies(transport, 0.0) == ["110701ffff000200"] * 2
    other = bytes(49)
    received = give(transport, 0.0, *(packet(number, other) for number in range(1, 8)))
    assert received[0].payload == other


@pytest.mark.parametrize(
    "request_",
    [
        "10310006ff000200",  # 49 bytes in 6 packets, seen from real vehicles
        "10290007ff000200",  # 41 in 7
        "10310008ff000200",
        "10310000ff000200",
        "10000000ff000200",  # no bytes at all
        "10000001ff000200",
        "10080002ff000200",  # fits one frame
        "10fa06ffff000200",  # 1786 bytes
    ],
)
def test_inconsistent_request_is_aborted(request_: Any) -> None:
    transport = charger()
    give(transport, 0.0, control(request_))
    assert replies(transport, 0.0) == ["fffaffffff000200"]
    assert transport.counters["inconsistent_requests"] == 1
    assert transport.next_due() is None


@pytest.mark.parametrize(("size", "packets", "grants"), [(9, 2, 2), (1785, 255, 255), (1779, 255, 255)])
def test_request_at_the_limits_is_granted(size: Any, packets: Any, grants: Any) -> None:
    transport = charger()
    give(transport, 0.0, control(f"10{size.to_bytes(2, 'little').hex()}{packets:02x}ff000200"))
    assert replies(transport, 0.0) == [f"11{grants:02x}01ffff000200"]


def test_sender_that_allows_no_packets_at_once_means_any_number() -> None:
    transport = charger()
    give(transport, 0.0, control("1031000700000200"))
    assert replies(transport, 0.0) == ["110701ffff000200"]


def test_sender_that_ignores_its_own_window_is_followed() -> None:
    transport = charger()
    give(transport, 0.0, control("1031000702000200"), *(packet(number) for number in range(1, 7)))
    assert replies(transport, 0.0) == [f"110{1 if first == 7 else 2}0{first}ffff000200" for first in (1, 3, 5, 7)]
    assert give(transport, 0.0, packet(7))[0].payload == BRM


def test_inconsistent_request_ends_the_running_transfer_of_that_message() -> None:
    transport = charger()
    give(transport, 0.0, control(RTS_BRM), control("10310006ff000200"), packet(1))
    assert transport.counters["unexpected_data"] == 1


def test_largest_message() -> None:
    payload = bytes(index % 251 for index in range(LARGEST_BYTES))
    transport = charger()
    give(transport, 0.0, control("10f906ffff001500"))
    assert replies(transport, 0.0) == ["11ff01ffff001500"]
    received = give(transport, 0.0, *(packet(number, payload) for number in range(1, 256)))
    assert received == [Received(0x1500, payload, 0.0, True)]
    assert replies(transport, 0.0) == ["13f906ffff001500"]


def test_abort_by_the_sender_ends_active_and_waiting_transfers() -> None:
    transport = charger()
    give(transport, 0.0, control(RTS_BRM), control(RTS_BCP), control(RTS_BCS))
    give(transport, 0.0, control("ff03ffffff000600"), control("ff03ffffff000200"))
    assert replies(transport, 0.0)[-1] == "110201ffff001100"
    give(transport, 0.0, control("ff03ffffff001100"))
    assert transport.next_due() is None
    give(transport, 0.0, control("ff03ffffff001100"))
    assert transport.counters["aborted_by_peer"] == 3
    assert transport.counters["unexpected_control"] == 1


def test_requests_for_other_messages_are_ignored_when_a_list_is_given() -> None:
    transport = charger(accepted_pgns={0x0200})
    give(transport, 0.0, control("10310007ff002900"))
    assert replies(transport, 0.0) == []
    assert transport.counters["foreign"] == 1
    give(transport, 0.0, control(RTS_BRM))
    assert replies(transport, 0.0) == ["110701ffff000200"]


def test_malformed_control_frames_are_counted() -> None:
    transport = charger()
    give(transport, 0.0, control("10310007ff0002"), control(""), control("2031000700000200"))
    assert transport.counters["malformed"] == 3


# ------------------------------------------------------------------------------------------------ sending


def cts(count: int, first: int, pgn: str = "000200") -> CanFrame:
    return frame(REPLY, f"11{count:02x}{first:02x}ffff{pgn}")


@pytest.mark.parametrize(("size", "first"), [(8, None), (9, "10090002ff000200"), (LARGEST_BYTES, "10f906ffff000200")])
def test_one_frame_holds_eight_bytes_and_a_transfer_1785(size: Any, first: Any) -> None:
    transport = vehicle()
    assert transport.send(0x0200, 6, bytes(size), 0.0)
    (sent,) = transport.poll(0.0)
    assert (sent.identifier, sent.data.hex()) == ((0x180256F4, "00" * 8) if first is None else (CONTROL, first))


def test_packets_are_ten_milliseconds_apart_unless_told_otherwise() -> None:
    transport = vehicle()
    transport.send(0x0200, 7, BRM, 0.0)
    transport.poll(0.0)
    transport.receive(cts(7, 1), 0.0)
    (sent,) = transport.poll(0.0)
    assert (sent.identifier, sent.data) == (DATA, b"\x01" + BRM[:7])
    assert transport.next_due() == 0.01


def test_sender_waits_for_the_clearance_and_spaces_its_packets() -> None:
    transport = vehicle(packet_interval_s=0.0625)  # exact in binary, as are the ticks below
    assert transport.send(0x0200, 7, BRM, 0.0)
    assert [each.data.hex() for each in transport.poll(0.0)] == [RTS_BRM]
    assert transport.next_due() == 1.25
    transport.receive(cts(7, 1), 1.0)
    sent: list[tuple[int, int]] = []
    for tick in range(64, 128):
        sent += [(tick - 64, each.data[0]) for each in transport.poll(tick / 64)]
    assert sent == [(0, 1), (4, 2), (8, 3), (12, 4), (16, 5), (20, 6), (24, 7)]
    transport.receive(frame(REPLY, "13310007ff000200"), 0.2)
    assert transport.next_due() is None
    assert transport.counters["sent"] == 1


def test_sender_without_clearance_aborts_and_takes_the_next_message() -> None:
    transport = vehicle()
    transport.send(0x0200, 7, BRM, 0.0)
    transport.send(0x0600, 7, bytes(13), 0.0)
    transport.poll(0.0)
    assert transport.poll(1.2499) == []
    assert [each.data.hex() for each in transport.poll(1.25)] == ["ff03ffffff000200", RTS_BCP]
    assert transport.counters["send_failed"] == 1


def test_sender_obeys_hold_and_retransmission() -> None:
    transport = vehicle(packet_interval_s=0.0)
    transport.send(0x0200, 7, BRM, 0.0)
    transport.poll(0.0)
    transport.receive(cts(0, 0xFF), 1.0)
    assert transport.next_due() == 2.05  # T4
    transport.receive(cts(3, 1), 2.0)
    assert [each.data[0] for each in transport.poll(2.0)] == [1, 2, 3]
    transport.receive(cts(1, 2), 2.1)
    assert [each.data[0] for each in transport.poll(2.1)] == [2]
    transport.receive(cts(255, 4), 2.2)  # more than there is
    assert [each.data[0] for each in transport.poll(2.2)] == [4, 5, 6, 7]
    assert [each.data.hex() for each in transport.poll(3.45)] == ["ff03ffffff000200"]


def test_sender_ignores_clearances_that_make_no_sense() -> None:
    transport = vehicle()
    transport.receive(cts(1, 1), 0.0)
    transport.send(0x0200, 7, BRM, 0.0)
    transport.poll(0.0)
    for each in (cts(1, 0), cts(1, 8), cts(1, 1, "000600"), frame(REPLY, "130d0002ff000600")):
        transport.receive(each, 0.0)
    assert transport.poll(0.0) == []
    assert transport.counters["unexpected_control"] == 5
    assert transport.counters["sent"] == 0


def test_sender_stops_in_the_middle_when_the_receiver_aborts() -> None:
    transport = vehicle(packet_interval_s=0.0625)
    transport.send(0x0200, 7, BRM, 0.0)
    transport.poll(0.0)
    transport.receive(cts(7, 1), 0.0)
    assert [each.data[0] for each in transport.poll(0.0) + transport.poll(0.0625)] == [1, 2]
    transport.receive(frame(REPLY, "ff02ffffff000200"), 0.1)
    assert transport.poll(0.125) == []
    assert transport.next_due() is None


def test_sender_takes_the_next_message_when_the_receiver_aborts() -> None:
    transport = vehicle()
    transport.send(0x0200, 7, BRM, 0.0)
    transport.send(0x0600, 7, bytes(13), 0.0)
    transport.poll(0.0)
    transport.receive(frame(REPLY, "fffaffffff000200"), 0.1)
    assert [each.data.hex() for each in transport.poll(0.1)] == [RTS_BCP]


def test_sender_that_is_held_in_the_middle_stops_there() -> None:
    transport = vehicle(packet_interval_s=0.0625)
    transport.send(0x0200, 7, BRM, 0.0)
    transport.poll(0.0)
    transport.receive(cts(7, 1), 0.0)
    assert [each.data[0] for each in transport.poll(0.0) + transport.poll(0.0625)] == [1, 2]
    transport.receive(cts(0, 0xFF), 0.0625)
    assert transport.poll(1.0) == []
    transport.receive(cts(1, 7), 1.0)  # the last one alone
    assert [each.data[0] for each in transport.poll(1.0)] == [7]


def test_sender_that_is_held_in_the_middle_and_forgotten_sends_nothing_more_and_gives_up() -> None:
    transport = vehicle(packet_interval_s=0.0625)
    transport.send(0x0200, 7, BRM, 0.0)
    transport.poll(0.0)
    transport.receive(cts(7, 1), 0.0)
    assert [each.data[0] for each in transport.poll(0.0)] == [1]
    transport.receive(cts(0, 0xFF), 0.0625)
    assert transport.poll(1.1) == []
    assert [each.data.hex() for each in transport.poll(1.125)] == ["ff03ffffff000200"]  # T4 after the hold


def test_reset_forgets_what_is_queued() -> None:
    transport = vehicle()
    transport.send(0x0200, 7, BRM, 0.0)
    transport.send(0x0600, 7, bytes(13), 0.0)
    transport.reset()
    transport.send(0x1100, 7, bytes(9), 0.0)
    assert [each.data.hex() for each in transport.poll(0.0)] == [RTS_BCS]
    transport.receive(frame(REPLY, "13090002ff001100"), 0.1)
    assert transport.poll(0.1) == []


def test_sender_that_is_held_and_forgotten_gives_up() -> None:
    transport = vehicle()
    transport.send(0x0200, 7, BRM, 0.0)
    transport.poll(0.0)
    for at_s in (0.0, 0.5, 1.0, 1.5):
        transport.receive(cts(0, 0xFF), at_s)
    assert transport.next_due() == 2.55  # T4 after the last hold
    assert transport.poll(2.5499) == []
    assert [each.data.hex() for each in transport.poll(2.55)] == ["ff03ffffff000200"]


def test_sender_repeats_what_a_repeated_clearance_asks_for() -> None:
    transport = vehicle(packet_interval_s=0.0)
    transport.send(0x0200, 7, BRM, 0.0)
    transport.poll(0.0)
    for at_s in (0.0, 0.1):
        transport.receive(cts(2, 1), at_s)
        assert [each.data[0] for each in transport.poll(at_s)] == [1, 2]
    assert transport.next_due() == pytest.approx(1.35)  # T3


def test_sender_is_aborted_by_the_receiver() -> None:
    transport = vehicle()
    transport.send(0x0200, 7, BRM, 0.0)
    transport.receive(frame(REPLY, "fffaffffff000200"), 0.1)
    assert transport.counters["aborted_by_peer"] == 1
    assert transport.counters["send_failed"] == 1
    transport.poll(0.1)
    assert transport.next_due() is None


def test_queue_keeps_the_newest_of_a_message_and_is_bounded() -> None:
    transport = vehicle(packet_interval_s=0.0)
    assert transport.send(0x0200, 7, BRM, 0.0)
    for pgn in range(0x1000, 0x1800, 0x100):
        assert transport.send(pgn, 7, bytes(9), 0.0)
    assert not transport.send(0x2000, 7, bytes(9), 0.0)
    assert transport.send(0x1000, 7, b"newest...", 0.0)
    assert transport.counters["send_refused"] == 1
    line = Line(transport, charger())
    line.run(1.0)
    assert [each.payload for each in line.received[1]][:2] == [BRM, b"newest..."]


def test_reset_forgets_both_directions() -> None:
    transport = vehicle()
    transport.send(0x0200, 7, BRM, 0.0)
    transport.reset()
    assert transport.poll(0.0) == []
    assert transport.next_due() is None


def test_a_message_that_was_received_stays_as_it_is() -> None:
    message: Any = Received(0x0200, BRM, 0.0, True)
    with pytest.raises(AttributeError):
        message.pgn = 0x0600


def test_frames_that_nobody_fetches_are_bounded() -> None:
    assert WAITING_FRAMES_AT_MOST == 64
    transport = charger()
    for _ in range(WAITING_FRAMES_AT_MOST + 5):
        transport.receive(control(RTS_BRM), 0.0)
    assert len(transport.poll(0.0)) == WAITING_FRAMES_AT_MOST
    assert transport.counters["dropped"] == 5


# ------------------------------------------------------------------------------------------------ both together


@settings(max_examples=30, deadline=None)
@given(st.binary(min_size=9, max_size=300), st.sampled_from([0.0, 0.01]))
def test_any_message_arrives_unchanged(payload: Any, interval_s: Any) -> None:
    sender, receiver = vehicle(packet_interval_s=interval_s), charger()
    sender.send(0x1500, 7, payload, 0.0)
    line = Line(sender, receiver)
    line.run(1.0)
    assert [each.payload for each in line.received[1]] == [payload]
    assert sender.counters["sent"] == receiver.counters["received"] == 1


@settings(max_examples=40, deadline=None)
@given(st.sets(st.integers(1, 20), max_size=6))
def test_lost_frames_lead_to_the_whole_message_or_to_none(lost: Any) -> None:
    sender, receiver = vehicle(packet_interval_s=0.0), charger()
    sender.send(0x0200, 7, BRM, 0.0)
    line = Line(sender, receiver, frozenset(lost))
    line.run(8.0)
    assert {each.payload for each in line.received[1]} <= {BRM}
    assert sender.next_due() is None
    assert receiver.next_due() is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([CONTROL, DATA]), st.binary(max_size=8), st.floats(0, 0.3)), max_size=80))
def test_no_sequence_of_frames_upsets_the_receiver(frames: Any) -> None:
    transport, now_s = charger(), 0.0
    for identifier, data, wait_s in frames:
        now_s += wait_s
        transport.receive(CanFrame(identifier, data), now_s)
        assert len(transport.poll(now_s)) < 8
    for _ in range(200):
        now_s += 0.5
        transport.poll(now_s)
    assert transport.next_due() is None
