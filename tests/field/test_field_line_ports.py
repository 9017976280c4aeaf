"""Lines on real descriptors: an adapter that is plugged out and in again, and Modbus TCP with several units."""

import os
import socket
import termios
import tty
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import serial

from agent.field.lines import RECONNECT_LONGEST_S, REOPEN_INTERVAL_S, ModbusLine
from drivers.line.device import PollBlock
from drivers.line.exchange import Result
from drivers.line.owner import DeviceTiming
from drivers.line.serial_port import SerialPort
from drivers.modbus import codec
from drivers.modbus.codec import Request
from drivers.reading import Reading


class Unit:
    """A device with one register that is read each second."""

    def __init__(self, address: int) -> None:
        self.name = f"unit {address}"
        self.address = address
        self.timing = DeviceTiming(latency_s=0.1, period_s=1.0)
        self.block = PollBlock(Request(address, 3, 0x10, 1, priority=2), 1.0)

    def requests(self, now_s: float) -> list[Request]:
        request = self.block.take(now_s)
        return [] if request is None else [request]

    def accept(self, result: Result) -> list[tuple[str, Reading]]:
        self.block.done()
        return [(self.name, Reading(result.registers[0], "1", result.at_s))] if result.ok else []

    def next_due(self, now_s: float) -> float:
        return max(now_s, self.block.next_due())


class Driver:
    """Turns a line in virtual time and plays the device side."""

    def __init__(self, line: ModbusLine) -> None:
        self.line = line
        self.now_s = 100.0
        self.values: list[tuple[str, int]] = []

    def deliver(self, name: str, reading: Reading) -> None:
        assert isinstance(reading.value, int)
        self.values.append((name, reading.value))

    def turn(self, seconds: float = 0.01) -> None:
        self.now_s += seconds
        self.line.try_open(self.now_s)
        if self.line.fileno() >= 0:
            self.line.read(self.now_s)
        self.line.turn(self.now_s, self.deliver)


class Adapter:
    """A pseudo-terminal behind a stable name, as udev gives an adapter."""

    def __init__(self, link: Path) -> None:
        self.far, near = os.openpty()
        tty.setraw(near)
        os.set_blocking(self.far, False)
        self.path = os.ttyname(near)
        link.symlink_to(self.path)
        self._link, self._near = link, near

    def unplug(self) -> None:
        self._link.unlink()
        os.close(self._near)
        os.close(self.far)

    def answer(self, value: int) -> bool:
        try:
            request = os.read(self.far, 100)
        except BlockingIOError:
            return False
        assert codec.checksum(request[:-2]) == request[-2:]
        body = request[:2] + b"\x02" + value.to_bytes(2, "big")
        os.write(self.far, body + codec.checksum(body))
        return True


def test_an_adapter_is_used_again_under_its_name(tmp_path: Path) -> None:
    link = tmp_path / "usb-rs485-port0"
    first = Adapter(link)
    line = ModbusLine("meter", str(link), 9600, "N", 1, [Unit(1)])
    driver = Driver(line)
    driver.turn()
    assert first.answer(1)
    driver.turn()
    assert driver.values == [("unit 1", 1)]

    # A request is under way when the adapter goes.
    driver.turn(1.0)
    first.unplug()
    driver.turn()
    # The kernel must not give the new adapter the old one's number: that would prove nothing.
    decoy, decoy_near = os.openpty()
    assert "port lost" in line.trouble
    driver.turn(REOPEN_INTERVAL_S)
    assert "port not found" in line.trouble

    second = Adapter(link)
    assert second.path != first.path
    driver.turn(REOPEN_INTERVAL_S)
    assert (line.trouble, line.opened) == ("", 2)
    for _ in range(20):
        driver.turn(0.1)
        second.answer(2)
    assert driver.values[-1] == ("unit 1", 2)
    assert {value for _, value in driver.values[1:]} == {2}
    line.close(driver.now_s)
    second.unplug()
    os.close(decoy)
    os.close(decoy_near)


@pytest.mark.parametrize(("parity", "checked"), [("N", False), ("E", True), ("O", True)])
def test_a_port_with_parity_reads_damaged_characters_as_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parity: str, checked: bool
) -> None:
    adapter = Adapter(tmp_path / "port")
    real = serial.Serial

    def without_parity(path: str, baud: int, **named: Any) -> Any:
        # A pseudo-terminal refuses parity itself; the flags of its input side it takes.
        assert named.pop("parity") == parity
        return real(path, baud, **named)

    monkeypatch.setattr(serial, "Serial", without_parity)
    port = SerialPort(adapter.path, 9600, parity)
    flags = termios.tcgetattr(port.fileno())[0]
    port.close()
    assert bool(flags & termios.INPCK) is checked
    assert not flags & (termios.IGNPAR | termios.PARMRK)
    adapter.unplug()


