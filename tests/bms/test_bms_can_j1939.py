"""Cross-check of the transfers against an independent J1939-21 implementation, can-j1939.

Once over python-can's virtual bus with its own thread, the rest frame by frame in virtual time.

What can-j1939 2.0.12 does otherwise than J1939-21, and why some cases are left out here:

- as a receiver it does not look at packet numbers: lost or repeated packets give a wrong message, so only our receiver
  is tried with losses;
- as a sender it ignores the first packet number of a clearance: asked for a lost packet again it goes on where it was,
  so a message that has lost one packet of a window is never completed;
- after a hold it waits for Th (0.5 s) instead of T4 (1.05 s), which is why our holds are repeated every 0.4 s;
- it takes an abort only while it waits for a clearance, and sends one transfer at a time to the same node.
"""

import queue
import time
from types import SimpleNamespace
from typing import Any

import pytest
from bms_frames import BCS, BMV, CONTROL, Line, abort, charger, cts, data, give, hold, payload_of, rts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.can.frame import CanFrame
from drivers.gbt27930.messages.table import CHARGER_ADDRESS, MESSAGES, VEHICLE_ADDRESS, decode, encode
from drivers.gbt27930.transport.transport import Received, Transport

can = pytest.importorskip("can")
j1939 = pytest.importorskip("j1939")
j1939_21 = pytest.importorskip("j1939.j1939_21")

BRM = {"version": "1.1", "battery_type": 3, "rated_capacity_ah": 120.0, "rated_voltage_v": 350.0, "vin": "W" * 17}
PATIENCE_S = 20.0
"""Only bounds the test on a busy machine; nothing is measured against it."""


@pytest.mark.parametrize("packets_at_once", [1, 3, 255])
def test_brm_goes_both_ways(packets_at_once: Any) -> None:
    channel = f"bms-{packets_at_once}"
    ecu = j1939.ElectronicControlUnit(max_cmdt_packets=packets_at_once)
    ecu.connect(interface="virtual", channel=channel)
    peer = j1939.ControllerApplication(
        j1939.Name(identity_number=1), device_address_preferred=VEHICLE_ADDRESS, bypass_address_claim=True
    )
    heard: queue.Queue[tuple[int, bytes]] = queue.Queue()
    ecu.add_ca(controller_application=peer)
    peer.subscribe(lambda priority, pgn, source, timestamp, data: heard.put((pgn, bytes(data))))
    peer.start()
    transport = Transport(CHARGER_ADDRESS, VEHICLE_ADDRESS, packet_interval_s=0.0)
    payload, pgn = encode("BRM", BRM), MESSAGES["BRM"].pgn
    received: list[Received] = []
    try:
        with can.Bus(interface="virtual", channel=channel) as bus:
            assert peer.send_pgn(0, pgn >> 8, CHARGER_ADDRESS, 7, list(payload))
            transport.send(0x1500, 7, bytes(range(200)), time.monotonic())
            end_s = time.monotonic() + PATIENCE_S
            while (not received or heard.empty()) and time.monotonic() < end_s:
                message = bus.recv(0.005)
                now_s = time.monotonic()
                if message is not None:
                    received += transport.receive(CanFrame(message.arbitration_id, bytes(message.data)), now_s)
                for frame in transport.poll(now_s):
                    bus.send(can.Message(arbitration_id=frame.identifier, data=frame.data, is_extended_id=True))
    finally:
        ecu.disconnect()
        ecu.stop()
    assert [(each.pgn, each.multi_packet) for each in received] == [(pgn, True)]
    assert decode("BRM", received[0].payload)["vin"] == "W" * 17
    assert heard.get_nowait() == (0x1500, bytes(range(200)))


