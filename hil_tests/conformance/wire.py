"""From a recording to messages: reads the candump file, puts transfers together, names everything. Knows no agent code.

A tester must not share its reading of the protocol with what it tests, so identifiers, lengths and the transport
protocol are defined here a second time, from the tables of GB/T 27930 and not from ``drivers.gbt27930``.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHARGER, VEHICLE = 0x56, 0xF4

_CONTROL, _DATA = 0xEC, 0xEB
_RTS, _CTS, _END, _ABORT = 16, 17, 19, 255


@dataclass(frozen=True, slots=True)
class MessageKind:
    """A message as the standard's overview has it: priority, parameter group, sender, length in bytes, period in ms.

    ``length`` is None where it varies.
    """

    name: str
    priority: int
    group: int
    sender: int
    length: int | None
    period_ms: float

    @property
    def identifier(self) -> int:
        """The 29-bit identifier when it is sent as a single frame."""
        receiver = VEHICLE if self.sender == CHARGER else CHARGER
        return self.priority << 26 | self.group << 8 | receiver << 8 | self.sender


KINDS: Mapping[str, MessageKind] = {
    kind.name: kind
    for kind in (
        MessageKind("CHM", 6, 0x2600, CHARGER, 3, 250),
        MessageKind("BHM", 6, 0x2700, VEHICLE, 2, 250),
        MessageKind("CRM", 6, 0x0100, CHARGER, 8, 250),
        MessageKind("BRM", 7, 0x0200, VEHICLE, 49, 250),
        MessageKind("BCP", 7, 0x0600, VEHICLE, 13, 500),
        MessageKind("CTS", 6, 0x0700, CHARGER, 7, 500),
        MessageKind("CML", 6, 0x0800, CHARGER, 8, 250),
        MessageKind("BRO", 4, 0x0900, VEHICLE, 1, 250),
        MessageKind("CRO", 4, 0x0A00, CHARGER, 1, 250),
        MessageKind("BCL", 6, 0x1000, VEHICLE, 5, 50),
        MessageKind("BCS", 7, 0x1100, VEHICLE, 9, 250),
        MessageKind("CCS", 6, 0x1200, CHARGER, 7, 50),
        MessageKind("BSM", 6, 0x1300, VEHICLE, 7, 250),
        MessageKind("BMV", 7, 0x1500, VEHICLE, None, 10_000),
        MessageKind("BMT", 7, 0x1600, VEHICLE, None, 10_000),
        MessageKind("BSP", 7, 0x1700, VEHICLE, None, 10_000),
        MessageKind("BST", 4, 0x1900, VEHICLE, 4, 10),
        MessageKind("CST", 4, 0x1A00, CHARGER, 4, 10),
        MessageKind("BSD", 6, 0x1C00, VEHICLE, 7, 250),
        MessageKind("CSD", 6, 0x1D00, CHARGER, 8, 250),
        MessageKind("BEM", 2, 0x1E00, VEHICLE, 4, 250),
        MessageKind("CEM", 2, 0x1F00, CHARGER, 4, 250),
    )
}

_BY_GROUP = {(kind.sender, kind.group): kind for kind in KINDS.values()}


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of the recording. ``at_s`` counts from the beginning of the recording."""

    at_s: float
    identifier: int
    data: bytes

    @property
    def sender(self) -> int:
        """Source address."""
        return self.identifier & 0xFF

    @property
    def group(self) -> int:
        """Parameter group number; the destination is not part of it."""
        return self.identifier >> 8 & 0x3FF00

    @property
    def between_the_two(self) -> bool:
        """Whether it goes from the charger to the vehicle or back."""
        return self.identifier & 0xFFFF in (VEHICLE << 8 | CHARGER, CHARGER << 8 | VEHICLE)


@dataclass(frozen=True, slots=True)
class Seen:
    """A complete message. ``begun_s`` is the request to send of a transfer, otherwise the same as ``at_s``."""

    at_s: float
    begun_s: float
    name: str
    sign: str
    payload: bytes
    identifier: int
    by_transfer: bool

    @property
    def from_charger(self) -> bool:
        """Whether the charger has sent it."""
        return self.identifier & 0xFF == CHARGER


@dataclass(frozen=True, slots=True)
class Answer:
    """The charger's answer to a transfer of the vehicle: ``cts``, ``end`` or ``abort``, ``after_s`` its cause."""

    at_s: float
    kind: str
    name: str
    after_s: float


@dataclass(frozen=True, slots=True)
class Row:
    """The state of the pile at a time."""

    at_s: float
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stall:
    """The bench was late: what it stamped in the ``late_s`` before ``at_s`` may be too late by up to that."""

    at_s: float
    late_s: float


