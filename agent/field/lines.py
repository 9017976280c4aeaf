"""The wires of the field process: each line owns its port, opens it again when it is lost, and never waits."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from drivers.errors import PortError
from drivers.line.device import Device
from drivers.line.exchange import Address
from drivers.line.owner import LineOwner
from drivers.line.serial_port import SerialPort
from drivers.line.tcp_port import TCP, TcpPort, is_tcp, split_url
from drivers.modbus.tcp import MbapFraming
from drivers.reading import Reading

_LOG = logging.getLogger(__name__)

REOPEN_INTERVAL_S = 1.0
"""Time between two attempts to open a lost port."""
RECONNECT_LONGEST_S = 30.0
"""Longest time between two attempts to connect: it doubles from REOPEN_INTERVAL_S, to spare small gateways."""
NETWORK_S = 0.3
"""Added to every time-out on a network: a gateway may first wait for another master on its line."""
_SILENT_CONNECTION_S = 30.0


class Port(Protocol):
    """What a line needs of any port."""

    def fileno(self) -> int:
        """File descriptor to wait on."""

    def close(self) -> None:
        """Give the port back."""


P = TypeVar("P", bound=Port)


class Line:
    """Name, port and reopening; what travels on it is the subclass's."""

    def __init__(self, name: str, where: str) -> None:
        self.name = name
        self.where = where
        self.trouble = "not opened yet"
        self.opened = 0
        self._retry_at_s = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether the port is usable."""
        return not self.trouble

    def fileno(self) -> int:
        """File descriptor to wait on, -1 while closed."""
        raise NotImplementedError

    def try_open(self, now_s: float) -> bool:
        """Open the port if it is time to try. Returns whether it has just been opened."""
        if self.is_open or now_s < self._retry_at_s:
            return False
        self._retry_at_s = now_s + self._pause_s()
        try:
            if not self._open(now_s):
                return False
        except PortError as error:
            # Logged once per cause, not once per attempt.
            if str(error) != self.trouble:
                _LOG.error("line %s: %s", self.name, error)
            self.trouble = str(error)
            return False
        if self.trouble:
            _LOG.info("line %s: %s is open", self.name, self.where)
        self.trouble = ""
        self.opened += 1
        return True

    def lost(self, error: PortError, now_s: float) -> None:
        """The port failed in use."""
        _LOG.error("line %s: %s", self.name, error)
        self.close(now_s)
        self.trouble = str(error)

    def close(self, now_s: float) -> None:
        """Give the port back."""
        raise NotImplementedError

    def status(self, now_s: float) -> dict[str, object]:
        """Port, trouble and counters."""
        raise NotImplementedError

    def _open(self, now_s: float) -> bool:
        """Open the port; False while that is still under way. Raises PortError."""
        raise NotImplementedError

    def _pause_s(self) -> float:
        return REOPEN_INTERVAL_S


class PolledLine(Line):
    """A line with devices that are asked: what is due goes out and what has come is delivered in ``turn``."""

    def turn(self, now_s: float, deliver: Callable[[str, Reading], None], *, force: bool = False) -> float:
        """Deliver what has come, send what is due; ``force``: ask even though nothing is due.

        Returns the time at which this must be called again at the latest.
        """
        raise NotImplementedError


class ModbusLine(PolledLine):
    """One RS-485 line, or one TCP connection, with its owner and its devices (Modbus, or DL/T 645 on a serial line).

    ``port`` is a serial port, ``tcp://address:port`` or ``rtu+tcp://address:port`` (see ``drivers.line.tcp_port``).
    """

    def __init__(self, name: str, port: str, baud: int, parity: str, stop_bits: int, devices: Sequence[Device]) -> None:
        super().__init__(name, port)
        self._baud, self._parity, self._stop_bits = baud, parity, stop_bits
        bits = 9 + stop_bits + (parity != "N")
        self._is_tcp = is_tcp(port)
        framing = MbapFraming() if self._is_tcp and split_url(port)[0] == TCP else None
        self.master = LineOwner(baud, bits, framing=framing, network_s=NETWORK_S if self._is_tcp else 0.0)
        self.devices: dict[Address, Device] = {device.address: device for device in devices}
        for device in devices:
            self.master.attach(device.address, device.timing)
        self._port: SerialPort | TcpPort | None = None
        self._connecting: TcpPort | None = None
        self._attempts = 0
        self._asked_since_s: float | None = None
        self._device_due_s = float("-inf")

    def fileno(self) -> int:
        """See Line."""
        return -1 if self._port is None else self._port.fileno()

    def _open(self, now_s: float) -> bool:
        if self._is_tcp:
            return self._connect(now_s)
        self._port = SerialPort(self.where, self._baud, self._parity, self._stop_bits)
        self._device_due_s = float("-inf")
        return True

    def _connect(self, now_s: float) -> bool:
        """Begin to connect, or look what has come of it: the handshake must not be waited for."""
        port = self._connecting
        try:
            if port is None:
                self._attempts += 1
                port = self._connecting = TcpPort(self.where, now_s)
            if not port.is_ready(now_s):
                self._retry_at_s = now_s
                return False
        except PortError:
            self._drop_attempt()
            raise
        self._port, self._connecting = port, None
        self._asked_since_s = None
        self._device_due_s = float("-inf")
        return True

    def _drop_attempt(self) -> None:
        if self._connecting is not None:
            self._connecting.close()
            self._connecting = None

    def _pause_s(self) -> float:
        return min(REOPEN_INTERVAL_S * 2.0 ** min(self._attempts, 16), RECONNECT_LONGEST_S)

    def close(self, now_s: float) -> None:
        """See Line. What waits for the line is given up, so that nothing old goes out later."""
        self._drop_attempt()
        if self._port is not None:
            self._port.close()
            self._port = None
            self.master.reset(now_s)

    def read(self, now_s: float) -> None:
        """Take what has arrived."""
        if self._port is None:
            return
        try:
            data = self._port.read()
        except PortError as error:
            self.lost(error, now_s)
            return
        self.master.receive(data, now_s)
        if data and self._is_tcp:
            self._attempts = 0
            self._asked_since_s = None

    def take_results(self, deliver: Callable[[str, Reading], None]) -> None:
        """Hand results to the devices and their readings to ``deliver``."""
        for result in self.master.results():
            device = self.devices.get(result.request.address)
            if device is not None:
                for name, reading in device.accept(result):
                    deliver(name, reading)
        self._device_due_s = float("-inf")

    def turn(self, now_s: float, deliver: Callable[[str, Reading], None], *, force: bool = False) -> float:
        """Hand results to the devices and their readings to ``deliver``, submit what is due, write.

        ``force`` asks the devices even though none is due: an output has changed.
        Returns the time at which this must be called again at the latest.
        """
        master = self.master
        if master.has_results:
            self.take_results(deliver)
        if self._port is None:
            return now_s + REOPEN_INTERVAL_S
        if force or now_s >= self._device_due_s:
            due_s = float("inf")
            for device in self.devices.values():
                for request in device.requests(now_s):
                    master.submit(request, now_s)
                due_s = min(due_s, device.next_due(now_s))
            self._device_due_s = due_s
        data = master.poll(now_s)
        if data:
            try:
                self._look_for_silence(now_s)
                self._port.write(data)
            except PortError as error:
                self.lost(error, now_s)
                return now_s + REOPEN_INTERVAL_S
        if master.has_results:
            # Something was given up: its device must know, or it waits for the result for ten seconds more.
            return now_s
        master_due_s = master.next_due(now_s)
        return self._device_due_s if master_due_s is None else min(self._device_due_s, master_due_s)

    def _look_for_silence(self, now_s: float) -> None:
        """A connection that takes everything and answers nothing is opened again. Raises PortError."""
        if not self._is_tcp:
            return
        if self._asked_since_s is None:
            self._asked_since_s = now_s
        elif now_s - self._asked_since_s >= _SILENT_CONNECTION_S:
            hint = "Check the unit ids and the line behind the gateway."
            raise PortError(f"no reply for {_SILENT_CONNECTION_S:.0f} s, reconnecting", self.where, hint)

    def status(self, now_s: float) -> dict[str, object]:
        """Counters by device name, and how busy the line is (shares 0 to 1 of the last 10 to 20 s)."""
        devices: dict[str, dict[str, Any]] = {}
        for address, device in self.devices.items():
            silent_since_s = self.master.failing_since_s(address)
            silent_s = None if silent_since_s is None else round(now_s - silent_since_s, 1)
            devices[device.name] = {**self.master.counters[address].as_dict(), "silent_for_s": silent_s}
        wire, taken = self.master.use.shares(now_s)
        return {
            "port": self.where,
            "trouble": self.trouble,
            "opened": self.opened,
            "wire_share": round(wire, 3),
            "taken_share": round(taken, 3),
            "echo": self.master.echoes,
            "devices": devices,
        }