class Peer:
    """can-j1939's transfer layer as the vehicle, without thread and bus, in our time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, packets_at_once: int = 255) -> None:
        self.heard: list[tuple[int, bytes]] = []
        self._now_s = 1000.0
        self._out: list[CanFrame] = []
        monkeypatch.setattr(j1939_21, "time", SimpleNamespace(time=lambda: self._now_s))
        self._layer = j1939_21.J1939_21(
            lambda identifier, extended, data: self._out.append(CanFrame(identifier, bytes(data), 0.0, extended)),
            lambda: None,
            lambda priority, pgn, source, destination, timestamp, data: self.heard.append((pgn, bytes(data))),
            packets_at_once,
            0.01,
            None,
            lambda address: address == VEHICLE_ADDRESS,
        )

    def send(self, pgn: int, payload: bytes) -> None:
        assert self._layer.send_pgn(0, pgn >> 8, CHARGER_ADDRESS, 7, VEHICLE_ADDRESS, list(payload), 0, None)

    def receive(self, frame: CanFrame, now_s: float) -> list[Received]:
        self._now_s = 1000.0 + now_s
        self._layer.notify(frame.identifier, bytearray(frame.data), now_s)
        return []

    def poll(self, now_s: float) -> list[CanFrame]:
        self._now_s = 1000.0 + now_s
        self._layer.async_job_thread(self._now_s)
        frames, self._out = self._out, []
        return frames


@pytest.mark.parametrize("packets_at_once", [1, 2, 16, 255])
@pytest.mark.parametrize("size", [9, 13, 14, 49, 252, 512, 1785])
def test_messages_of_any_size_in_both_directions_at_once(
    monkeypatch: pytest.MonkeyPatch, packets_at_once: int, size: int
) -> None:
    peer, pile = Peer(monkeypatch, packets_at_once), charger(packet_interval_s=0.01)
    line: Any = Line(peer, pile)  # type: ignore[arg-type]
    there, back = payload_of(BMV, size), payload_of(BCS, size)
    for _ in range(2):
        peer.send(BMV, there)
        pile.send(BCS, 7, back, line.now_s)
        line.run(5.0)
    assert [(each.pgn, each.payload) for each in line.received[1]] == [(BMV, there)] * 2
    assert peer.heard == [(BCS, back)] * 2
    assert pile.counters["sent"] == pile.counters["received"] == 2
    assert not any(pile.counters[name] for name in ("mixed_up", "duplicates", "wrong_sequence", "retransmissions"))


@pytest.mark.parametrize("seconds", [0.3, 2.0])
def test_it_keeps_waiting_while_it_is_held(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    peer, pile = Peer(monkeypatch), charger()
    line: Any = Line(peer, pile)  # type: ignore[arg-type]
    give(pile, 0.0, rts(BMV))  # of another part of the same vehicle
    pile.poll(0.0)
    peer.send(BCS, payload_of(BCS))
    for _ in range(round(seconds / 0.1)):
        line.run(0.1)
        give(pile, line.now_s, *data(BMV, 30 - round(line.now_s * 10)))  # packets 1 and 2 do not come
    assert line.received[1] == []
    give(pile, line.now_s, *data(BMV, 1, 2))
    line.run(0.5)
    assert [each.payload for each in line.received[1]] == [payload_of(BCS)]


def test_it_understands_our_abort_of_an_impossible_request(monkeypatch: pytest.MonkeyPatch) -> None:
    peer, pile = Peer(monkeypatch), charger()
    peer.send(BCS, payload_of(BCS))
    (request,) = peer.poll(0.0)
    assert request.data == rts(BCS, grant=2).data
    wrong = request.data[:3] + b"\x03" + request.data[4:]
    pile.receive(CanFrame(CONTROL, wrong), 0.0)
    (answer,) = pile.poll(0.0)
    assert answer.data.hex() == abort(BCS, 250)
    peer.receive(answer, 0.0)
    peer.poll(0.0)
    peer.send(BCS, payload_of(BCS))  # it is free again


def test_our_frames_are_the_frames_it_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    peer, pile = Peer(monkeypatch), charger()
    give(pile, 0.0, rts(BMV), rts(BCS))
    peer.receive(CanFrame(0x1CECF456, rts(BMV).data), 0.0)
    (theirs,) = peer.poll(0.0)
    ours, held = pile.poll(0.0)
    assert (ours.identifier, theirs.identifier) == (0x1CECF456, 0x1CEC56F4)
    assert ours.data == theirs.data == bytes.fromhex(cts(BMV, 36, 1))
    assert held.data == bytes.fromhex(hold(BCS))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.integers(1, 60), max_size=4), st.sets(st.integers(1, 60), max_size=4), st.sampled_from([1, 5, 255]))
def test_what_it_loses_or_repeats_never_gives_a_wrong_message(
    monkeypatch: pytest.MonkeyPatch, lost: Any, twice: Any, packets_at_once: Any
) -> None:
    peer, pile = Peer(monkeypatch, packets_at_once), charger()
    line: Any = Line(peer, pile, frozenset(lost), frozenset(twice))  # type: ignore[arg-type]
    peer.send(BMV, payload_of(BMV))
    line.run(10.0, 0.02)
    assert all((each.pgn, each.payload) == (BMV, payload_of(BMV)) for each in line.received[1])
    assert pile.next_due() is None