_LINE = re.compile(r"\((\d+\.\d+)\) \S+ ([0-9A-F]{8})#([0-9A-F]*)$")


def read_frames(lines: Iterable[str], begin_s: float) -> list[Frame]:
    """Frames with 29-bit identifiers of a candump file. A last line that is cut off is left out.

    ``begin_s`` is the wall time that becomes 0. Raises ValueError for a line that is no candump line.
    """
    frames = []
    for line in lines:
        if not line.endswith("\n"):
            continue
        found = _LINE.match(line.strip())
        if found is None:
            if re.match(r"\(\d+\.\d+\) \S+ [0-9A-F]{3}#", line):
                continue
            raise ValueError(f"not a line of candump -L: {line.strip()!r}")
        stamp, identifier, data = found.groups()
        frames.append(Frame(float(stamp) - begin_s, int(identifier, 16), bytes.fromhex(data)))
    return frames


def read_rows(path: Path, begin_s: float) -> tuple[list[Row], list[Stall]]:
    """The plant's file beside a recording: the state of the pile, and the delays of the bench."""
    rows: list[Row] = []
    stalls: list[Stall] = []
    for line in path.read_text(encoding="ascii").splitlines(keepends=True):
        if not line.endswith("\n"):
            continue
        values = json.loads(line)
        at_s = values.pop("t") - begin_s
        if "stall_ms" in values:
            stalls.append(Stall(at_s, values["stall_ms"] / 1000))
        else:
            rows.append(Row(at_s, values))
    return rows, stalls


def sign_of(name: str, payload: bytes) -> str:
    """CRM, CRO and BRO are distinguished by their first byte, for example ``CRM-AA``; all others are their name."""
    return f"{name}-{payload[0]:02X}" if name in ("CRM", "CRO", "BRO") and payload else name


@dataclass(slots=True)
class _Transfer:
    begun_s: float
    length: int
    packets: int
    group: int
    parts: dict[int, bytes]


class Listener:
    """Puts frames together to messages, as a third party on the wire. One transfer a direction at a time."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self._transfers: dict[int, dict[int, _Transfer]] = {CHARGER: {}, VEHICLE: {}}
        self._current: dict[int, int | None] = {CHARGER: None, VEHICLE: None}
        self._asked_s: dict[tuple[int, int], float] = {}

    def take(self, frame: Frame) -> Iterator[Seen]:
        """The messages that this frame completes."""
        if not frame.between_the_two:
            return
        format_ = frame.identifier >> 16 & 0xFF
        if format_ == _CONTROL:
            self._control(frame)
        elif format_ == _DATA:
            yield from self._data(frame)
        else:
            kind = _BY_GROUP.get((frame.sender, frame.group))
            if kind is not None:
                sign = sign_of(kind.name, frame.data)
                yield Seen(frame.at_s, frame.at_s, kind.name, sign, frame.data, frame.identifier, by_transfer=False)

    def _control(self, frame: Frame) -> None:
        data = frame.data
        if len(data) != 8:
            return
        group = int.from_bytes(data[5:8], "little")
        if data[0] == _RTS:
            length, packets = int.from_bytes(data[1:3], "little"), data[3]
            self._transfers[frame.sender][group] = _Transfer(frame.at_s, length, packets, group, {})
            self._asked_s[frame.sender, group] = frame.at_s
            return
        other = VEHICLE if frame.sender == CHARGER else CHARGER
        kind = _BY_GROUP.get((other, group))
        if data[0] == _CTS and data[1] > 0:
            self._current[other] = group
        if kind is None:
            return
        words = {_CTS: "cts", _END: "end", _ABORT: "abort"}
        if data[0] in words and frame.sender == CHARGER:
            asked_s = self._asked_s.get((other, group), frame.at_s)
            self.answers.append(Answer(frame.at_s, words[data[0]], kind.name, frame.at_s - asked_s))

    def _data(self, frame: Frame) -> Iterator[Seen]:
        group = self._current[frame.sender]
        transfer = self._transfers[frame.sender].get(group) if group is not None else None
        if transfer is None or len(frame.data) != 8:
            return
        transfer.parts[frame.data[0]] = frame.data[1:]
        if set(transfer.parts) != set(range(1, transfer.packets + 1)):
            return
        del self._transfers[frame.sender][transfer.group]
        kind = _BY_GROUP.get((frame.sender, transfer.group))
        if kind is not None:
            payload = b"".join(transfer.parts[number] for number in sorted(transfer.parts))[: transfer.length]
            yield Seen(frame.at_s, transfer.begun_s, kind.name, kind.name, payload, kind.identifier, by_transfer=True)
