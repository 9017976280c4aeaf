"""Evidence made by hand: messages on a grid, frames of a transfer, rows of the plant."""

from collections.abc import Iterable, Sequence
from typing import Any

from hil_tests.conformance.evidence import Evidence
from hil_tests.conformance.wire import KINDS, Frame, Row, Seen, sign_of

PAYLOADS = {
    "CHM": "010100", "CRM-00": "0001000000FFFFFF", "CRM-AA": "AA01000000FFFFFF", "CML": "10270807D0079F0F",
    "CRO-00": "00", "CRO-AA": "AA", "CCS": "880FA00F0000FD", "CST": "0400F0F0", "CSD": "0100020001000000",
    "CEM": "FDF0C0FC", "BHM": "A00F", "BRO-00": "00", "BRO-AA": "AA", "BCL": "A00FB80B02", "BSM": "015A015A010010",
    "BST": "40000000", "BSD": "628201900145", "BEM": "F0F0F1FC", "CTS": "FFFFFFFFFFFFFF",
}  # fmt: skip


def seen(sign: str, at_s: float, payload: str | None = None, identifier: int | None = None) -> Seen:
    name = sign.split("-")[0]
    data = bytes.fromhex(PAYLOADS[sign] if payload is None else payload)
    kind = KINDS[name]
    return Seen(at_s, at_s, name, sign_of(name, data), data, identifier or kind.identifier, by_transfer=False)


def every(
    sign: str, begin_s: float, end_s: float, period_s: float | None = None, payload: str | None = None
) -> list[Seen]:
    """Messages on an exact grid, the last one at or before ``end_s``."""
    period = KINDS[sign.split("-")[0]].period_ms / 1000 if period_s is None else period_s
    count = int((end_s - begin_s) / period + 1e-9) + 1
    return [seen(sign, begin_s + number * period, payload) for number in range(count)]


def evidence(*groups: Iterable[Seen], rows: Sequence[Row] = (), **more: Any) -> Evidence:
    return Evidence(
        seen=sorted((each for group in groups for each in group), key=lambda each: each.at_s), rows=rows, **more
    )


def row(at_s: float, **changes: Any) -> Row:
    values: dict[str, Any] = {
        "plugged": True, "k1": False, "k2": False, "contactors": False, "vehicle_contactors": False, "lock": True,
        "auxiliary": True, "insulation_monitor": False, "discharge": False, "outside_v": 0.0, "inside_v": 0.0,
        "current_a": 0.0,
    }  # fmt: skip
    return Row(at_s, {**values, **changes})


def transfer(group: int, payload: bytes, at_s: float, *, answered: bool = True) -> list[Frame]:
    """A transfer of the vehicle with the answers of the charger, frames 10 ms apart."""
    packets = -(-len(payload) // 7)
    pgn = group.to_bytes(3, "little")
    control, data, answer = 0x1CEC56F4, 0x1CEB56F4, 0x1CECF456
    frames = [Frame(at_s, control, bytes([16, *len(payload).to_bytes(2, "little"), packets, 0xFF]) + pgn)]
    if answered:
        frames.append(Frame(at_s + 0.004, answer, bytes([17, packets, 1, 0xFF, 0xFF]) + pgn))
    for number in range(packets):
        part = payload[number * 7 : number * 7 + 7].ljust(7, b"\xff")
        frames.append(Frame(at_s + 0.01 * (number + 1), data, bytes([number + 1]) + part))
    if answered:
        end = bytes([19, *len(payload).to_bytes(2, "little"), packets, 0xFF]) + pgn
        frames.append(Frame(at_s + 0.01 * packets + 0.002, answer, end))
    return frames