@pytest.fixture
def gateway() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10.0)
        yield server


def tcp_line(server: socket.socket, scheme: str = "tcp", units: int = 3) -> Driver:
    url = f"{scheme}://127.0.0.1:{server.getsockname()[1]}"
    return Driver(ModbusLine("meters", url, 9600, "N", 1, [Unit(address + 1) for address in range(units)]))


def connect(driver: Driver, server: socket.socket) -> socket.socket:
    driver.line.try_open(driver.now_s)
    other, _ = server.accept()
    other.settimeout(10.0)
    for _ in range(1000):
        if driver.line.is_open:
            return other
        driver.line.try_open(driver.now_s)
    raise AssertionError("the line does not open")


def test_several_units_behind_one_connection(gateway: socket.socket) -> None:
    driver = tcp_line(gateway)
    with connect(driver, gateway) as other:
        for _ in range(3):
            driver.turn()
            request = other.recv(100)
            unit = request[6]
            other.sendall(request[:4] + b"\x00\x05" + bytes((unit, 3, 2, 0, 40 + unit)))
            while not driver.line.master.has_results and len(driver.values) < unit:
                driver.line.read(driver.now_s)
        driver.turn()
        assert driver.values == [("unit 1", 41), ("unit 2", 42), ("unit 3", 43)]
        status = driver.line.status(driver.now_s)
        assert status["opened"] == 1
        driver.line.close(driver.now_s)


def test_a_transparent_serial_server_gets_the_frames_of_the_line(gateway: socket.socket) -> None:
    driver = tcp_line(gateway, "rtu+tcp", units=1)
    with connect(driver, gateway) as other:
        driver.turn()
        assert other.recv(100) == codec.encode(Request(1, 3, 0x10, 1))
        body = b"\x01\x03\x02\x00\x07"
        other.sendall(body + codec.checksum(body))
        while not driver.line.master.has_results:
            driver.line.read(driver.now_s)
        driver.turn()
        assert driver.values == [("unit 1", 7)]
        driver.line.close(driver.now_s)


def test_reconnecting_takes_longer_pauses_until_somebody_answers(gateway: socket.socket) -> None:
    driver = tcp_line(gateway)
    attempts = []
    for _ in range(7):
        before = driver.line.opened
        while driver.line.opened == before:
            driver.now_s += 0.5
            driver.line.try_open(driver.now_s)
        attempts.append(driver.now_s)
        other, _ = gateway.accept()
        other.close()
        while driver.line.is_open:
            driver.line.read(driver.now_s)
    pauses = [b - a for a, b in pairwise(attempts)]
    assert pauses == pytest.approx([1, 2, 4, 8, 16, 30], abs=0.5)
    assert max(pauses) <= RECONNECT_LONGEST_S + 1.0


def test_a_connection_that_answers_nothing_is_made_anew(gateway: socket.socket) -> None:
    driver = tcp_line(gateway, units=1)
    with connect(driver, gateway):
        begun_s = driver.now_s
        while driver.line.is_open and driver.now_s < begun_s + 60.0:
            driver.turn(0.1)
        assert 30.0 <= driver.now_s - begun_s < 40.0
        assert "no reply" in driver.line.trouble
        status = driver.line.status(driver.now_s)
        devices = status["devices"]
        assert isinstance(devices, dict)
        assert devices["unit 1"]["silent_for_s"] > 20.0


def test_a_line_can_be_closed_while_it_connects(gateway: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    from drivers.line.tcp_port import TcpPort

    monkeypatch.setattr(TcpPort, "is_ready", lambda self, now_s: False)
    driver = tcp_line(gateway)
    assert not driver.line.try_open(0.0)
    assert not driver.line.try_open(0.01)
    assert driver.line.fileno() == -1
    driver.line.close(0.02)
    assert driver.line._connecting is None


def test_nobody_listens_is_told_with_a_hint() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        driver = tcp_line(server)
    for _ in range(100):
        driver.line.try_open(driver.now_s)
        if "no service listens" in driver.line.trouble:
            break
    assert "no service listens" in driver.line.trouble
    assert "502" in driver.line.trouble
