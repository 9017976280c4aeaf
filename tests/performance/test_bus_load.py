"""The load on the bus is what it says, and periods are judged by what was measured."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from drivers.can.frame import CanFrame
from drivers.gbt27930.messages.table import CHARGER_ADDRESS, MESSAGES, VEHICLE_ADDRESS, encode, identifier_of
from drivers.gbt27930.transport.transport import Transport
from hil_tests.bench.site import write_site_file
from hil_tests.performance.bms import Connector, _judge, _virtual
from hil_tests.performance.bus_load import PERIODS_MS, intervals_ms, other_frames, regularity, watched
from hil_tests.performance.report import MET, MISSED, NOT_MEASURED


def test_the_load_never_says_anything_in_the_dialogue() -> None:
    """Whatever of it is addressed to the charger is no message of a vehicle, and opens no transfer."""
    transport = Transport(
        CHARGER_ADDRESS, VEHICLE_ADDRESS, accepted_pgns={message.pgn for message in MESSAGES.values()}
    )
    pgns = {message.pgn for message in MESSAGES.values()}
    for frame in itertools.islice(other_frames(), 500):
        assert frame.extended
        assert len(frame.data) == 8
        assert not {received.pgn for received in transport.receive(frame, 1.0)} & pgns
        assert transport.poll(1.0) == []


def test_regularity() -> None:
    kept = regularity(intervals_ms([0.0, 0.250, 0.500, 0.752]), 250.0)
    assert kept.count == 3
    assert kept.median_off_percent == pytest.approx(0.0, abs=1e-9)
    assert kept.p99_off_ms == pytest.approx(2.0)
    with pytest.raises(ValueError, match="no values"):
        regularity([], 250.0)


def test_recognition_is_two_messages() -> None:
    values = {"recognised": True, "charger_number": 1, "area_code": b""}
    yes = watched(CanFrame(identifier_of("CRM"), encode("CRM", values)))
    no = watched(CanFrame(identifier_of("CRM"), encode("CRM", {**values, "recognised": False})))
    assert (yes, no) == ("CRM AA", "CRM 00")
    assert watched(CanFrame(identifier_of("CCS"), bytes(7))) == "CCS"
    assert watched(CanFrame(identifier_of("CRO"), bytes(1))) == ""


def test_a_virtual_bus_loses_nothing(tmp_path: Path) -> None:
    share, lost = _virtual(tmp_path, 1.5)
    assert lost.verdict == MET
    assert share.samples > 1500
    assert share.detail["charging_at_the_end"]


TRANSPORT = {"received": 10, "receive_failed": 0, "retransmissions": 0, "foreign": 900}
ARRIVALS_S = {
    "CRM 00" if name == "CRM" else name: [number * period_ms / 1000.0 for number in range(5)]
    for name, period_ms in PERIODS_MS.items()
}
RESULT = {"filled_s": 1.0, "policy": "fifo 90", "skipped_slots": 0}


def connector(*, counted: int = 1000, refused: int = 0, **bus: Any) -> Connector:
    return Connector(
        share_percent=8.0,
        share_without_load_percent=3.0,
        policy="fifo 50",
        counted=counted,
        counters={"refused": refused, "transport": TRANSPORT},
        bus={
            "sent": 1000,
            "lost_by_terminal": 0,
            "clearances_ms": [0.2, 0.4, 1.0],
            "arrivals_s": ARRIVALS_S,
            **bus,
        },
    )


def test_a_good_run_meets_every_limit() -> None:
    figures = _judge([connector(), connector()], RESULT)
    assert {figure.verdict for figure in figures} == {MET}
    assert figures[0].value == 10.0


@pytest.mark.parametrize(
    "broken",
    [
        connector(counted=999),
        connector(counted=1001),
        connector(lost_by_terminal=1),
        connector(refused=1),
        connector(clearances_ms=[5.1]),
        connector(arrivals_s={**ARRIVALS_S, "CST": [0.0, 0.03]}),
        connector(arrivals_s={**ARRIVALS_S, "CCS": [0.0, 0.0515, 0.103]}),
    ],
)
def test_what_is_lost_or_late_is_a_missed_limit(broken: Connector) -> None:
    figures = _judge([connector(arrivals_s={}), broken], RESULT)
    assert MISSED in {figure.verdict for figure in figures}


def test_a_message_that_never_came_twice_is_not_measured() -> None:
    figures = _judge([connector(arrivals_s={}), connector(arrivals_s={})], RESULT)
    assert sum(figure.verdict == NOT_MEASURED for figure in figures) == len(PERIODS_MS)


def test_an_entry_of_a_list_in_the_site_file_is_found_by_its_name(tmp_path: Path) -> None:
    path = write_site_file(tmp_path, mqtt_port=1, bus={"can": {"vehicle": {"channel": "/dev/x"}}})
    text = path.read_text(encoding="utf-8")
    assert 'channel = "/dev/x"' in text
    assert "can-modules" in text
