"""Modbus RTU frames: building a request, and finding its one reply in the received bytes.

PDUs and checksum are pymodbus'. What it leaves open is decided here: a reply counts only if
address, function code, byte count (or echo) and checksum all fit the request that was sent.
Clauses: Modbus application protocol V1.1b3 clause 6, Modbus over serial line V1.02 clause 2.5.
"""

from collections.abc import Set
from functools import lru_cache

import msgspec
from pymodbus.framer.rtu import FramerRTU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadCoilsResponse,
    ReadDiscreteInputsRequest,
    ReadDiscreteInputsResponse,
    WriteMultipleCoilsRequest,
)
from pymodbus.pdu.pdu import ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteSingleRegisterRequest,
)

from drivers.line.exchange import Found, Match, Result

READ_COILS = 1
READ_DISCRETE_INPUTS = 2
READ_HOLDING_REGISTERS = 3
READ_INPUT_REGISTERS = 4
WRITE_COIL = 5
WRITE_REGISTER = 6
WRITE_COILS = 15
WRITE_REGISTERS = 16

COIL_ON = 0xFF00
COIL_OFF = 0x0000

_BIT_READS = frozenset({READ_COILS, READ_DISCRETE_INPUTS})
_REGISTER_READS = frozenset({READ_HOLDING_REGISTERS, READ_INPUT_REGISTERS})
_READS = _BIT_READS | _REGISTER_READS
_WRITES = frozenset({WRITE_COIL, WRITE_REGISTER, WRITE_COILS, WRITE_REGISTERS})
_EXCEPTION = 0x80
_EXCEPTION_FRAME_BYTES = 5
_WRITE_REPLY_BYTES = 8
_READ_OVERHEAD_BYTES = 5
_LARGEST_ADDRESS = 247
_SIBLINGS = {READ_COILS: READ_DISCRETE_INPUTS, READ_DISCRETE_INPUTS: READ_COILS}
_SIBLINGS |= {READ_HOLDING_REGISTERS: READ_INPUT_REGISTERS, READ_INPUT_REGISTERS: READ_HOLDING_REGISTERS}


class Request(msgspec.Struct, frozen=True, gc=False):
    """One request to one device.

    ``register`` is the address as sent on the wire (0-based). Reads use ``count``; writes use
    ``values``: one value for function 5 and 6, 0 or 1 for each coil of function 15, one value per
    register for function 16. Function 5 sends its value as it is (0xFF00 on, 0x0000 off; some
    boards take a duration there).

    ``priority`` 0 is for switching an output off (first in the queue, tried even while the device
    is in back-off), 1 for fast inputs and renewals, 2 for the meter, 3 for the rest. A request that
    could not be sent within ``lifetime_s`` seconds after it was submitted is dropped, never sent
    late. A write with a ``tag`` replaces a queued write with the same address and tag.
    """

    address: int
    function: int
    register: int
    count: int = 0
    values: tuple[int, ...] = ()
    priority: int = 1
    tag: str = ""
    lifetime_s: float = 1.0

    @property
    def is_read(self) -> bool:
        """Whether the request only reads."""
        return self.function in _READS

    def encode(self) -> bytes:
        """See ``drivers.line.exchange.LineRequest``, also for what follows."""
        return encode(self)

    def reply_bytes(self) -> int:
        """Length of the normal reply."""
        return reply_bytes(self)

    def find_reply(self, data: bytes) -> Found:
        """Look for the reply."""
        return find_reply(data, self)

    def reply_shape(self) -> bytes:
        """Function and length of a read, function and echo of a write."""
        return reply_shape(self)

    def exception_shape(self) -> bytes:
        """The function of a refusal."""
        return exception_shape(self)

    def exception_code(self, frame: bytes) -> int | None:
        """The code of a refusal."""
        return exception_code(frame)

    def probe(self, outstanding: Set[bytes]) -> "Request | None":
        """A read of another length or function."""
        return probe(self, outstanding)

    def result(self, frame: bytes, at_s: float) -> Result:
        """Registers or bits."""
        registers, bits = decode(frame, self)
        return Result(self, registers, bits, at_s=at_s)


class _WriteCoilValueRequest(WriteSingleRegisterRequest):
    """Function 5 with any 16-bit value; pymodbus' own class knows only on and off."""

    function_code = WRITE_COIL


def checksum(data: bytes) -> bytes:
    """The two checksum bytes of a frame, in wire order."""
    return FramerRTU.compute_CRC(data).to_bytes(2, "big")


def _request_pdu(request: Request) -> ModbusPDU:
    function = request.function
    if function == READ_COILS:
        return ReadCoilsRequest(address=request.register, count=request.count)
    if function == READ_DISCRETE_INPUTS:
        return ReadDiscreteInputsRequest(address=request.register, count=request.count)
    if function == READ_HOLDING_REGISTERS:
        return ReadHoldingRegistersRequest(address=request.register, count=request.count)
    if function == READ_INPUT_REGISTERS:
        return ReadInputRegistersRequest(address=request.register, count=request.count)
    if function == WRITE_COIL:
        return _WriteCoilValueRequest(address=request.register, registers=list(request.values))
    if function == WRITE_REGISTER:
        return WriteSingleRegisterRequest(address=request.register, registers=list(request.values))
    if function == WRITE_COILS:
        return WriteMultipleCoilsRequest(address=request.register, bits=[bool(v) for v in request.values])
    return WriteMultipleRegistersRequest(address=request.register, registers=list(request.values))


