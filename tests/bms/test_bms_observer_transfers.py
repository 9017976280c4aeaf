"""Transfers put together by listening: both directions, holds, retransmission, aborts, lost frames."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from observed_bus import CHARGER, VALUES, VEHICLE, Bus

from drivers.can.frame import CanFrame
from drivers.gbt27930.messages.table import MESSAGES, Sender, encode
from drivers.gbt27930.observer.dialogue import GROUPS_AT_MOST
from drivers.gbt27930.observer.observer import Observer
from drivers.gbt27930.observer.transfers import FOLLOWED_AT_MOST
from drivers.gbt27930.transport import segments
from drivers.gbt27930.transport.transport import Transport

BRM, BCS, BMV = (MESSAGES[name].pgn for name in ("BRM", "BCS", "BMV"))
BRM_BYTES, BCS_BYTES, BMV_BYTES = (encode(name, VALUES[name]) for name in ("BRM", "BCS", "BMV"))


def names(bus: Bus) -> list[str]:
    return [heard.name for heard in bus.observer.heard]


def test_several_windows_and_a_hold() -> None:
    bus = Bus().until("CRM")
    bus.frame(VEHICLE.request(BRM, 49))
    started_s = bus.now_s
    bus.now_s += 0.02
    bus.frame(CHARGER.clearance(BRM, 0, 0xFF))
    bus.now_s += 1.0
    bus.frame(CHARGER.clearance(BRM, 3, 1))
    for number in (1, 2, 3):
        bus.frame(VEHICLE.data(number, BRM_BYTES))
    bus.frame(CHARGER.clearance(BRM, 4, 4))
    for number in (4, 5, 6):
        bus.frame(VEHICLE.data(number, BRM_BYTES))
        assert names(bus) == []
    bus.now_s += 0.1
    bus.frame(VEHICLE.data(7, BRM_BYTES))
    (heard,) = bus.observer.heard
    assert heard.name == "BRM"
    assert heard.multi_packet
    assert heard.started_s == started_s
    assert heard.at_s == bus.now_s
    bus.frame(CHARGER.end(BRM, 49))
    assert bus.codes("violation") == []
    assert bus.session.slowest_answer_s == {Sender.CHARGER: pytest.approx(0.02)}


def test_a_small_transfer_beside_a_large_one() -> None:
    bus = Bus().charging()
    bus.frame(VEHICLE.request(BMV, len(BMV_BYTES)))
    bus.frame(CHARGER.clearance(BMV, 36, 1))
    for number in range(1, 20):
        bus.frame(VEHICLE.data(number, BMV_BYTES))
    bus.frame(VEHICLE.request(BCS, 9))
    bus.frame(CHARGER.clearance(BCS, 0, 0xFF))
    for number in range(20, 37):
        bus.frame(VEHICLE.data(number, BMV_BYTES))
    assert names(bus) == ["BMV"]
    bus.frame(CHARGER.end(BMV, len(BMV_BYTES)))
    bus.frame(CHARGER.clearance(BCS, 2, 1))
    bus.frame(VEHICLE.data(1, BCS_BYTES))
    bus.frame(VEHICLE.data(2, BCS_BYTES))
    assert names(bus) == ["BCS"]
    bus.frame(CHARGER.end(BCS, 9))
    assert not [code for code in bus.codes() if code.startswith("transfer")]


def test_packets_asked_for_again() -> None:
    bus = Bus().until("CRM")
    bus.frame(VEHICLE.request(BRM, 49))
    bus.frame(CHARGER.clearance(BRM, 7, 1))
    for number in (1, 2, 4, 5, 6, 7):
        bus.frame(VEHICLE.data(number, BRM_BYTES))
    sequence = bus.only("transfer.sequence")
    assert (sequence.message, sequence.expected, sequence.seen) == ("BRM", "packet 3", "packet 4")
    bus.frame(CHARGER.clearance(BRM, 1, 3))
    bus.frame(VEHICLE.data(3, BRM_BYTES))
    assert names(bus) == ["BRM"]
    assert bus.only("transfer.retransmission").seen == "packet 3"


def test_a_transfer_of_the_charger_is_followed_too() -> None:
    bus = Bus().charging()
    pgn = 0x3000
    bus.frame(CHARGER.request(pgn, 9))
    bus.frame(VEHICLE.clearance(pgn, 2, 1))
    bus.frame(CHARGER.data(1, bytes(9)))
    bus.frame(CHARGER.data(2, bytes(9)))
    bus.frame(VEHICLE.end(pgn, 9))
    assert bus.only("foreign").message == "PGN 003000"
    assert bus.session.slowest_answer_s == {Sender.CHARGER: 0.0, Sender.VEHICLE: 0.0}


def test_a_request_that_disagrees_with_itself() -> None:
    bus = Bus().until("CRM")
    bus.frame(CanFrame(0x1CEC56F4, bytes((16, 49, 0, 6, 255, 0, 2, 0))))
    assert (bus.only("transfer.request").expected, bus.only("transfer.request").seen) == ("7 packets", "49 bytes in 6")
    bus.frame(VEHICLE.data(1, BRM_BYTES))  # what follows is not blamed again
    bus.frame(CHARGER.clearance(BRM, 1, 1))
    assert bus.codes("violation") == ["transfer.request"]
    bus.frame(VEHICLE.request(BRM, 49))
    bus.frame(CanFrame(0x1CEC56F4, bytes((16, 49, 0, 6, 255, 0, 2, 0))))
    assert bus.codes("note").count("transfer.repeated") == 1


@pytest.mark.parametrize(("size", "packets"), [(8, 2), (1786, 255)])
def test_a_size_that_no_transfer_has(size: int, packets: int) -> None:
    bus = Bus().until("CRM")
    bus.frame(CanFrame(0x1CEC56F4, bytes((16, size & 0xFF, size >> 8, packets, 255, 0, 2, 0))))
    assert bus.codes("violation") == ["transfer.request"]


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (VEHICLE.data(0, BRM_BYTES), "transfer.sequence"),
        (VEHICLE.data(8, bytes(70)), "transfer.sequence"),
        (CanFrame(0x1CEB56F4, b"\x01\x02\x03"), "transfer.frame"),
        (CanFrame(0x1CEB56F4, b""), "transfer.unexpected"),
        (CanFrame(0x1CEC56F4, b"\x10"), "transfer.frame"),
        (CanFrame(0x1CEC56F4, b"\x20" * 8), "transfer.control"),
        (CHARGER.clearance(BRM, 1, 8), "transfer.clearance"),
        (CHARGER.end(BCS, 9), "transfer.answer"),
        (CHARGER.abort(BCS, 1), "transfer.answer"),
        (CHARGER.abort(BRM, 1), "transfer.abort"),
        (VEHICLE.abort(BRM, 3), "transfer.abort"),
    ],
)
def test_a_frame_that_does_not_fit(frame: CanFrame, code: str) -> None:
    bus = Bus().until("CRM")
    bus.frame(VEHICLE.request(BRM, 49))
    bus.frame(CHARGER.clearance(BRM, 7, 1))
    bus.frame(frame)
    assert bus.codes("violation") == [code]


def test_a_last_frame_that_is_not_filled_up_is_taken() -> None:
    bus = Bus().charging()
    bus.frame(VEHICLE.request(BCS, 9))
    bus.frame(CHARGER.clearance(BCS, 2, 1))
    bus.frame(VEHICLE.data(1, BCS_BYTES))
    bus.frame(CanFrame(0x1CEB56F4, VEHICLE.data(2, BCS_BYTES).data[:3]))
    assert names(bus) == ["BCS"]
    assert "transfer.frame" in bus.codes("violation")


def test_a_charger_may_decline_the_lists() -> None:
    bus = Bus().charging()
    bus.frame(VEHICLE.request(BMV, len(BMV_BYTES)))
    bus.frame(CHARGER.abort(BMV, 2))
    assert bus.codes("violation") == []
    assert bus.only("transfer.declined").seen == "charger, reason 2"


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([], "transfer.no_answer"),
        ([CHARGER.clearance(BRM, 7, 1)], "transfer.timeout"),
        ([CHARGER.clearance(BRM, 0, 0xFF)], "transfer.timeout"),
        ([CHARGER.clearance(BRM, 7, 1), VEHICLE.data(1, BRM_BYTES)], "transfer.timeout"),
        ([CHARGER.clearance(BRM, 1, 1), VEHICLE.data(1, BRM_BYTES)], "transfer.timeout"),
        (
            [CHARGER.clearance(BRM, 7, 1), *(VEHICLE.data(number, BRM_BYTES) for number in range(1, 8))],
            "transfer.no_end",
        ),
    ],
)
def test_a_transfer_that_stops(frames: list[CanFrame], code: str) -> None:
    bus = Bus().until("CRM")
    bus.frame(VEHICLE.request(BRM, 49))
    for frame in frames:
        bus.frame(frame)
    bus.wait(1.3, "CRM")
    assert bus.codes("violation") == [code]


def test_packets_that_only_the_receiver_has() -> None:
    bus = Bus().until("CRM")
    bus.frame(VEHICLE.request(BRM, 49))
    bus.frame(CHARGER.clearance(BRM, 7, 1))
    for number in range(1, 7):
        bus.frame(VEHICLE.data(number, BRM_BYTES))
    bus.frame(CHARGER.end(BRM, 49))
    assert bus.only("capture.lost").seen == "1 of 7 packets"


def test_a_recording_that_begins_within_a_transfer() -> None:
    bus = Bus()
    bus.frame(VEHICLE.data(3, BRM_BYTES))
    bus.frame(VEHICLE.data(4, BRM_BYTES))
    bus.frame(CHARGER.end(BCS, 9))
    assert bus.codes() == ["capture.transfer", "transfer.unexpected", "transfer.answer"]


def test_data_whose_clearance_was_not_heard() -> None:
    bus = Bus().until("CRM")
    bus.frame(VEHICLE.request(BRM, 49))
    for number in range(1, 8):
        bus.frame(VEHICLE.data(number, BRM_BYTES))
    assert names(bus) == ["BRM"]


def test_only_so_many_transfers_are_followed() -> None:
    bus = Bus().charging()
    for number in range(FOLLOWED_AT_MOST + 3):
        bus.frame(VEHICLE.request(0x3000 + number * 0x100, 9))
    bus.frame(CHARGER.end(0x3000, 9))
    assert "transfer.answer" in bus.codes()
    bus.wait(1.3, "CCS")
    assert bus.codes().count("transfer.no_answer") == FOLLOWED_AT_MOST


def test_a_new_attempt_forgets_transfers() -> None:
    bus = Bus().until("CRM")
    bus.frame(VEHICLE.request(BRM, 49))
    bus.say("CEM", "CRM")
    bus.wait(1.3, "CRM")
    assert "transfer.no_answer" not in bus.codes()


def test_what_the_transport_sends_is_what_is_heard() -> None:
    """The project's own two ends, packet spacing and holds as they are."""
    bus = Bus().charging()
    vehicle, charger = Transport(0xF4, 0x56), Transport(0x56, 0xF4)
    heard: list[str] = []
    for name, payload in (("BMV", BMV_BYTES), ("BCS", BCS_BYTES), ("BRM", BRM_BYTES)):
        vehicle.send(MESSAGES[name].pgn, 7, payload, bus.now_s)
    for _ in range(200):
        bus.now_s += 0.005
        for frame in vehicle.poll(bus.now_s):
            bus.frame(frame)
            heard += names(bus)
            charger.receive(frame, bus.now_s)
        for frame in charger.poll(bus.now_s):
            bus.frame(frame)
            vehicle.receive(frame, bus.now_s)
    assert heard == ["BMV", "BCS", "BRM"]
    assert not [code for code in bus.codes() if code.startswith("transfer")]


