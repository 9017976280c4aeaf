"""One line in the hands of an installer's command: ask, wait for the reply, measure how long it took.

The line's owner is that of the service (``drivers.line.owner``), so that what holds there holds here: no late reply
is taken for another's, no device is asked while the line is not silent.
"""

import select
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from drivers.line.exchange import Address, LineRequest, Result
from drivers.line.owner import DeviceTiming, LineOwner
from drivers.line.serial_port import SerialPort
from drivers.line.tcp_port import TCP, TcpPort, is_tcp, split_url
from drivers.modbus.tcp import MbapFraming

NETWORK_S = 0.3
"""Added to every time-out on a network: a gateway may first wait for its own line."""
_LONGEST_WAIT_S = 0.5
# A command sends a request when the person asks for it: no back-off between its tries.
_PERIOD_S = 0.001
_CONNECT_POLL_S = 0.02
# After so long no device answers any more; the owner's own figure.
_LATE_LIMIT_S = 2.0
# A Modbus exception; that of DL/T 645 is longer, which does not matter for the response time.
_REFUSAL_BYTES = 5


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How the port is set."""

    baud: int = 9600
    parity: str = "N"
    stop_bits: int = 1

    @property
    def bits_per_character(self) -> int:
        """Bits on the wire for one byte."""
        return 9 + self.stop_bits + (self.parity != "N")

    def __str__(self) -> str:
        return f"{self.baud} 8{self.parity}{self.stop_bits}"


class Port(Protocol):
    """What is needed of a port."""

    def fileno(self) -> int:
        """File descriptor to wait on."""

    def read(self) -> bytes:
        """All bytes that have arrived."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def close(self) -> None:
        """Give the port back."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request.

    ``latency_s`` is the time from the end of the request on the wire to the begin of the reply, None without reply.
    ``unasked_bytes`` are unsolicited bytes, before or after the reply.
    """

    result: Result
    latency_s: float | None
    unasked_bytes: int

    @property
    def ok(self) -> bool:
        """Whether the device did what was asked."""
        return self.result.ok

    @property
    def is_there(self) -> bool:
        """Whether a device answered, be it with a refusal."""
        return self.result.ok or self.result.exception_code is not None


class Bus:
    """A port with its owner, for one request at a time. Use it as a context manager.

    ``port`` is a serial port, ``tcp://address:port`` or ``rtu+tcp://address:port``. Raises PortError, from every
    method that touches the port.
    """

    def __init__(self, port: str, settings: LineSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = port
        self.settings = settings
        self.requests = 0
        self._clock = clock
        self._character_s = settings.bits_per_character / settings.baud
        self._timings: dict[Address, DeviceTiming] = {}
        self._unanswered: set[Address] = set()
        self._on_network = is_tcp(port)
        self._framed = self._on_network and split_url(port)[0] == TCP
        self._port: Port = self._open()
        self._master = LineOwner(
            settings.baud,
            settings.bits_per_character,
            framing=MbapFraming() if self._framed else None,
            network_s=NETWORK_S if self._on_network else 0.0,
        )

    def _open(self) -> Port:
        if not self._on_network:
            return SerialPort(self.path, self.settings.baud, self.settings.parity, self.settings.stop_bits)
        port = TcpPort(self.path, self._clock())
        while not port.is_ready(self._clock()):
            time.sleep(_CONNECT_POLL_S)
        return port

    def __enter__(self) -> "Bus":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the port back."""
        self._port.close()

    def ask(self, request: LineRequest, latency_s: float, gap_s: float = 0.0) -> Answer:
        """Send one request and wait for its outcome: ``latency_s`` for the reply to begin, after ``gap_s`` of silence.

        Raises PortError; ValueError if the protocol does not allow the request.
        """
        timing = DeviceTiming(latency_s, gap_s, _PERIOD_S)
        if self._timings.get(request.address) != timing:
            # The owner forgets what it knows of a device with other timing: nothing late may be on its way then.
            if request.address in self._unanswered:
                self.listen(_LATE_LIMIT_S)
            self._timings[request.address] = timing
            self._master.attach(request.address, timing)
        counters = self._master.counters[request.address]
        unasked = counters.late
        self.requests += 1
        self._master.submit(request, self._clock())
        sent_at_s, sent_bytes = 0.0, 0
        while True:
            now_s = self._clock()
            self._master.receive(self._port.read(), now_s)
            # A time-out becomes a result in poll.
            data = self._master.poll(now_s)
            results = self._master.results()
            if results:
                break
            if data:
                sent_at_s, sent_bytes = now_s, len(data)
                self._port.write(data)
            self._wait(now_s)
        result = results[-1]
        latency = None
        if result.ok or result.exception_code is not None:
            self._unanswered.discard(request.address)
        else:
            self._unanswered.add(request.address)
        if result.ok or result.exception_code is not None:
            reply = request.reply_bytes() if result.ok else _REFUSAL_BYTES
            on_wire_s = 0.0 if self._framed else (sent_bytes + reply) * self._character_s
            latency = max(0.0, result.at_s - sent_at_s - on_wire_s)
        return Answer(result, latency, counters.late - unasked)

    def listen(self, seconds: float) -> int:
        """Wait so long and return the number of unsolicited bytes."""
        end_s = self._clock() + seconds
        heard = 0
        while (now_s := self._clock()) < end_s:
            select.select([self._port], [], [], end_s - now_s)
            data = self._port.read()
            heard += len(data)
            self._master.receive(data, self._clock())
        return heard

    def patience_s(self, request: LineRequest, latency_s: float) -> float:
        """How long ``ask`` waits without an answer."""
        wire_s = (len(request.encode()) + request.reply_bytes()) * self._character_s
        return wire_s + latency_s + (NETWORK_S if self._on_network else 0.0)

    def _wait(self, now_s: float) -> None:
        due_s = self._master.next_due(now_s)
        wait_s = _LONGEST_WAIT_S if due_s is None else min(max(due_s - now_s, 0.0), _LONGEST_WAIT_S)
        select.select([self._port], [], [], wait_s)
