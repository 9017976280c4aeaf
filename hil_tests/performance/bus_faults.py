"""Replies with faults, in virtual time: how often the bus owner takes a wrong value for a right one (never).

Four Modbus meters and one DL/T 645 meter on one line. Every value carries the number of the request that it answers, so
an old value is as wrong as a damaged one. Devices answer in sequence and within 2 s, or not at all; all else happens
to their replies.
"""

import heapq
import random
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.dlt645 import request as dlt645
from drivers.dlt645.frame import Frame, encode_frame, find_frames
from drivers.dlt645.values import decode_bcd, encode_bcd
from drivers.line.exchange import Address, LineRequest, Result
from drivers.line.owner import DeviceTiming, LineOwner
from drivers.modbus import codec
from drivers.modbus.codec import Request

BAUD = 9600
_CHARACTER_S = 11 / BAUD
_LATENCY_S = 0.1
_USUAL_S = 0.01
_LATE_S = (0.15, 1.5)
_NO_LATER_S = 1.99
"""The owner's own limit: no device answers after 2 s."""
_MODBUS = (1, 2, 3, 4)
_NUMBER = "000000000161"
_BLOCKS = ((0x00, 8), (0x40, 8), (0x80, 4), (0x0810, 8))
_ITEMS = ((0x00010000, 4), (0x00020000, 4), (0x02800002, 4))
_FAULT_SHARE = 0.4

Reply = Callable[["Disturber", bytes, bytes], list[tuple[float, bytes]]]
"""Takes the request and the sound reply; gives pieces of what arrives, each with its delay in seconds."""


def _crc(body: bytes) -> bytes:
    return body + codec.checksum(body)


def _modbus(data: bytes) -> bool:
    return data[0] in _MODBUS