# ----------------------------------------------------------------------------------------------------- any frames

_KNOWN = [message.identifier for message in MESSAGES.values()]
_TRANSFER = [0x1CEC56F4, 0x1CEB56F4, 0x1CECF456, 0x1CEBF456]
_GOOD = st.sampled_from(sorted(VALUES)).flatmap(
    lambda name: st.just(CanFrame(MESSAGES[name].identifier, encode(name, VALUES[name])))
)
_CONTROL = st.builds(
    lambda identifier, kind, rest, name: CanFrame(
        identifier, bytes((kind, *rest)) + MESSAGES[name].pgn.to_bytes(3, "little")
    ),
    st.sampled_from(_TRANSFER),
    st.sampled_from([16, 17, 19, 255, 32]),
    st.lists(st.integers(0, 255), min_size=4, max_size=4),
    st.sampled_from(sorted(MESSAGES)),
)
_REQUEST = st.builds(
    lambda name: VEHICLE.request(MESSAGES[name].pgn, max(9, MESSAGES[name].length)), st.sampled_from(sorted(MESSAGES))
)
_ANY = st.builds(
    CanFrame,
    st.one_of(st.sampled_from(_KNOWN), st.sampled_from(_TRANSFER), st.integers(0, 0x1FFFFFFF)),
    st.binary(max_size=8),
    extended=st.booleans() | st.just(True),
)
_FRAMES = st.one_of(_GOOD, _CONTROL, _REQUEST, _ANY, _ANY)
_STEP = st.tuples(_FRAMES, st.one_of(st.just(0.0), st.floats(0, 0.3), st.floats(-3, 20)))


