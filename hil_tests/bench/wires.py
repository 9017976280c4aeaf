"""Simulated wires: RS-485 lines and CAN lines between ports that other processes open.

Bytes and frames take the time that they take on a real wire; cutting a wire loses what is on it.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from pathlib import Path

from drivers.can.frame import CanFrame
from hil_tests.bench.ptys import LineSettings, PtyPort
from hil_tests.bench.slcan import SlcanAdapter, encode_frame

# Bytes are handed on in portions of about this long, so that a receiver sees a frame arrive in pieces.
_PORTION_S = 0.01


class _Lane:
    """One direction of a serial line: hands bytes on at the pace of the baud rate."""

    def __init__(self, byte_time_s: float, deliver: Callable[[bytes], None]) -> None:
        self._byte_time_s = byte_time_s
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._free_at_s = 0.0
        self._portion = max(1, int(_PORTION_S / byte_time_s))

    def send(self, data: bytes) -> None:
        start_s = max(self._loop.time(), self._free_at_s)
        for offset in range(0, len(data), self._portion):
            piece = data[offset : offset + self._portion]
            start_s += len(piece) * self._byte_time_s
            self._loop.call_at(start_s, self._deliver, piece)
        self._free_at_s = start_s


class _Talk:
    """The bytes that one device is sending on a shared line."""

    def __init__(self, sender: object, start_s: float, data: bytes, byte_time_s: float) -> None:
        self.sender = sender
        self.start_s = start_s
        self.end_s = start_s + len(data) * byte_time_s
        self.data: list[int | None] = list(data)
        """None: swallowed by a collision."""


class _SharedLane:
    """The direction in which several devices send: each at the baud rate; two at once garble both."""

    def __init__(self, byte_time_s: float, deliver: Callable[[bytes], None], dice: random.Random) -> None:
        self._byte_time_s = byte_time_s
        self._deliver = deliver
        self._random = dice
        self._loop = asyncio.get_running_loop()
        self._portion = max(1, int(_PORTION_S / byte_time_s))
        self._talks: list[_Talk] = []
        self.collisions = 0

    def send(self, sender: object, data: bytes) -> None:
        now_s = self._loop.time()
        self._talks = [talk for talk in self._talks if talk.end_s > now_s]
        start_s = max([now_s, *(talk.end_s for talk in self._talks if talk.sender is sender)])
        talk = _Talk(sender, start_s, data, self._byte_time_s)
        for other in self._talks:
            if other.sender is not sender:
                self._collide(*sorted((other, talk), key=lambda each: each.start_s))
        self._talks.append(talk)
        for offset in range(0, len(data), self._portion):
            end = min(offset + self._portion, len(data))
            self._loop.call_at(start_s + end * self._byte_time_s, self._hand_on, talk, offset, end)

    def _collide(self, first: _Talk, second: _Talk) -> None:
        """While both send there is one garbled stream; the rest of each is intact."""
        ahead = (second.start_s - first.start_s) / self._byte_time_s
        overlap = min(len(first.data) - int(ahead), len(second.data))
        if overlap <= 0:
            return
        self.collisions += 1
        for index in range(overlap):
            first.data[int(ahead) + index] = self._random.randrange(256)
            second.data[index] = None

    def _hand_on(self, talk: _Talk, begin: int, end: int) -> None:
        data = bytes(byte for byte in talk.data[begin:end] if byte is not None)
        if data:
            self._deliver(data)


class SerialWire:
    """An RS-485 line: the agent's port on one side, any number of devices on the other.

    What the agent sends reaches every device; what a device sends reaches only the agent, because the simulated
    devices must not take each other's replies for requests. A byte is a start bit, 8 data bits, the parity bit
    unless ``parity`` is "N", and the stop bits. How the agent's port is set, ``opened``, is for the devices to look at.
    """

    def __init__(
        self,
        name: str,
        baud: int,
        link: Path,
        *,
        parity: str = "N",
        stop_bits: int = 1,
    ) -> None:
        self.name = name
        self.link = link
        self.baud = baud
        self.parity = parity
        self.stop_bits = stop_bits
        self.is_cut = False
        self.noise_per_mille = 0.0
        self._random = random.Random(name)
        self.byte_time_s = byte_time_s = (9.0 + stop_bits + (parity != "N")) / baud
        self._devices: list[PtyPort] = []
        self._listeners: list[Callable[[bytes], None]] = []
        self._agent = PtyPort(self._from_agent, link=link)
        self._to_devices = _Lane(byte_time_s, self._deliver_to_devices)
        self._to_agent = _SharedLane(byte_time_s, self._deliver_to_agent, self._random)

    @property
    def collisions(self) -> int:
        """How often two devices sent at the same time."""
        return self._to_agent.collisions

    def add_device_port(self, link: Path | None = None) -> str:
        """Another port on the device side; returns the path to open."""
        port = PtyPort(lambda data: self._to_agent.send(port, data), link=link)
        self._devices.append(port)
        self._listeners.append(port.write)
        return port.path

    def add_device(self, deliver: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """A device inside this process, which gets what the agent sends; returns its send function."""
        self._listeners.append(deliver)
        return lambda data: self._to_agent.send(deliver, data)

    def close(self) -> None:
        """Remove all ports of the wire."""
        for port in (self._agent, *self._devices):
            port.close()

    def opened(self) -> LineSettings:
        """How the agent's port is set."""
        return self._agent.settings()

    def _from_agent(self, data: bytes) -> None:
        self._to_devices.send(data)

    def _deliver_to_devices(self, data: bytes) -> None:
        if not self.is_cut:
            received = self._disturb(data)
            for deliver in self._listeners:
                deliver(received)

    def _deliver_to_agent(self, data: bytes) -> None:
        if not self.is_cut:
            self._agent.write(self._disturb(data))

    def _disturb(self, data: bytes) -> bytes:
        if self.noise_per_mille <= 0.0:
            return data
        chance = self.noise_per_mille / 1000.0
        return bytes(
            byte ^ (1 << self._random.randrange(8)) if self._random.random() < chance else byte for byte in data
        )


