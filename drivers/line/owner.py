"""The owner of one line: which request is sent when, and which reply belongs to which request.

Sans-I/O: bytes and the time go in, bytes to write and results come out. Per wake-up the caller
first hands in what was received, then asks ``poll`` for what to write. What the bytes mean is the
request's own (``drivers.line.exchange``): Modbus and DL/T 645 may share a line.

Replies of both carry no number, so a late reply can look like the answer to the next request.
Four rules keep it from being taken for one: after a failure the line must fall silent before
anything is sent; unsolicited bytes are discarded; and a read with a reply that could still be
outstanding is not sent again until something that was sent later, with a reply of another shape,
was answered (devices answer in sequence), or until no device answers any more (``late_limit_s``). A
probe is sent if there is no other request. And after a reply, a request of the same device
with a reply of the same shape waits as long as a second copy of that reply would take. The echo of
a write is the same for each of two identical writes; states are confirmed by reading back.
"""

import bisect
from dataclasses import dataclass, field

from drivers.line.exchange import (
    ERROR_CHECKSUM,
    ERROR_EXCEPTION,
    ERROR_EXPIRED,
    ERROR_MISMATCHED,
    ERROR_PORT_LOST,
    ERROR_REPLACED,
    ERROR_TIMEOUT,
    Address,
    Framing,
    LineRequest,
    Match,
    Result,
)
from drivers.line.use import LineUse

SWITCH_OFF_PRIORITY = 0
# A queue that always serves the higher priority first starves the lower one as soon as the line is full, and a slow
# board fills it: so a request goes by the time at which its patience ends, and its wait is bounded.
_PATIENCE_S = (0.0, 0.0, 0.05, 0.2)
_FRAME_GAP_CHARACTERS = 3.5
# Serial line guide V1.02 clause 2.5.1.1: above 19200 baud the gap is fixed at 1.75 ms.
_LEAST_FRAME_GAP_S = 0.00175
# Scheduling of the computer and the packet timer of USB adapters (16 ms) come on top of any reply time.
_HOST_ALLOWANCE_S = 0.02
# A fast device that was silent for a moment (a restart, a disturbance) must be heard again before its values are
# stale: so long after the first failure the pause stays short.
_BRIEF_OUTAGE_S = 1.0
_BRIEF_PAUSE_S = 0.1
# After that its pause follows the length of the outage, which bounds the delay until it is polled again.
_OUTAGE_SHARE = 0.25
# Gateway path unavailable, target does not respond (application protocol V1.1b3 clause 7): that device is dead.
_GATEWAY_EXCEPTIONS = frozenset({0x0A, 0x0B})
# A meter that missed one poll may have been disturbed; after two in a row it counts as silent.
SILENT_AFTER_FAILURES = 2
# Twice the longest frame: room for one late reply before the awaited one.
_LARGEST_BUFFER_BYTES = 512


@dataclass(slots=True)
class Counters:
    """What happened with one device. ``late`` counts bytes that arrived outside a request."""

    ok: int = 0
    timeouts: int = 0
    crc: int = 0
    exceptions: int = 0
    mismatched: int = 0
    late: int = 0
    expired: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counters as a dictionary, keyed by field."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class DeviceTiming:
    """How patient to be with one device, in seconds.

    ``latency_s``: longest time from the end of a request to the begin of the reply.
    ``minimum_gap_s``: silence the device needs between a reply and the next request to it.
    ``period_s``: its shortest poll period; the first retry after a failure waits that long.
    """

    latency_s: float = 0.2
    minimum_gap_s: float = 0.0
    period_s: float = 1.0


@dataclass(frozen=True, slots=True)
class _Unanswered:
    """A request to which a reply may still come."""

    sent_at_s: float
    reply: bytes
    exception: bytes


@dataclass(slots=True)
class _DeviceState:
    timing: DeviceTiming
    failures: int = 0
    failing_since_s: float = 0.0
    backoff_until_s: float = 0.0
    ready_s: float = 0.0
    urgent_ready_s: float = 0.0
    copy_shape: bytes = b""
    copy_until_s: float = 0.0
    """Until then a second copy of the last reply may still be coming in."""
    unanswered: list[_Unanswered] = field(default_factory=list)
    """In the order in which they were asked."""


