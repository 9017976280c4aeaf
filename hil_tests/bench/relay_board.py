"""A relay and discrete-input board with the Waveshare RTU map, as pure logic.

Timed pulses: a write of N to 0x0200 + channel closes the relay for N x 100 ms, to 0x0400 + channel opens it for
N x 100 ms. The timer runs on the board itself. ASSUMPTION, to be proven on a real unit before it is relied on: writing
a pulse again while one runs restarts the board's timer (re-triggerable), so a periodic renewal holds the relay without
a gap and its end drops it. A plain write ends a running pulse at once.
"""

from collections.abc import Sequence

_ON, _OFF, _TOGGLE = 0xFF00, 0x0000, 0x5500
_ALL, _TOGGLE_ALL = 0x00FF, 0x01FF
_PULSE_ON, _PULSE_OFF = 0x0200, 0x0400
_PULSE_UNIT_S = 0.1


class RelayBoard:
    """Relays of one board; time comes in with every call, in monotonic seconds."""

    def __init__(self, channels: int = 8) -> None:
        self._closed = [False] * channels
        self._reverts_at_s: list[float | None] = [None] * channels

    @property
    def channels(self) -> int:
        """Number of relays."""
        return len(self._closed)

    def closed(self, now_s: float) -> tuple[bool, ...]:
        """State of all relays now."""
        for channel, due_s in enumerate(self._reverts_at_s):
            if due_s is not None and now_s >= due_s:
                self._closed[channel] = not self._closed[channel]
                self._reverts_at_s[channel] = None
        return tuple(self._closed)

    def write_single(self, address: int, value: int, now_s: float) -> bool:
        """Function 05; false if the board would answer with an exception (address or value unknown)."""
        self.closed(now_s)
        if _PULSE_ON <= address < _PULSE_ON + self.channels:
            return self._pulse(address - _PULSE_ON, True, value, now_s)
        if _PULSE_OFF <= address < _PULSE_OFF + self.channels:
            return self._pulse(address - _PULSE_OFF, False, value, now_s)
        if value not in (_ON, _OFF, _TOGGLE):
            return False
        if address in (_ALL, _TOGGLE_ALL):
            channels: Sequence[int] = range(self.channels)
        elif 0 <= address < self.channels:
            channels = (address,)
        else:
            return False
        for channel in channels:
            toggle = address == _TOGGLE_ALL or value == _TOGGLE
            self._set(channel, not self._closed[channel] if toggle else value == _ON)
        return True

    def write_many(self, address: int, states: Sequence[bool], now_s: float) -> bool:
        """Function 15; false if the range reaches past the last relay."""
        self.closed(now_s)
        if address < 0 or address + len(states) > self.channels:
            return False
        for channel, state in enumerate(states, start=address):
            self._set(channel, state)
        return True

    def _set(self, channel: int, state: bool) -> None:
        self._closed[channel] = state
        self._reverts_at_s[channel] = None

    def _pulse(self, channel: int, state: bool, hundred_ms: int, now_s: float) -> bool:
        if hundred_ms == 0:
            return False
        self._closed[channel] = state
        self._reverts_at_s[channel] = now_s + hundred_ms * _PULSE_UNIT_S
        return True
