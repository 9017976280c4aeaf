"""The other traffic on a saturated vehicle bus, and statistics of the charger's message times.

250 kbit/s carry about 1,900 extended frames of eight bytes a second (131 bits each, without stuffing). What the
dialogue of charger and vehicle leaves free is filled with frames as they are recorded on real buses: other addresses,
unknown messages of the vehicle, transfers between others, and transfers of the vehicle that no charger knows.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from drivers.can.frame import CanFrame
from drivers.gbt27930.messages.table import MESSAGES, identifier_of
from drivers.gbt27930.transport.segments import BYTES_PER_PACKET, Frames
from hil_tests.performance.samples import quantile

FRAMES_PER_S = 1900
"""Extended frames of eight bytes that 250 kbit/s carry in a second."""

PERIODS_MS: Mapping[str, float] = {
    name: MESSAGES[name].period_s * 1000.0 for name in ("CHM", "CRM", "CML", "CCS", "CST")
}
"""Nominal periods of the charger's messages that are watched."""

_FOREIGN_ADDRESS, _OTHER_ADDRESS = 0xF5, 0x57
_CHARGER, _VEHICLE = 0x56, 0xF4
_UNKNOWN_TRANSFER_PGN = 0x2900
# Vendor frames, a second pair of charger and vehicle, diagnostics and unknown messages of the vehicle.
_SINGLE = (
    0x0070F4B5, 0x0073F4B5, 0x1812F557, 0x181057F5, 0x181357F5, 0x183156F4, 0x182056F4, 0x1C3456F4, 0x1810F4B5,
    0x18F00503,
)  # fmt: skip


def other_frames() -> Iterator[CanFrame]:
    """Endless: every round has each single identifier, a transfer between others and an unknown one of the vehicle."""
    others = Frames(_FOREIGN_ADDRESS, _OTHER_ADDRESS)
    vehicle = Frames(_VEHICLE, _CHARGER)
    payload = bytes(range(49))
    packets = -(-len(payload) // BYTES_PER_PACKET)
    for number in itertools.count():
        stamp = (number & 0xFFFFFFFF).to_bytes(8, "big")
        for identifier in _SINGLE:
            yield CanFrame(identifier, stamp)
        yield others.request(MESSAGES["BRM"].pgn, len(payload))
        for packet in range(1, packets + 1):
            yield others.data(packet, payload)
        yield vehicle.request(_UNKNOWN_TRANSFER_PGN, len(payload))


def intervals_ms(arrivals_s: Sequence[float]) -> list[float]:
    """Times between one sending and the next, in ms."""
    return [(later - earlier) * 1000.0 for earlier, later in itertools.pairwise(arrivals_s)]


@dataclass(frozen=True, slots=True)
class Regularity:
    """Accuracy of a message period: deviation of the median in percent, and of single intervals in ms."""

    count: int
    median_ms: float
    median_off_percent: float
    p99_off_ms: float
    longest_off_ms: float


def regularity(intervals: Sequence[float], period_ms: float) -> Regularity:
    """Judge the intervals of one message. Raises ValueError if there are none."""
    median_ms = quantile(sorted(intervals), 0.5)
    off_ms = sorted(abs(interval - period_ms) for interval in intervals)
    return Regularity(
        count=len(intervals),
        median_ms=median_ms,
        median_off_percent=100.0 * abs(median_ms - period_ms) / period_ms,
        p99_off_ms=quantile(off_ms, 0.99),
        longest_off_ms=off_ms[-1],
    )


_WATCHED: Mapping[int, str] = {identifier_of(name): name for name in PERIODS_MS}


def watched(frame: CanFrame) -> str:
    """Name of the message in a frame if its period is watched, else empty.

    CRM is two messages here: "not recognised" ends and "recognised" begins when the vehicle's BRM is there.
    """
    name = _WATCHED.get(frame.identifier, "")
    return f"{name} {frame.data[0]:02X}" if name == "CRM" else name
