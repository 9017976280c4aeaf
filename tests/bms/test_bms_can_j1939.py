"""Cross-check of the transfers against an independent J1939-21 implementation on python-can's virtual bus."""

import queue
import time
from typing import Any

import pytest

from drivers.bms.messages import CHARGER_ADDRESS, MESSAGES, VEHICLE_ADDRESS, decode, encode
from drivers.bms.transport import Received, Transport
from drivers.can.frame import CanFrame

can = pytest.importorskip("can")
j1939 = pytest.importorskip("j1939")

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
