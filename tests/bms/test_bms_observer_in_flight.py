"""A listener follows a charger that takes short messages beside long ones."""

from typing import Any

import pytest
from bms_frames import BCS, BMT, BMV, BSP, CONTROL, DATA, charger, payload_of, vehicle

from drivers.gbt27930.messages.fields import Sender
from drivers.gbt27930.observer.transfers import HeardTransfers


@pytest.mark.parametrize("spacing_s", [0.0, 0.01, 0.05])
def test_listener_hears_every_message_of_several_in_flight(spacing_s: Any) -> None:
    told: list[str] = []
    heard: list[tuple[int, bytes]] = []

    def tell(code: str, *_: Any, **__: Any) -> None:
        told.append(code)

    listener = HeardTransfers(Sender.VEHICLE, tell, lambda *_: None)
    car, pile = vehicle(packet_interval_s=spacing_s, transfers_at_once=4), charger()
    for tick in range(800):
        now_s = tick * 0.005
        if tick == 0:
            for pgn in (BMV, BMT, BSP):
                car.send(pgn, 7, payload_of(pgn), now_s)
        if tick % 50 == 0:
            car.send(BCS, 7, payload_of(BCS), now_s)
        for _ in range(6):
            for frame in car.poll(now_s):
                pgn = int.from_bytes(frame.data[5:8], "little")
                if frame.identifier == CONTROL:
                    assert listener.request(pgn, frame.data, now_s)
                else:
                    assert frame.identifier == DATA
                    complete = listener.data(frame.data, now_s)
                    if complete is not None:
                        heard.append((complete.pgn, complete.payload))
                pile.receive(frame, now_s)
            for frame in pile.poll(now_s):
                pgn = int.from_bytes(frame.data[5:8], "little")
                if frame.data[0] == 17:
                    listener.clearance(pgn, frame.data, now_s)
                else:
                    assert frame.data[0] == 19
                    listener.end(pgn, now_s)
                car.receive(frame, now_s)
        listener.expire(now_s)
    assert {pgn for pgn, _ in heard} == {BMV, BMT, BSP, BCS}
    assert all(payload == payload_of(pgn) for pgn, payload in heard)
    assert len(heard) == pile.counters["received"]
    assert told == []