@dataclass(slots=True)
class _Queued:
    request: LineRequest
    order: int
    due_s: float
    """Who is due earliest goes first; switching off is always due."""
    expires_at_s: float

    def key(self) -> tuple[float, int]:
        return self.due_s, self.order


@dataclass(slots=True)
class _InFlight:
    request: LineRequest
    frame: bytes
    sent_at_s: float
    deadline_s: float
    is_probe: bool
    buffer: bytearray = field(default_factory=bytearray)
    verdict: Match = Match.NOTHING
    last_byte_s: float | None = None
    received: int = 0
    echo_looked_for: bool = False


class LineOwner:
    """Bus owner of one line.

    ``baud`` and ``bits_per_character`` (10 for 8N1, 11 with parity or two stop bits) give the time on the wire.
    ``drain_s`` is the silence required after a failure, ``backoff_maximum_s`` the longest pause before a device
    that does not answer is tried again, ``late_limit_s`` the time after which no device answers any more. The
    defaults are this project's own; the slowest device of the shipped set answers within 1.5 s.

    ``framing`` is for a stream with numbered frames (Modbus TCP): late replies are detected by their number, so
    neither silence nor probes are needed; ``network_s`` is then added to every time-out, and baud and bits are those
    of the line behind the gateway.

    Adapters for two wires hand back what is sent. The owner notices it by a read that comes back as it went, and takes
    the echo away from then on: else the echo of a write would pass for its confirmation. ``echoes`` shows it.
    """

    def __init__(
        self,
        baud: int,
        bits_per_character: int = 10,
        *,
        drain_s: float = 0.03,
        backoff_maximum_s: float = 5.0,
        late_limit_s: float = 2.0,
        framing: Framing | None = None,
        network_s: float = 0.0,
    ) -> None:
        if baud <= 0 or bits_per_character <= 0:
            raise ValueError("baud and bits_per_character must be positive")
        self._character_s = bits_per_character / baud
        self._framing = framing
        self._allowance_s = _HOST_ALLOWANCE_S + network_s
        if framing is None:
            self._urgent_gap_s = _FRAME_GAP_CHARACTERS * self._character_s
            self._frame_gap_s = max(self._urgent_gap_s, _LEAST_FRAME_GAP_S)
            self._drain_s = max(drain_s, self._frame_gap_s)
        else:
            self._urgent_gap_s = self._frame_gap_s = self._drain_s = 0.0
        # A line that never falls silent must not keep an output from being switched off.
        self._drain_limit_s = 5 * self._drain_s
        self._backoff_maximum_s = backoff_maximum_s
        self._late_limit_s = late_limit_s
        self._devices: dict[Address, _DeviceState] = {}
        self._queue: list[_Queued] = []
        self._results: list[Result] = []
        self._order = 0
        self._in_flight: _InFlight | None = None
        self._silent_from_s = 0.0
        self._urgent_from_s = 0.0
        self._drain_begin_s: float | None = None
        self._last_address: Address = 0
        # Since when a read that was dropped unsent has been waiting: asked for again, it keeps its place. Else a line
        # that is too full would always drop the same ones.
        self._waiting_since_s: dict[tuple[Address, str], float] = {}
        self.counters: dict[Address, Counters] = {}
        self.use = LineUse()
        self.echoes = False
        self.last_reply_s: float | None = None

    def attach(self, address: Address, timing: DeviceTiming) -> None:
        """State the timing of the device at ``address``; others get the defaults of ``DeviceTiming``."""
        self._devices[address] = _DeviceState(timing)
        self.counters.setdefault(address, Counters())

    def submit(self, request: LineRequest, now_s: float) -> None:
        """Queue a request. Raises ValueError if it is not legal Modbus."""
        request.encode()
        if request.tag and not request.is_read:
            self._replace(request, now_s)
        self._order += 1
        due_s = now_s + _PATIENCE_S[min(request.priority, len(_PATIENCE_S) - 1)]
        if request.is_read and self._waiting_since_s:
            due_s = self._waiting_since_s.pop((request.address, request.tag), due_s)
        if request.priority <= SWITCH_OFF_PRIORITY:
            due_s = float("-inf")
        entry = _Queued(request, self._order, due_s, now_s + request.lifetime_s)
        bisect.insort(self._queue, entry, key=_Queued.key)

    def failing_since_s(self, address: Address) -> float | None:
        """Time of the first of the failures in a row of a device that counts as silent, None while it answers."""
        device = self._device(address)
        return device.failing_since_s if device.failures >= SILENT_AFTER_FAILURES else None

    @property
    def idle(self) -> bool:
        """Nothing is queued, in flight or waiting to be fetched."""
        return not (self._queue or self._results or self._in_flight)

    @property
    def waiting(self) -> bool:
        """Something is queued and the line is not waiting for a reply."""
        return bool(self._queue) and self._in_flight is None

    @property
    def has_results(self) -> bool:
        """Whether ``results`` would return something."""
        return bool(self._results)

    def results(self) -> list[Result]:
        """Results since the last call, oldest first."""
        results, self._results = self._results, []
        return results

    def receive(self, data: bytes, now_s: float) -> None:
        """Take received bytes. Never raises, for any bytes."""
        if not data:
            return
        flight = self._in_flight
        if flight is None:
            self._discard(len(data), now_s)
            return
        flight.last_byte_s = now_s
        flight.received += len(data)
        flight.buffer += data
        surplus = len(flight.buffer) - _LARGEST_BUFFER_BYTES
        if surplus > 0:
            del flight.buffer[:surplus]
        if not flight.echo_looked_for and len(flight.buffer) >= len(flight.frame):
            flight.echo_looked_for = True
            self._take_echo(flight)
        request = flight.request
        received = bytes(flight.buffer)
        framing = self._framing
        found = request.find_reply(received) if framing is None else framing.find_reply(received, request)
        flight.verdict = found.match
        if found.match is Match.REPLY:
            rest = len(received) - found.end
            self._answered(flight, found.frame, now_s)
            if found.foreign_frames:
                self._counters(request.address).mismatched += found.foreign_frames
            if found.late_bytes:
                self._counters(request.address).late += found.late_bytes
            if rest:
                self._discard(rest, now_s)

    def _take_echo(self, flight: _InFlight) -> None:
        """The echo of an adapter is no reply. A write may have a reply like it: only reads teach that there is one."""
        if self._framing is not None:
            return
        if not flight.buffer.startswith(flight.frame):
            if flight.request.is_read:
                self.echoes = False
            return
        if flight.request.is_read:
            self.echoes = True
        if self.echoes:
            del flight.buffer[: len(flight.frame)]

    def poll(self, now_s: float) -> bytes:
        """Time-outs, then the bytes to write now (empty if nothing is to be sent)."""
        flight = self._in_flight
        if flight is not None:
            if now_s < self._given_up_at_s(flight):
                return b""
            self._failed(flight, now_s)
        self._drop_expired(now_s)
        for index, entry in enumerate(self._queue):
            if self._ready_at_s(entry) <= now_s:
                return self._send(index, now_s)
        return b""

    def next_due(self, now_s: float) -> float | None:
        """Time at which ``poll`` has something to do, or None while nothing is queued."""
        if self._in_flight is not None:
            return self._given_up_at_s(self._in_flight)
        if not self._queue:
            return None
        return max(now_s, min(min(self._ready_at_s(entry), entry.expires_at_s) for entry in self._queue))

    def reset(self, now_s: float) -> None:
        """The port was lost: give up everything, so that nothing old is sent on the new one."""
        if self._in_flight is not None:
            if not self._in_flight.is_probe:
                self._finish(self._in_flight.request, ERROR_PORT_LOST, now_s)
            self._mark_suspect(self._in_flight)
            self._in_flight = None
        for entry in self._queue:
            self._finish(entry.request, ERROR_PORT_LOST, now_s)
        self._queue.clear()
        self._begin_drain(now_s)

    def _device(self, address: Address) -> _DeviceState:
        state = self._devices.get(address)
        if state is None:
            state = self._devices[address] = _DeviceState(DeviceTiming())
        return state

    def _counters(self, address: Address) -> Counters:
        return self.counters.setdefault(address, Counters())

    def _finish(self, request: LineRequest, error: str, now_s: float) -> None:
        self._results.append(Result(request, error=error, at_s=now_s))

    def _replace(self, request: LineRequest, now_s: float) -> None:
        kept = []
        for entry in self._queue:
            old = entry.request
            if old.tag == request.tag and old.address == request.address and not old.is_read:
                self._finish(old, ERROR_REPLACED, now_s)
            else:
                kept.append(entry)
        self._queue = kept

    def _drop_expired(self, now_s: float) -> None:
        if all(now_s < entry.expires_at_s for entry in self._queue):
            return
        kept = []
        for entry in self._queue:
            if now_s < entry.expires_at_s:
                kept.append(entry)
            else:
                self._counters(entry.request.address).expired += 1
                if entry.request.is_read:
                    self._waiting_since_s[entry.request.address, entry.request.tag] = entry.due_s
                self._finish(entry.request, ERROR_EXPIRED, now_s)
        self._queue = kept

    def _discard(self, count: int, now_s: float) -> None:
        self._counters(self._last_address).late += count
        if self._drain_begin_s is None:
            self._drain_begin_s = now_s
        self._silent_from_s = self._urgent_from_s = now_s + self._drain_s

    def _begin_drain(self, now_s: float) -> None:
        self._drain_begin_s = now_s
        self._silent_from_s = self._urgent_from_s = now_s + self._drain_s

    def _given_up_at_s(self, flight: _InFlight) -> float:
        """The deadline; earlier if a damaged reply came and the line fell silent after it."""
        if flight.last_byte_s is None or flight.verdict is not Match.BAD_CHECKSUM:
            return flight.deadline_s
        return min(flight.deadline_s, flight.last_byte_s + self._drain_s)

    def _ready_at_s(self, entry: _Queued) -> float:
        device = self._device(entry.request.address)
        if entry.request.priority <= SWITCH_OFF_PRIORITY:
            # The 1.75 ms above 19200 baud are a recommendation that spares slow receivers; 3.5 characters are the
            # rule. Switching off takes the rule: were it missed, the repetition and the board's own timer follow.
            line_s = self._urgent_from_s
            if self._drain_begin_s is not None:
                line_s = min(line_s, self._drain_begin_s + self._drain_limit_s)
            ready_s = max(line_s, device.urgent_ready_s)
        else:
            ready_s = max(self._silent_from_s, device.ready_s, device.backoff_until_s)
        if ready_s < device.copy_until_s and entry.request.is_read and entry.request.reply_shape() == device.copy_shape:
            ready_s = device.copy_until_s
        if not device.unanswered:
            return ready_s
        last = self._last_alike(entry.request, device)
        if last < 0 or self._probe(entry.request, device, last) is not None:
            return ready_s
        return max(ready_s, device.unanswered[last].sent_at_s + self._late_limit_s)

    @staticmethod
    def _last_alike(request: LineRequest, device: _DeviceState) -> int:
        """Index of the last unanswered request with a reply that could pass for that of ``request``, -1 if none."""
        if not request.is_read:
            return -1
        shape = request.reply_shape()
        alike = [place for place, entry in enumerate(device.unanswered) if entry.reply == shape]
        return alike[-1] if alike else -1

    @staticmethod
    def _probe(request: LineRequest, device: _DeviceState, last: int) -> LineRequest | None:
        """A read with a reply that proves, even for an earlier probe, that ``unanswered[last]`` is answered or lost.

        A device may be silent to what it does not know: what it left unanswered twice is asked last.
        """
        shapes = [entry.reply for entry in device.unanswered]
        useless = set(shapes[: last + 1])
        twice = {shape for shape in shapes if shapes.count(shape) > 1}
        return request.probe(useless | twice) or request.probe(useless)

    def _send(self, index: int, now_s: float) -> bytes:
        request = self._queue[index].request
        device = self._device(request.address)
        probe = None
        if device.unanswered:
            device.unanswered = [e for e in device.unanswered if now_s < e.sent_at_s + self._late_limit_s]
            last = self._last_alike(request, device)
            if last >= 0:
                probe = self._probe(request, device, last)
        if probe is None:
            del self._queue[index]
        sent = probe or request
        frame = sent.encode() if self._framing is None else self._framing.wrap(sent)
        wire_s = (len(frame) + sent.reply_bytes()) * self._character_s
        deadline_s = now_s + wire_s + 2 * self._frame_gap_s + device.timing.latency_s + self._allowance_s
        self._in_flight = _InFlight(sent, frame, now_s, deadline_s, is_probe=probe is not None)
        self._last_address = request.address
        self._drain_begin_s = None
        return frame

    def _account(self, flight: _InFlight, now_s: float) -> None:
        wire_s = (len(flight.frame) + flight.received) * self._character_s
        self.use.add(now_s, wire_s, now_s - flight.sent_at_s)

    def _answered(self, flight: _InFlight, frame: bytes, now_s: float) -> None:
        self._in_flight = None
        self._account(flight, now_s)
        self.last_reply_s = now_s
        request = flight.request
        device = self._device(request.address)
        counters = self._counters(request.address)
        code = request.exception_code(frame)
        if code in _GATEWAY_EXCEPTIONS and self._framing is not None:
            self._back_off(device, now_s)
        else:
            device.failures = 0
            device.backoff_until_s = 0.0
        device.ready_s = now_s + max(device.timing.minimum_gap_s, self._frame_gap_s)
        device.urgent_ready_s = now_s + max(device.timing.minimum_gap_s, self._urgent_gap_s)
        self._silent_from_s = now_s + self._frame_gap_s
        self._urgent_from_s = now_s + self._urgent_gap_s
        if self._framing is None and request.is_read:
            # A device, a repeater or a reflection may send a reply twice: the copy must not meet a request like it.
            device.copy_shape = request.reply_shape()
            device.copy_until_s = now_s + flight.received * self._character_s + self._frame_gap_s
        if device.unanswered:
            self._vouch(flight, device, request.exception_shape() if code is not None else request.reply_shape())
        if code is not None:
            counters.exceptions += 1
            if not flight.is_probe:
                self._results.append(Result(request, error=ERROR_EXCEPTION, at_s=now_s, exception_code=code))
            return
        counters.ok += 1
        if not flight.is_probe:
            self._results.append(request.result(frame, now_s))

    def _vouch(self, flight: _InFlight, device: _DeviceState, shape: bytes) -> None:
        """A device answers in sequence: every request before the answered one is answered or lost.

        A reply that may belong to an earlier request proves it only up to that one, and its own may still come.
        """
        for place, entry in enumerate(device.unanswered):
            if shape in (entry.reply, entry.exception):
                del device.unanswered[: place + 1]
                self._mark_suspect(flight)
                return
        device.unanswered.clear()

    def _failed(self, flight: _InFlight, now_s: float) -> None:
        self._in_flight = None
        self._account(flight, now_s)
        request = flight.request
        counters = self._counters(request.address)
        if flight.verdict is Match.BAD_CHECKSUM:
            error = ERROR_CHECKSUM
            counters.crc += 1
        elif flight.verdict is Match.FOREIGN:
            error = ERROR_MISMATCHED
            counters.mismatched += 1
        else:
            error = ERROR_TIMEOUT
            counters.timeouts += 1
        counters.late += len(flight.buffer)
        self._mark_suspect(flight)
        self._back_off(self._device(request.address), now_s)
        self._begin_drain(now_s)
        if not flight.is_probe:
            self._finish(request, error, now_s)

    def _mark_suspect(self, flight: _InFlight) -> None:
        if self._framing is not None:
            return
        request = flight.request
        entry = _Unanswered(flight.sent_at_s, request.reply_shape(), request.exception_shape())
        self._device(request.address).unanswered.append(entry)

    def _back_off(self, device: _DeviceState, now_s: float) -> None:
        if not device.failures:
            device.failing_since_s = now_s
        device.failures += 1
        period_s = device.timing.period_s
        pause_s = period_s * 2.0 ** min(device.failures - 1, 16)
        if period_s < _BRIEF_PAUSE_S:
            outage_s = now_s - device.failing_since_s
            pause_s = min(pause_s, _BRIEF_PAUSE_S if outage_s < _BRIEF_OUTAGE_S else _OUTAGE_SHARE * outage_s)
        device.backoff_until_s = now_s + min(pause_s, self._backoff_maximum_s)


__all__ = [
    "ERROR_CHECKSUM",
    "ERROR_EXCEPTION",
    "ERROR_EXPIRED",
    "ERROR_MISMATCHED",
    "ERROR_PORT_LOST",
    "ERROR_REPLACED",
    "ERROR_TIMEOUT",
    "Counters",
    "DeviceTiming",
    "LineOwner",
    "Result",
]