@settings(max_examples=300, deadline=None)
@given(st.lists(_STEP, max_size=120), st.sampled_from(["2015", "2023"]))
def test_no_frames_whatever_raise_or_grow(steps: list[tuple[CanFrame, float]], edition: str) -> None:
    observer = Observer("2023" if edition == "2023" else "2015", sessions_at_most=4)
    now_s = 0.0
    for frame, wait_s in steps:
        now_s += wait_s
        for told in observer.receive(frame, now_s):
            assert told.at_s <= max(now_s, 0.0) + 1e6
        due_s = observer.next_due()
        assert due_s is None or due_s > now_s - 1000
    observer.poll(now_s + 100)
    observer.finish()
    assert observer.next_due() is None
    assert len(observer.sessions) <= 4
    for session in observer.sessions:
        assert session.ended_s is not None
        assert len(session.groups) <= GROUPS_AT_MOST
        assert session.counts.keys() <= MESSAGES.keys()
        assert len(session.timeline) <= 257


def test_a_long_run_of_rubbish_stays_small() -> None:
    """A hundred thousand frames of every kind: what is kept does not grow with them."""
    import random
    import sys

    rng = random.Random(7)  # noqa: S311
    observer = Observer()
    for number in range(100_000):
        kind = rng.random()
        identifier = rng.choice(_KNOWN) if kind < 0.5 else rng.choice(_TRANSFER) if kind < 0.8 else rng.getrandbits(29)
        observer.receive(CanFrame(identifier, rng.randbytes(rng.choice((8, 8, 8, 7, 4, 1)))), number * 0.001)
    assert len(observer.foreign) <= 64
    assert sum(len(session.groups) for session in observer.sessions) <= 32 * GROUPS_AT_MOST
    assert all(len(session.timeline) <= 257 for session in observer.sessions)
    assert sys.getsizeof(observer.heard) < 1000
    assert segments.LARGEST_BYTES * FOLLOWED_AT_MOST * 2 < 30_000