class Disturber:
    """The faults, keyed by name. ``random`` decides the effect of each in a single case."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.is_behind = False
        """Whether the device still has earlier requests to answer."""

    def silent(self, _request: bytes, _reply: bytes) -> list[tuple[float, bytes]]:
        return []

    def slow(self, _request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        return [(self.random.uniform(0.05, 0.095), reply)]

    def late(self, _request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        return [(self.random.uniform(*_LATE_S), reply)]

    def twice(self, _request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        return [(_USUAL_S, reply), (0.0, reply)]

    def late_and_twice(self, _request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        return [(self.random.uniform(*_LATE_S), reply), (0.0, reply)]

    def in_pieces(self, _request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        cut = self.random.randrange(1, len(reply))
        return [(_USUAL_S, reply[:cut]), (self.random.uniform(0.0, 0.04), reply[cut:])]

    def cut_off(self, _request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        return [(_USUAL_S, reply[: self.random.randrange(1, len(reply))])]

    def head_lost(self, _request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        return [(_USUAL_S, reply[self.random.randrange(1, len(reply)) :])]

    def short(self, _request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        return [(_USUAL_S, self._resized(reply, -1))]

    def long(self, _request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        return [(_USUAL_S, self._resized(reply, 1))]

    def _resized(self, reply: bytes, by: int) -> bytes:
        if _modbus(reply):
            data = reply[3:-2] + b"\x00\x00" if by > 0 else reply[3:-4]
            return _crc(reply[:2] + bytes((len(data),)) + data)
        [frame] = find_frames(reply)
        return encode_frame(Frame(frame.address, frame.control, frame.data + b"\x00" if by > 0 else frame.data[:-1]))

    def other_function(self, _request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        if _modbus(reply):
            return [(_USUAL_S, _crc(reply[:1] + bytes((self.random.choice((1, 2, 4, 6)),)) + reply[2:-2]))]
        [frame] = find_frames(reply)
        control = self.random.choice((0x81, 0x92, 0x94, 0x11))
        return [(_USUAL_S, encode_frame(Frame(frame.address, control, frame.data)))]

    def other_slave(self, _request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        if _modbus(reply):
            # Late and under the address of another is two devices with one address: no master can detect that.
            choice = (5, 17) if self.is_behind else (*_MODBUS, 5, 17)
            address = self.random.choice([a for a in choice if a != reply[0]])
            return [(_USUAL_S, _crc(bytes((address,)) + reply[1:-2]))]
        [frame] = find_frames(reply)
        return [(_USUAL_S, encode_frame(Frame("000000000162", frame.control, frame.data)))]

    def two_devices(self, request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        """Another device answers too, first."""
        return [*self.other_slave(request, reply), (0.005, reply)]

    def junk_before(self, _request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        return [(_USUAL_S, self.random.randbytes(self.random.randrange(1, 12)) + reply)]

    def junk_after(self, _request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        return [(_USUAL_S, reply), (0.0, self.random.randbytes(self.random.randrange(1, 12)))]

    def junk_only(self, _request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        return [(_USUAL_S, self.random.randbytes(len(reply)))]

    def echo(self, request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        return [(0.001, request), (_USUAL_S, reply)]

    def echo_only(self, request: bytes, _reply: bytes) -> list[tuple[float, bytes]]:
        return [(0.001, request)]

    def bit_errors(self, _request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        """One to three wrong bits: what CRC-16 always finds. The parity of an 8E1 line finds it for DL/T 645."""
        damaged = bytearray(reply)
        for _ in range(self.random.randrange(1, 4)):
            bit = self.random.randrange(8 * len(reply))
            damaged[bit // 8] ^= 1 << bit % 8
        return [(_USUAL_S, self._received(reply, damaged))]

    def burst(self, _request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        """Wrong bits within 16 in a row."""
        damaged = bytearray(reply)
        first = self.random.randrange(8 * len(reply) - 16)
        for bit in range(first, first + 16):
            if self.random.random() < 0.5:
                damaged[bit // 8] ^= 1 << bit % 8
        return [(_USUAL_S, self._received(reply, damaged))]

    def heavy_noise(self, _request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        """Three to eight random bytes in a row."""
        damaged = bytearray(reply)
        length = self.random.randrange(3, min(9, len(reply)))
        first = self.random.randrange(len(reply) - length + 1)
        damaged[first : first + length] = self.random.randbytes(length)
        return [(_USUAL_S, self._received(reply, damaged))]

    @staticmethod
    def _received(sent: bytes, damaged: bytearray) -> bytes:
        """With DL/T 645 the line has even parity, and the port hands a character with wrong parity on as 0."""
        if _modbus(sent):
            return bytes(damaged)
        pairs = zip(sent, damaged, strict=True)
        return bytes(0 if (right ^ wrong).bit_count() % 2 else wrong for right, wrong in pairs)

    def exception(self, request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        return [(_USUAL_S, self._refusal(request, reply))]

    def late_exception(self, request: bytes, reply: bytes) -> list[tuple[float, bytes]]:
        return [(self.random.uniform(*_LATE_S), self._refusal(request, reply))]

    def _refusal(self, request: bytes, reply: bytes) -> bytes:
        if _modbus(reply):
            return _crc(bytes((request[0], request[1] | 0x80, self.random.choice((1, 2, 3, 4, 6)))))
        [frame] = find_frames(reply)
        return encode_frame(Frame(frame.address, 0xD1, b"\x02"))


FAULTS: dict[str, Reply] = {
    name.replace("_", " "): function
    for name, function in vars(Disturber).items()
    if callable(function) and not name.startswith("_")
}


_SHAPE_FAULTS = frozenset({"short", "long", "other function"})
"""Not while a device is behind: a late reply with a length that is requested only later cannot be detected."""


@dataclass(slots=True)
class Outcome:
    """What came of a run. ``wrong`` must be 0; ``rejected`` counts requests that gave no value."""

    replies: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    wrong: int = 0
    wrong_after: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)


class FaultRun:
    """One line, driven from event to event."""

    def __init__(self, seed: int) -> None:
        self.outcome = Outcome()
        self._disturber = Disturber(seed)
        self._random = random.Random(seed + 1)
        self._names = list(FAULTS)
        self._punctual = [name for name in FAULTS if name not in _SHAPE_FAULTS]
        self._master = LineOwner(BAUD, 11, backoff_maximum_s=0.2)
        for address in (*_MODBUS, _NUMBER):
            self._master.attach(address, DeviceTiming(_LATENCY_S, 0.0, 0.02))
        self._pending: list[tuple[float, int, bytes]] = []
        self._order = 0
        self._serial: dict[Address, int] = dict.fromkeys((*_MODBUS, _NUMBER), 0)
        self._free_at_s: dict[Address, float] = dict.fromkeys((*_MODBUS, _NUMBER), 0.0)
        self._last_fault: dict[Address, str] = {}
        self._now_s = 0.0

    def run(self, replies: int) -> Outcome:
        """Until so many replies have been sent, sound or not."""
        master = self._master
        while self.outcome.replies < replies:
            if not master.waiting and master.idle:
                for _ in range(3):
                    master.submit(self._request(), self._now_s)
            data = master.poll(self._now_s)
            if data:
                self._answer(data)
            due_s = master.next_due(self._now_s)
            arrival_s = self._pending[0][0] if self._pending else float("inf")
            next_s = min(arrival_s, float("inf") if due_s is None else due_s)
            if next_s < float("inf"):
                self._now_s = max(self._now_s + 1e-6, next_s)
            while self._pending and self._pending[0][0] <= self._now_s:
                master.receive(heapq.heappop(self._pending)[2], self._now_s)
            for result in master.results():
                self._judge(result)
        return self.outcome

    def _request(self) -> LineRequest:
        address = self._random.choice((*_MODBUS, _NUMBER))
        if isinstance(address, str):
            identifier, length = self._random.choice(_ITEMS)
            others = tuple(item for item in _ITEMS if item[0] != identifier)
            return dlt645.Request(address, identifier, length, others=others, lifetime_s=5.0)
        register, count = self._random.choice(_BLOCKS)
        return Request(address, 3, register, count, priority=2, lifetime_s=5.0)

    def _answer(self, data: bytes) -> None:
        if _modbus(data):
            address: Address = data[0]
            function, register, count = struct.unpack(">BHH", data[1:6])
            serial = self._count(address)
            values = [serial >> 16 & 0xFFFF, serial & 0xFFFF, *range(register + 2, register + count)][:count]
            body = bytes((data[0], function, 2 * count)) + struct.pack(f">{count}H", *values)
            reply = _crc(body)
        else:
            [frame] = find_frames(data)
            address = frame.address
            length = dict(_ITEMS).get(int.from_bytes(frame.data, "little"), 6)
            value = encode_bcd(self._count(address) % 10 ** (2 * length), length)
            reply = encode_frame(Frame(address, 0x91, frame.data + value))
        name = ""
        pieces = [(_USUAL_S, reply)]
        if self._random.random() < _FAULT_SHARE:
            self._disturber.is_behind = self._free_at_s[address] > self._now_s
            name = self._random.choice(self._punctual if self._disturber.is_behind else self._names)
            pieces = FAULTS[name](self._disturber, data, reply)
            self.outcome.faults[name] += 1
        self._last_fault[address] = name
        self.outcome.replies += 1
        begin_s = at_s = self._now_s + len(data) * _CHARACTER_S
        for delay_s, piece in pieces:
            # Devices answer in sequence; an echo is the adapter's and does not wait for the device.
            if piece is not data:
                at_s = max(at_s, self._free_at_s[address])
            at_s += delay_s + len(piece) * _CHARACTER_S
            if piece is data:
                at_s = begin_s
            elif at_s > self._now_s + _NO_LATER_S:
                break
            self._order += 1
            heapq.heappush(self._pending, (at_s, self._order, piece))
            if piece is not data:
                self._free_at_s[address] = at_s

    def _count(self, address: Address) -> int:
        self._serial[address] += 1
        return self._serial[address]

    def _judge(self, result: Result) -> None:
        if result.error is not None:
            self.outcome.rejected[result.error] += 1
            return
        request = result.request
        if not isinstance(request, Request) and decode_bcd(result.data) is None:
            # The sum of DL/T 645 lets one of 256 through; what a parity error left is no decimal digit: no reading.
            self.outcome.rejected["no number"] += 1
            return
        self.outcome.accepted += 1
        serial = self._serial[request.address]
        if isinstance(request, Request):
            begin = (serial >> 16 & 0xFFFF, serial & 0xFFFF)
            right = result.registers == (*begin, *range(request.register + 2, request.register + request.count))
        else:
            right = decode_bcd(result.data) == serial % 10 ** (2 * len(result.data))
        if not right:
            self.outcome.wrong += 1
            self.outcome.wrong_after[self._last_fault[request.address]] += 1
