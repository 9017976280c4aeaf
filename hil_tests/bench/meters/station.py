"""Where meters are: on a serial line at its pace, or behind a Modbus TCP port."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pymodbus.constants import ExcCodes
from pymodbus.pdu import ExceptionResponse, ModbusPDU

from hil_tests.bench.meters import dlt645
from hil_tests.bench.meters.dlt645 import IdentifierModel
from hil_tests.bench.meters.faults import Faults, Sending
from hil_tests.bench.meters.model import MeterModel
from hil_tests.bench.meters.slave import BROADCAST, RtuRequests, TcpRequests, answer, rtu_frame, tcp_frame
from hil_tests.bench.ptys import LineSettings
from hil_tests.bench.wires import SerialWire

_READ_SIZE = 4096


Model = TypeVar("Model", bound=MeterModel | IdentifierModel, covariant=True)


@dataclass(slots=True)
class BenchMeter(Generic[Model]):
    """One meter with its faults.

    ``latency_s`` is the time from the end of a request to the begin of the reply, up to ``jitter_s`` longer. A request
    that begins sooner than ``needs_gap_s`` after its last reply is not heard. ``served`` counts answered requests.
    """

    model: Model
    faults: Faults = field(default_factory=Faults)
    latency_s: float = 0.005
    jitter_s: float = 0.0
    needs_gap_s: float = 0.0
    served: int = 0
    ignored: int = 0

    def delay_s(self) -> float:
        """How long it takes to think this time."""
        return self.latency_s + (self.faults.random.uniform(0.0, self.jitter_s) if self.jitter_s else 0.0)


class RtuStation:
    """A Modbus meter on a serial line.

    With ``checks_settings`` it hears nothing while the agent's port is set otherwise than the meter is.
    """

    def __init__(self, wire: SerialWire, meter: BenchMeter[MeterModel], *, checks_settings: bool = False) -> None:
        self._meter = meter
        self._wire = wire if checks_settings else None
        meter.model.settings.join(wire.baud, f"8{wire.parity}{wire.stop_bits}")
        self._requests = RtuRequests()
        self._loop = asyncio.get_running_loop()
        self._byte_time_s = wire.byte_time_s
        self._deaf_until_s = float("-inf")
        self._speak = wire.add_device(self._hear)

    def _hear(self, data: bytes) -> None:
        if self._wire is not None:
            opened, active = self._wire.opened(), self._meter.model.settings.active
            if (str(opened.baud), f"8{opened.parity}{opened.stop_bits}") != (active["baud"], active["frame"]):
                return
        for request in self._requests.feed(data):
            if request.dev_id == BROADCAST:
                answer(self._meter.model, request)
            elif request.dev_id == self._meter.model.address:
                self._take(request)

    def _take(self, request: ModbusPDU) -> None:
        meter, now_s = self._meter, self._loop.time()
        if now_s - len(rtu_frame(request)) * self._byte_time_s < self._deaf_until_s:
            meter.ignored += 1
            return
        sendings = meter.faults.sendings(answer(meter.model, request), rtu_frame)
        meter.served += 1
        delay_s = meter.delay_s()
        for sending in sendings:
            at_s = now_s + delay_s + sending.after_s
            self._loop.call_at(at_s, self._speak, sending.data)
            self._deaf_until_s = at_s + len(sending.data) * self._byte_time_s + meter.needs_gap_s


class DltStation:
    """A DL/T 645 meter on a serial line. ``checks_settings``: see ``RtuStation``."""

    def __init__(self, wire: SerialWire, meter: BenchMeter[IdentifierModel], *, checks_settings: bool = False) -> None:
        self._meter = meter
        self._wire = wire if checks_settings else None
        self._own = LineSettings(wire.baud, wire.parity, wire.stop_bits)
        self._requests = dlt645.Requests()
        self._loop = asyncio.get_running_loop()
        self._speak = wire.add_device(self._hear)

    def _hear(self, data: bytes) -> None:
        if self._wire is not None and self._wire.opened() != self._own:
            return
        meter = self._meter
        for frame in self._requests.feed(data):
            if not frame.control & dlt645.REPLY_BIT and meter.model.hears(frame.address):
                meter.served += 1
                at_s = self._loop.time() + meter.delay_s()
                for sending in dlt645.sendings(meter.faults, meter.model.answer(frame)):
                    self._loop.call_at(at_s + sending.after_s, self._speak, sending.data)


class TcpStation:
    """A port on which the meters of one gateway answer, each to its unit number."""

    def __init__(self, meters: list[BenchMeter[MeterModel]]) -> None:
        self._meters = meters
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> None:
        """Listen; port 0 takes any free one. Raises OSError."""
        self._server = await asyncio.start_server(self._serve, host, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and all connections."""
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task: asyncio.Task[None] = asyncio.current_task()  # type: ignore[assignment]  # a server's handler is a task
        self._tasks.add(task)
        loop = asyncio.get_running_loop()
        requests = TcpRequests()

        def send(data: bytes) -> None:
            if not writer.is_closing():
                writer.write(data)

        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while data := await reader.read(_READ_SIZE):
                for request in requests.feed(data):
                    for sending in self._sendings(request):
                        loop.call_later(sending.after_s, send, sending.data)
        self._tasks.discard(task)
        writer.close()

    def _sendings(self, request: ModbusPDU) -> list[Sending]:
        for meter in self._meters:
            if meter.model.address == request.dev_id:
                meter.served += 1
                delay_s = meter.delay_s()
                sendings = meter.faults.sendings(answer(meter.model, request), tcp_frame)
                return [Sending(delay_s + sending.after_s, sending.data) for sending in sendings]
        reply = ExceptionResponse(request.function_code, ExcCodes.GATEWAY_NO_RESPONSE)
        reply.dev_id, reply.transaction_id = request.dev_id, request.transaction_id
        return [Sending(0.0, tcp_frame(reply))]
