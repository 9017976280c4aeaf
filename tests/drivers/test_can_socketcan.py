"""The port of a kernel interface: python-can's own bus on a socket that is played, since not every kernel has CAN."""

import errno
import os
import socket
import struct
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest
from can.interfaces.socketcan import constants
from can.interfaces.socketcan import socketcan as library

from drivers.can import socketcan
from drivers.can.frame import CanFrame
from drivers.can.kernel_link import KernelLink, KernelLinkError
from drivers.can.port import open_can_port
from drivers.can.socketcan import SocketcanPort
from drivers.can.state import BusState
from drivers.errors import PortError

FRAME = CanFrame(0x1826F456, b"\x01\x02\x03")
UP = KernelLink("can0", True, 250_000, BusState.ACTIVE, 100, False)


class KernelSocket:
    """A raw CAN socket: frames that are put in can be read with the stamp that the kernel gives them."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[bytes, float]] = deque()
        self.sent: list[bytes] = []
        self.options: dict[tuple[int, int], Any] = {}
        self.bound: Any = None
        self.blocking = True
        self.read_error: OSError | None = None
        self.write_error: OSError | None = None
        self.option_error = False
        self.closed = False
        self._readable = os.eventfd(1)

    def fileno(self) -> int:
        return -1 if self.closed else self._readable

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        if self.option_error and option == constants.CAN_RAW_ERR_FILTER and value != 0x1FFFFFFF:
            raise OSError(errno.ENOPROTOOPT, "no such option")
        self.options[level, option] = value

    def setblocking(self, flag: bool) -> None:
        self.blocking = flag

    def bind(self, address: Any) -> None:
        self.bound = address

    def put(self, word: int, data: bytes, stamp_s: float | None = None, length: int | None = None) -> None:
        frame = struct.pack("=IB3x8s", word, len(data) if length is None else length, data)
        self.waiting.append((frame, time.time() if stamp_s is None else stamp_s))

    def recvmsg(self, size: int, ancillary_size: int) -> tuple[bytes, list[tuple[int, int, bytes]], int, Any]:
        assert not self.blocking
        if self.read_error is not None:
            raise self.read_error
        if not self.waiting:
            raise BlockingIOError(errno.EAGAIN, "nothing")
        frame, stamp_s = self.waiting.popleft()
        seconds = int(stamp_s)
        stamp = struct.pack("@ll", seconds, int((stamp_s - seconds) * 1e9))
        return frame, [(socket.SOL_SOCKET, constants.SO_TIMESTAMPNS, stamp)], 0, ("can0",)

    def send(self, data: bytes) -> int:
        if self.write_error is not None:
            raise self.write_error
        self.sent.append(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            os.close(self._readable)
        self.closed = True


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[KernelSocket]:
    played = KernelSocket()
    monkeypatch.setattr(library, "create_socket", lambda: played)
    monkeypatch.setattr(socketcan, "kernel_link", lambda channel: UP)
    yield played
    played.close()


def state_of(port: SocketcanPort) -> BusState:
    return port.state


def open_port(**options: Any) -> SocketcanPort:
    port = open_can_port("socketcan", "can0", 250_000, **options)
    assert isinstance(port, SocketcanPort)
    return port


def test_it_is_bound_and_asks_for_error_frames_and_time_stamps(kernel: KernelSocket) -> None:
    port = open_port()
    assert kernel.bound == ("can0",)
    assert kernel.options[constants.SOL_CAN_RAW, constants.CAN_RAW_ERR_FILTER] == 0x144
    assert kernel.options[socket.SOL_SOCKET, constants.SO_TIMESTAMPNS] == 1
    assert not kernel.blocking
    assert struct.unpack("=II", kernel.options[constants.SOL_CAN_RAW, constants.CAN_RAW_FILTER]) == (1 << 31, 1 << 31)
    assert (port.is_ready(0.0), port.restarts_by_opening, port.state) == (True, False, BusState.ACTIVE)
    port.close()
    assert kernel.closed
    port.close()


def test_a_frame_has_the_layout_of_the_kernel(kernel: KernelSocket) -> None:
    port = open_port()
    assert port.send(FRAME)
    assert port.send(CanFrame(0x123, b"", extended=False))
    assert [data[:5] + data[8:] for data in kernel.sent] == [
        struct.pack("=I", 0x9826F456) + b"\x03" + b"\x01\x02\x03" + bytes(5),
        struct.pack("=I", 0x123) + b"\x00" + bytes(8),
    ]
    port.close()


def test_data_frames_come_in_one_call_with_the_kernels_time(kernel: KernelSocket) -> None:
    port = open_port()
    assert port.receive(time.monotonic()) == []
    wall_s, now_s = time.time(), time.monotonic()
    for word in (0x9826F456, 0xD826F456, 0x00000123):
        kernel.put(word, b"\xaa\xbb", wall_s - 0.02)
    first, second = port.receive(time.monotonic())
    assert (first.identifier, first.data, first.extended) == (0x1826F456, b"\xaa\xbb", True)
    assert (second.identifier, second.extended) == (0x123, False)
    assert first.at_s == pytest.approx(now_s - 0.02, abs=0.005)
    port.close()


def test_a_frame_is_never_later_than_the_time_of_the_call(kernel: KernelSocket) -> None:
    port = open_port()
    port.receive(time.monotonic())
    kernel.put(0x9826F456, b"", time.time() + 5.0)
    assert port.receive(7.0)[0].at_s == 7.0
    port.close()


def test_one_call_takes_no_more_than_a_second_of_frames(kernel: KernelSocket) -> None:
    port = open_port()
    for _ in range(2500):
        kernel.put(0x9826F456, b"")
    assert len(port.receive(time.monotonic())) == 2000
    assert len(port.receive(time.monotonic())) == 500
    port.close()


@pytest.mark.parametrize(
    ("classes", "data", "state"),
    [
        (0x040, bytes(8), BusState.OFF),
        (0x004, bytes([0, 0x10, 0, 0, 0, 0, 0, 0]), BusState.PASSIVE),
        (0x004, bytes([0, 0x20, 0, 0, 0, 0, 0, 0]), BusState.PASSIVE),
        (0x004, bytes([0, 0x04, 0, 0, 0, 0, 0, 0]), BusState.WARNING),
        (0x004, bytes([0, 0x08, 0, 0, 0, 0, 0, 0]), BusState.WARNING),
        (0x004, bytes([0, 0x00, 0, 0, 0, 0, 0, 0]), BusState.UNKNOWN),
        (0x004, b"", BusState.UNKNOWN),
        (0x008, bytes(8), BusState.UNKNOWN),
        (0x204, bytes([0, 0x01, 0, 0, 0, 0, 0, 0]), BusState.UNKNOWN),
    ],
)
def test_error_frames_become_the_state_of_the_bus(
    kernel: KernelSocket, monkeypatch: pytest.MonkeyPatch, classes: int, data: bytes, state: BusState
) -> None:
    monkeypatch.setattr(socketcan, "kernel_link", lambda channel: KernelLink(channel, True))
    port = open_port()
    kernel.put(0x20000000 | classes, data, length=8)
    assert port.receive(time.monotonic()) == []
    assert (port.state, port.counters.error_frames) == (state, 1)
    assert port.counters.overruns == (data[1:2] == b"\x01")
    port.close()


@pytest.mark.parametrize("better", [(0x100, bytes(8)), (0x004, bytes([0, 0x40, 0, 0, 0, 0, 0, 0]))])
def test_the_way_back_is_reported_too(kernel: KernelSocket, better: tuple[int, bytes]) -> None:
    port = open_port()
    kernel.put(0x20000040, bytes(8))
    port.receive(time.monotonic())
    assert state_of(port) is BusState.OFF
    kernel.put(0x20000000 | better[0], better[1])
    port.receive(time.monotonic())
    assert state_of(port) is BusState.ACTIVE
    port.close()


def test_a_bus_that_is_heard_is_not_off(kernel: KernelSocket) -> None:
    port = open_port()
    kernel.put(0x20000040, bytes(8))
    port.receive(time.monotonic())
    kernel.put(0x9826F456, b"")
    assert port.receive(time.monotonic())
    assert state_of(port) is BusState.ACTIVE
    port.close()


def test_the_kernel_is_asked_while_the_state_is_not_active(
    kernel: KernelSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = open_port()
    asked: list[str] = []

    def ask(channel: str) -> KernelLink:
        asked.append(channel)
        if len(asked) == 1:
            raise KernelLinkError("no")
        return KernelLink(channel, True, state=(BusState.UNKNOWN, BusState.WARNING)[len(asked) > 2])

    monkeypatch.setattr(socketcan, "kernel_link", ask)
    port.tick(0.0)
    assert asked == []
    kernel.put(0x20000004, bytes([0, 0x20, 0, 0, 0, 0, 0, 0]))
    port.receive(time.monotonic())
    states = []
    for second in range(3):
        port.tick(float(second))
        states.append(port.state)
    assert states == [BusState.PASSIVE, BusState.PASSIVE, BusState.WARNING]
    port.close()


@pytest.mark.parametrize("code", [errno.ENOBUFS, errno.EAGAIN])
def test_a_full_queue_is_no_error(kernel: KernelSocket, code: int) -> None:
    port = open_port()
    kernel.write_error = OSError(code, "full")
    assert port.send(FRAME) is False
    assert port.counters.refused == 1
    kernel.write_error = None
    assert port.send(FRAME) is True
    port.close()


def test_a_socket_that_is_not_ready_to_take_a_frame_refuses_it_at_once(
    kernel: KernelSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = open_port()
    monkeypatch.setattr("can.interfaces.socketcan.socketcan.select.select", lambda *_: ([], [], []))
    begun_s = time.monotonic()
    assert port.send(FRAME) is False
    assert time.monotonic() - begun_s < 0.1
    assert (kernel.sent, port.counters.refused) == ([], 1)
    port.close()


@pytest.mark.parametrize(
    ("code", "text"),
    [(errno.ENETDOWN, "is down"), (errno.ENODEV, "no such CAN interface"), (errno.EIO, "failed")],
)
def test_an_interface_that_goes_down_or_away_is_an_error(kernel: KernelSocket, code: int, text: str) -> None:
    port = open_port()
    kernel.read_error = kernel.write_error = OSError(code, os.strerror(code))
    with pytest.raises(PortError, match=text):
        port.receive(0.0)
    with pytest.raises(PortError, match=text):
        port.send(FRAME)
    port.close()


def test_what_came_before_the_interface_went_down_is_handed_on(kernel: KernelSocket) -> None:
    port = open_port()
    kernel.put(0x9826F456, b"")
    real = kernel.recvmsg

    def once(size: int, ancillary_size: int) -> Any:
        result = real(size, ancillary_size)
        kernel.read_error = OSError(errno.ENETDOWN, "down")
        return result

    kernel.recvmsg = once  # type: ignore[method-assign]
    assert len(port.receive(time.monotonic())) == 1
    with pytest.raises(PortError, match="is down"):
        port.receive(time.monotonic())
    port.close()


def test_listen_only_refuses_to_send(kernel: KernelSocket) -> None:
    port = open_port(listen_only=True)
    assert port.send(FRAME) is False
    assert kernel.sent == []
    port.close()


def test_an_interface_at_another_bit_rate_is_not_opened(kernel: KernelSocket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socketcan, "kernel_link", lambda channel: KernelLink(channel, True, 500_000, restart_ms=100))
    with pytest.raises(PortError, match=r"500000 bit/s, the site file gives 250000.*ip link set can0 down"):
        open_port()
    assert kernel.closed


def test_an_interface_that_stays_off_is_a_warning(
    kernel: KernelSocket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(socketcan, "kernel_link", lambda channel: KernelLink(channel, True, 250_000, restart_ms=0))
    open_port().close()
    assert "stays off after bus-off" in caplog.text
    assert "restart-ms 100" in caplog.text


@pytest.mark.parametrize("silent", [True, False])
def test_a_virtual_interface_and_no_netlink_are_nothing_wrong(
    kernel: KernelSocket, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, silent: bool
) -> None:
    def ask(channel: str) -> KernelLink:
        if silent:
            return KernelLink(channel, True)
        raise KernelLinkError("address family not supported")

    monkeypatch.setattr(socketcan, "kernel_link", ask)
    port = open_port()
    assert state_of(port) is BusState.UNKNOWN
    assert caplog.text == ""
    port.close()


def test_a_kernel_without_error_frames_is_a_warning(kernel: KernelSocket, caplog: pytest.LogCaptureFixture) -> None:
    kernel.option_error = True
    open_port().close()
    assert "cannot be reported" in caplog.text


@pytest.mark.parametrize(
    ("code", "text"),
    [(errno.EAFNOSUPPORT, "no CAN support"), (errno.EPERM, "permission denied"), (errno.ENODEV, "ip link")],
)
def test_what_the_kernel_refuses_is_told_apart(monkeypatch: pytest.MonkeyPatch, code: int, text: str) -> None:
    def refuse() -> None:
        raise OSError(code, "refused")

    monkeypatch.setattr(library, "create_socket", refuse)
    with pytest.raises(PortError, match=text):
        open_port()


def test_a_missing_interface_is_an_error_on_any_kernel() -> None:
    with pytest.raises(PortError) as caught:
        open_can_port("socketcan", "nocan99", 250000)
    assert caught.value.where == "nocan99"
