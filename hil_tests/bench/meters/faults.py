"""What can be wrong with a meter or its line: each fault turns a sound reply into what is sent instead.

Faults of the values (frozen, jump, ...) are those of the meter itself, see ``hil_tests.bench.meters.model``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from pymodbus.constants import ExcCodes
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse, ReadInputRegistersResponse

from hil_tests.bench.meters.slave import READ_HOLDING, READ_INPUT, Encoder


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: meaning, default and limits of its amount."""

    meaning: str
    default: float
    minimum: float
    maximum: float
    serial_only: bool = False


KINDS = {
    "silent": Kind("does not answer", 0, 0, 0),
    "slow": Kind("answers so many seconds later", 0.1, 0, 60),
    "late": Kind("answers after so many seconds, after the time-out", 0.6, 0, 60),
    "twice": Kind("answers again after so many seconds", 0.0, 0, 60),
    "short": Kind("answers with so many registers (or bytes of DL/T 645 data) too few", 1, 1, 124),
    "exception": Kind("answers with this exception code", ExcCodes.DEVICE_BUSY, 1, 11),
    "function": Kind("answers with the other read function (a wrong control code over DL/T 645)", 0, 0, 0),
    "unit": Kind("answers with an address so much higher", 1, 1, 200),
    "crc": Kind("answers with a wrong checksum", 0, 0, 0, serial_only=True),
    "cut": Kind("sends only so many bytes of its answer", 5, 1, 300),
    "junk": Kind("sends so many random bytes before its answer", 3, 1, 300),
    "noise": Kind("flips a bit in so many of a thousand bytes", 20, 0, 1000),
}
"""Faults of replies, in the order in which they are applied when several are in force."""


class UnknownFaultError(Exception):
    """There is no such fault, or not in that amount; the text lists the valid ones."""


@dataclass(slots=True)
class Fault:
    """One fault in force. ``left`` replies are still to be spoiled; None: all. ``per_mille`` of them are."""

    kind: str
    amount: float
    left: int | None = None
    per_mille: float = 1000.0


@dataclass(frozen=True, slots=True)
class Sending:
    """Bytes that go out ``after_s`` seconds after the meter would have answered."""

    after_s: float
    data: bytes


@dataclass(slots=True)
class Faults:
    """The faults of one meter. ``spoiled`` counts, by kind, the replies that a fault has changed."""

    seed: int = 0
    active: list[Fault] = field(default_factory=list)
    spoiled: dict[str, int] = field(default_factory=dict)
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)

    def add(self, kind: str, amount: float | None = None, left: int | None = None, per_mille: float = 1000.0) -> Fault:
        """Put a fault in force; one of the same kind is replaced. Raises UnknownFaultError."""
        known = KINDS.get(kind)
        if known is None:
            raise UnknownFaultError(f"there is no fault {kind}; there are {', '.join(KINDS)}")
        value = known.default if amount is None else amount
        if not known.minimum <= value <= known.maximum:
            raise UnknownFaultError(f"{kind}: {value:g} is not within {known.minimum:g} to {known.maximum:g}")
        self.clear(kind)
        fault = Fault(kind, value, left, per_mille)
        self.active.append(fault)
        return fault

    def clear(self, kind: str | None = None) -> None:
        """Take back one kind, or all."""
        self.active = [fault for fault in self.active if kind is not None and fault.kind != kind]

    def take(self) -> dict[str, float]:
        """The faults that the next reply has, with their amounts, in the order of ``KINDS``; counts them."""
        chosen: dict[str, float] = {}
        for fault in list(self.active):
            if fault.per_mille < 1000.0 and self.random.random() * 1000.0 >= fault.per_mille:
                continue
            if fault.left is not None:
                fault.left -= 1
                if fault.left <= 0:
                    self.active.remove(fault)
            chosen[fault.kind] = fault.amount
            self.spoiled[fault.kind] = self.spoiled.get(fault.kind, 0) + 1
        return {kind: chosen[kind] for kind in KINDS if kind in chosen}

    def sendings(self, reply: ModbusPDU, encode: Encoder) -> list[Sending]:
        """What is sent instead of ``reply``."""
        faults = self.take()
        frame = encode(_spoiled_message(reply, faults))
        return self.spoiled_frame(frame, faults)

    def spoiled_frame(self, frame: bytes, faults: dict[str, float]) -> list[Sending]:
        """What the faults make of a frame, whatever protocol it belongs to."""
        if "silent" in faults:
            return []
        if "crc" in faults:
            frame = frame[:-2] + bytes((frame[-2] ^ 0x5A, frame[-1]))
        if "cut" in faults:
            frame = frame[: int(faults["cut"])]
        if "junk" in faults:
            frame = self.random.randbytes(int(faults["junk"])) + frame
        if "noise" in faults:
            frame = self._noisy(frame, faults["noise"])
        after_s = faults.get("slow", 0.0) + faults.get("late", 0.0)
        sendings = [Sending(after_s, frame)]
        if "twice" in faults:
            sendings.append(Sending(after_s + faults["twice"], frame))
        return sendings

    def _noisy(self, frame: bytes, per_mille: float) -> bytes:
        chance = per_mille / 1000.0
        return bytes(
            byte ^ (1 << self.random.randrange(8)) if self.random.random() < chance else byte for byte in frame
        )


def _spoiled_message(reply: ModbusPDU, faults: dict[str, float]) -> ModbusPDU:
    spoiled = reply
    if "exception" in faults:
        spoiled = ExceptionResponse(reply.function_code & 0x7F, int(faults["exception"]))
    elif reply.function_code in (READ_HOLDING, READ_INPUT):
        registers = list(reply.registers)
        if "short" in faults:
            registers = registers[: max(0, len(registers) - int(faults["short"]))]
        spoiled = _read_reply(reply.function_code, registers, swapped="function" in faults)
    spoiled.dev_id = (reply.dev_id + int(faults.get("unit", 0))) & 0xFF
    spoiled.transaction_id = reply.transaction_id
    return spoiled


def _read_reply(function: int, registers: Sequence[int], *, swapped: bool) -> ModbusPDU:
    if (function == READ_HOLDING) != swapped:
        return ReadHoldingRegistersResponse(registers=list(registers))
    return ReadInputRegistersResponse(registers=list(registers))