def _check(request: Request) -> None:
    if not 1 <= request.address <= _LARGEST_ADDRESS:
        raise ValueError(f"address {request.address} is not within 1..{_LARGEST_ADDRESS}")
    if request.function not in _READS | _WRITES:
        raise ValueError(f"function {request.function} is not supported")
    if request.function in (WRITE_COIL, WRITE_REGISTER) and len(request.values) != 1:
        raise ValueError(f"function {request.function} takes exactly one value, not {len(request.values)}")
    if any(not 0 <= value <= 0xFFFF for value in request.values):
        raise ValueError(f"values {request.values} are not all within 0..65535")


@lru_cache(maxsize=256)
def encode(request: Request) -> bytes:
    """The frame of ``request``. Raises ValueError if the request is not legal Modbus."""
    _check(request)
    pdu = _request_pdu(request)
    frame = bytes((request.address, request.function)) + pdu.encode()
    return frame + checksum(frame)


def reply_bytes(request: Request) -> int:
    """Length of the normal reply, in bytes."""
    if request.function in _BIT_READS:
        return _READ_OVERHEAD_BYTES + (request.count + 7) // 8
    if request.function in _REGISTER_READS:
        return _READ_OVERHEAD_BYTES + 2 * request.count
    return _WRITE_REPLY_BYTES


def reply_shape(request: Request) -> bytes:
    """The leading bytes that every normal reply to ``request`` has and that alone distinguish it from others.

    Two requests of one device with the same shape cannot be distinguished by their replies.
    """
    if request.is_read:
        return bytes((request.function, reply_bytes(request) - _READ_OVERHEAD_BYTES))
    return encode(request)[1:6]


def exception_shape(request: Request) -> bytes:
    """The leading byte of an exception reply to ``request``."""
    return bytes((request.function | _EXCEPTION,))


def _frame_bytes(data: bytes, start: int) -> int:
    """Length of the reply frame that would begin at ``start``; 0 if none can, -1 with too few bytes to decide."""
    if not 1 <= data[start] <= _LARGEST_ADDRESS:
        return 0
    if len(data) - start < 2:
        return -1
    function = data[start + 1]
    if function in _WRITES:
        return _WRITE_REPLY_BYTES
    if function & _EXCEPTION:
        return _EXCEPTION_FRAME_BYTES if function & 0x7F in _READS | _WRITES else 0
    if function not in _READS:
        return 0
    if len(data) - start < 3:
        return -1
    return _READ_OVERHEAD_BYTES + data[start + 2]


def find_reply(data: bytes, request: Request) -> Found:
    """Look for the reply to ``request`` in everything that was received since it was sent.

    Bytes before the frame are skipped, sound frames of other devices or of another shape as well.
    A reply that comes after the possible beginning of a longer frame counts too: it has to fit in
    address, function, length and checksum, which junk does once in 2 to the power of 40.
    """
    shape = reply_shape(request)
    exception = exception_shape(request)
    foreign = 0
    bad = False
    start = 0
    while start < len(data):
        length = _frame_bytes(data, start)
        end = start + length
        if length <= 0 or end > len(data):
            start += 1
            continue
        frame = data[start:end]
        ours = frame[0] == request.address and (frame[1:].startswith(shape) or frame[1:2] == exception)
        if checksum(frame[:-2]) != frame[-2:]:
            bad = bad or ours
            start += 1
            continue
        if ours:
            return Found(Match.REPLY, frame, end, foreign)
        foreign += 1
        start = end
    match = Match.BAD_CHECKSUM if bad else Match.FOREIGN if foreign else Match.NOTHING
    return Found(match, foreign_frames=foreign)


def exception_code(frame: bytes) -> int | None:
    """The exception code of a reply frame, or None if the frame is a normal reply."""
    return frame[2] if frame[1] & _EXCEPTION else None


def decode(frame: bytes, request: Request) -> tuple[tuple[int, ...], tuple[bool, ...]]:
    """Registers and bits of a normal reply frame that ``find_reply`` found (both empty for a write)."""
    body = frame[2:-2]
    if request.function in _REGISTER_READS:
        registers = (
            ReadHoldingRegistersResponse()
            if request.function == READ_HOLDING_REGISTERS
            else ReadInputRegistersResponse()
        )
        registers.decode(body)
        return tuple(registers.registers), ()
    if request.function in _BIT_READS:
        bits = ReadCoilsResponse() if request.function == READ_COILS else ReadDiscreteInputsResponse()
        bits.decode(body)
        return (), tuple(bits.bits[: request.count])
    return (), ()


def probe(request: Request, outstanding: Set[bytes]) -> Request | None:
    """A harmless read with a reply that cannot pass for any outstanding one, or None if there is none.

    Reads that the device knows come first; to the others it answers with an exception, which proves as much.
    """
    same, other = request.function, _SIBLINGS[request.function]
    if same in _BIT_READS:
        candidates = [(other, 1), (same, 1), (3, 1), (4, 1), (3, 2), (4, 2)]
    else:
        candidates = [(same, 1), (same, 2), (same, 3), (other, 1), (other, 2)]
    for function, count in candidates:
        candidate = Request(request.address, function, request.register, count, priority=request.priority)
        if reply_shape(candidate) not in outstanding:
            return candidate
    return None


__all__ = ["Found", "Match", "Request", "checksum", "decode", "encode", "exception_code", "find_reply", "reply_bytes"]
