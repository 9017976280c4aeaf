"""CAN lines of the field process: opened again when they are lost or bus-off, with the state of the bus beside."""

import logging
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from agent.field.lines import Line
from drivers.can.frame import CanFrame
from drivers.can.port import CanPort, open_can_port
from drivers.can.state import BusState, CanCounters
from drivers.errors import PortError

_LOG = logging.getLogger(__name__)

BUS_OFF_PAUSE_S = 1.0
"""Pause before a port that is bus-off is opened again. Own: ISO 11898-1 allows to come back after 128 x 11 bits (6 ms);
the other participants get time for themselves first."""


class ReadingPort(Protocol):
    """What a CAN line asks of a port, be it one that sends or one that only listens."""

    counters: CanCounters

    @property
    def restarts_by_opening(self) -> bool:
        """See CanPort."""

    @property
    def state(self) -> BusState:
        """See CanPort."""

    def is_ready(self, now_s: float) -> bool:
        """See CanPort."""

    def fileno(self) -> int:
        """See CanPort."""

    def receive(self, now_s: float) -> list[CanFrame]:
        """See CanPort."""

    def tick(self, now_s: float) -> None:
        """See CanPort."""

    def close(self) -> None:
        """See CanPort."""


_NO_REPORT_S = 3.0
"""Own: a port that was opened again and reports nothing for so long is taken as "unknown", not as bus-off any more."""

P = TypeVar("P", bound=ReadingPort)


class AnyCanLine(Line, Generic[P]):
    """What all CAN lines have: open, read, follow the state of the bus.

    A port that is lost right after it was opened is reported once per cause. A port that is bus-off, with a
    controller that only comes back by opening it again, is closed and opened after ``BUS_OFF_PAUSE_S``; a kernel
    interface restarts by its ``restart-ms``.
    """

    def __init__(self, name: str, interface: str, channel: str, bitrate_bps: int) -> None:
        super().__init__(name, channel)
        self._interface, self._bitrate_bps = interface, bitrate_bps
        self._port: P | None = None
        self._opening: P | None = None
        self._bus_off = False
        self._opened_at_s = float("-inf")
        self._last_loss = ""
        self.bus_off_count = 0
        self.frames_in = 0

    @property
    def bus_state(self) -> BusState:
        """Error state of the controller; it stays "off" until the bus is heard again or reported as better."""
        state = BusState.UNKNOWN if self._port is None else self._port.state
        return BusState.OFF if self._bus_off and state is BusState.UNKNOWN else state

    def fileno(self) -> int:
        """See Line."""
        return -1 if self._port is None else self._port.fileno()

    def try_open(self, now_s: float) -> bool:
        """See Line; an open port is given its regular call instead."""
        port = self._port
        if port is not None:
            try:
                port.tick(now_s)
            except PortError as error:
                self.lost(error, now_s)
                return False
            self._follow_state(port, now_s)
            return False
        return super().try_open(now_s)

    def _new_port(self) -> P:
        """Begin to open the port. Raises PortError."""
        raise NotImplementedError

    def _open(self, now_s: float) -> bool:
        try:
            if self._opening is None:
                self._opening = self._new_port()
            if not self._opening.is_ready(now_s):
                self._retry_at_s = now_s
                return False
        except PortError:
            self._drop_attempt()
            raise
        self._port, self._opening = self._opening, None
        self._opened_at_s = now_s
        return True

    def _drop_attempt(self) -> None:
        if self._opening is not None:
            self._opening.close()
            self._opening = None

    def lost(self, error: PortError, now_s: float) -> None:
        """See Line; logged once per cause until frames have come."""
        if str(error) != self._last_loss:
            _LOG.error("line %s: %s", self.name, error)
        self._last_loss = str(error)
        self.close(now_s)
        self.trouble = str(error)

    def close(self, now_s: float) -> None:
        """See Line."""
        self._drop_attempt()
        if self._port is not None:
            self._port.close()
            self._port = None

    def read(self, now_s: float) -> list[CanFrame]:
        """Frames that have arrived."""
        port = self._port
        if port is None:
            return []
        try:
            frames = port.receive(now_s)
        except PortError as error:
            self.lost(error, now_s)
            return []
        if frames:
            self.frames_in += len(frames)
            self._bus_off = False
            self._last_loss = ""
        self._follow_state(port, now_s)
        return frames

    def _follow_state(self, port: P, now_s: float) -> None:
        state = port.state
        if state is BusState.OFF:
            if not self._bus_off:
                self._bus_off = True
                self.bus_off_count += 1
                _LOG.error("line %s: bus-off; check wires, termination and bit rate", self.name)
            if port.restarts_by_opening:
                self.close(now_s)
                self.trouble = "bus-off"
                self._retry_at_s = now_s + BUS_OFF_PAUSE_S
        elif state is not BusState.UNKNOWN or now_s - self._opened_at_s > _NO_REPORT_S:
            self._bus_off = False

    def status(self, now_s: float) -> dict[str, object]:
        """Counters and the state of the bus."""
        counters = CanCounters() if self._port is None else self._port.counters
        return {
            "port": self.where,
            "trouble": self.trouble,
            "opened": self.opened,
            "frames_in": self.frames_in,
            "bus_state": self.bus_state.value,
            "bus_off": self.bus_off_count,
            "error_frames": counters.error_frames,
            "junk": counters.junk,
            "expired": counters.expired,
            "overruns": counters.overruns,
        }


class CanLine(AnyCanLine[CanPort]):
    """One CAN line on which the pile takes part."""

    def __init__(self, name: str, interface: str, channel: str, bitrate_bps: int) -> None:
        super().__init__(name, interface, channel, bitrate_bps)
        self.frames_out = 0
        self.frames_refused = 0

    def _new_port(self) -> CanPort:
        return open_can_port(self._interface, self.where, self._bitrate_bps)

    def write(self, frames: Sequence[CanFrame], now_s: float) -> None:
        """Send frames; what the adapter does not take is counted and left to the protocol's repetition."""
        if self._port is None:
            return
        try:
            for frame in frames:
                if self._port.send(frame):
                    self.frames_out += 1
                else:
                    self.frames_refused += 1
        except PortError as error:
            self.lost(error, now_s)

    def status(self, now_s: float) -> dict[str, object]:
        """See AnyCanLine."""
        return {
            **super().status(now_s),
            "frames_out": self.frames_out,
            "frames_refused": self.frames_refused,
        }
