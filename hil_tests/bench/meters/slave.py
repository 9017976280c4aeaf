"""The slave's half of Modbus, sans-I/O: requests are found among bytes, and a device answers them.

Frames and messages are pymodbus'. Its server is not used here: a reply that comes late, twice or short cannot be had
from it, and one event loop must carry sixteen meters at the pace of the wire.
"""

from collections.abc import Callable
from typing import Protocol

from pymodbus.constants import ExcCodes
from pymodbus.exceptions import ModbusException
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersResponse,
    ReadInputRegistersResponse,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterResponse,
)

READ_HOLDING, READ_INPUT, WRITE_SINGLE, WRITE_MULTIPLE = 3, 4, 6, 16
BROADCAST = 0

_REQUESTS = DecodePDU(is_server=True)
_RTU = FramerRTU(_REQUESTS)
_SOCKET = FramerSocket(_REQUESTS)
_LARGEST_BUFFER = 600
_LARGEST_TCP_BUFFER = 4096

Encoder = Callable[[ModbusPDU], bytes]


def rtu_frame(message: ModbusPDU) -> bytes:
    """A message as it goes on a serial line."""
    return _RTU.buildFrame(message)


def tcp_frame(message: ModbusPDU) -> bytes:
    """A message as it goes into a connection."""
    return _SOCKET.buildFrame(message)


class Slave(Protocol):
    """A device at one address."""

    address: int

    def read(self, function: int, start: int, count: int) -> list[int] | ExcCodes:
        """Registers, or why not."""

    def write(self, function: int, start: int, values: list[int]) -> ExcCodes | None:
        """Take registers; returns why not."""


class RtuRequests:
    """Finds requests in the bytes from the line, with any bytes before them."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[ModbusPDU]:
        """The requests that are complete with ``data``."""
        self._buffer = (self._buffer + data)[-_LARGEST_BUFFER:]
        found = []
        start = 0
        while start <= len(self._buffer) - FramerRTU.MIN_SIZE:
            end = self._frame_end(start)
            message = None if end is None else _decoded(self._buffer[start + 1 : end - 2])
            if end is None or message is None:
                start += 1
                continue
            message.dev_id = self._buffer[start]
            found.append(message)
            self._buffer = self._buffer[end:]
            start = 0
        return found

    def _frame_end(self, start: int) -> int | None:
        data = self._buffer[start:]
        kind = _REQUESTS.lookupPduClass(data)
        if kind is None or kind is ExceptionResponse:
            return None
        try:
            size = kind.calculateRtuFrameSize(data)
        except (ModbusException, IndexError, NotImplementedError):
            return None
        if not FramerRTU.MIN_SIZE <= size <= len(data):
            return None
        crc = int.from_bytes(data[size - 2 : size], "big")
        return start + size if FramerRTU.check_CRC(data[: size - 2], crc) else None


class TcpRequests:
    """Finds requests in what comes from a connection."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[ModbusPDU]:
        """The requests that are complete with ``data``. What is no Modbus is dropped."""
        self._buffer += data
        found = []
        while len(self._buffer) >= FramerSocket.MIN_SIZE:
            used, unit, transaction, body = _SOCKET.decode(self._buffer)
            if not used:
                if len(self._buffer) > _LARGEST_TCP_BUFFER or self._buffer[2:4] != b"\0\0":
                    self._buffer = b""
                break
            self._buffer = self._buffer[used:]
            message = _decoded(body)
            if message is not None:
                message.dev_id, message.transaction_id = unit, transaction
                found.append(message)
        return found


def _decoded(body: bytes) -> ModbusPDU | None:
    try:
        return _REQUESTS.decode(body)
    except (ModbusException, IndexError):
        return None


def answer(slave: Slave, request: ModbusPDU) -> ModbusPDU:
    """The reply of the device at the address of ``request``."""
    function = request.function_code
    reply: ModbusPDU
    if function in (READ_HOLDING, READ_INPUT):
        registers = slave.read(function, request.address, request.count)
        if isinstance(registers, ExcCodes):
            reply = ExceptionResponse(function, registers)
        elif function == READ_HOLDING:
            reply = ReadHoldingRegistersResponse(registers=registers)
        else:
            reply = ReadInputRegistersResponse(registers=registers)
    elif function in (WRITE_SINGLE, WRITE_MULTIPLE):
        refused = slave.write(function, request.address, list(request.registers))
        if refused is not None:
            reply = ExceptionResponse(function, refused)
        elif function == WRITE_SINGLE:
            reply = WriteSingleRegisterResponse(address=request.address, registers=list(request.registers))
        else:
            reply = WriteMultipleRegistersResponse(address=request.address, count=len(request.registers))
    else:
        reply = ExceptionResponse(function, ExcCodes.ILLEGAL_FUNCTION)
    reply.dev_id, reply.transaction_id = request.dev_id, request.transaction_id
    return reply