def frame_bits(frame: CanFrame) -> int:
    """Length of a data frame on the wire in bits, with inter-frame space and a typical share of stuff bits."""
    head = 67 if frame.extended else 47
    stuffed = (54 if frame.extended else 34) + 8 * len(frame.data)
    return head + 8 * len(frame.data) + stuffed // 12


class CanNode:
    """One participant of a CAN line: a simulated device inside the bench, or an slcan port."""

    def __init__(self, name: str, wire: "CanWire", deliver: Callable[[CanFrame], None]) -> None:
        self.name = name
        self.is_cut = False
        self.deliver = deliver
        self.waiting: deque[CanFrame] = deque()
        self.frames_sent = 0
        """Frames of this participant that were on the line."""
        self._wire = wire

    def send(self, frame: CanFrame) -> None:
        """Queue a frame; it goes out when the line is free and no lower identifier is waiting."""
        if not self.is_cut:
            self.waiting.append(frame)
            self._wire.frame_waiting()


class CanWire:
    """A CAN line: arbitration by identifier, frames as long as the bit rate makes them, no errors.

    ``identifier`` order decides who goes first when several nodes wait, as on the real bus.
    """

    def __init__(self, name: str, bitrate_bps: int) -> None:
        self.name = name
        self.bitrate_bps = bitrate_bps
        self._loop = asyncio.get_running_loop()
        self._nodes: list[CanNode] = []
        self._ports: list[PtyPort] = []
        self._taps: list[Callable[[CanFrame, float], None]] = []
        self.adapters: dict[str, SlcanAdapter] = {}
        """Adapters by the name of their port."""
        self._busy = False
        self._last_end_s = 0.0

    def add_tap(self, take: Callable[[CanFrame, float], None]) -> None:
        """A passive observer: gets each frame and the time of its end (monotonic s)."""
        self._taps.append(take)

    def add_listener(self, name: str, deliver: Callable[[CanFrame], None]) -> CanNode:
        """A participant inside the bench; ``deliver`` gets every frame of the other participants."""
        node = CanNode(name, self, deliver)
        self._nodes.append(node)
        return node

    def add_port(self, link: Path) -> CanNode:
        """An slcan port that another process opens under ``link``."""
        adapter = SlcanAdapter()

        def to_computer(frame: CanFrame) -> None:
            if adapter.is_open:
                port.write(encode_frame(frame))

        def from_computer(data: bytes) -> None:
            frames, reply = adapter.feed(data)
            for frame in frames:
                node.send(frame)
            port.write(reply)

        node = self.add_listener(link.name, to_computer)
        port = PtyPort(from_computer, adapter.hang_up, link)
        self.adapters[link.name] = adapter
        self._ports.append(port)
        return node

    def close(self) -> None:
        """Remove all ports of the line."""
        for port in self._ports:
            port.close()

    def frame_waiting(self) -> None:
        """A node has something to send: start if the line is free."""
        if not self._busy:
            self._start_next()

    def _start_next(self) -> None:
        waiting = [node for node in self._nodes if node.waiting]
        if not waiting:
            self._busy = False
            return
        # An 11-bit identifier competes with the upper 11 bits of a 29-bit one.
        sender = min(waiting, key=lambda node: _arbitration_key(node.waiting[0]))
        frame = sender.waiting.popleft()
        self._busy = True
        # Seamless after the previous frame even if this process was woken late.
        late_s = self._loop.time() - self._last_end_s
        start_s = self._last_end_s if late_s < _PORTION_S else self._loop.time()
        self._last_end_s = start_s + frame_bits(frame) / self.bitrate_bps
        self._loop.call_at(self._last_end_s, self._finish, sender, frame)

    def _finish(self, sender: CanNode, frame: CanFrame) -> None:
        if not sender.is_cut:
            for take in self._taps:
                take(frame, self._loop.time())
            sender.frames_sent += 1
            for node in self._nodes:
                if node is not sender and not node.is_cut:
                    node.deliver(frame)
        self._start_next()


def _arbitration_key(frame: CanFrame) -> tuple[int, int, int]:
    if frame.extended:
        return frame.identifier >> 18, 1, frame.identifier
    return frame.identifier, 0, 0
