"""A TCP connection used like a serial port."""

import select
import socket
from collections.abc import Iterator

import pytest

from drivers.errors import PortError
from drivers.line.tcp_port import RTU_OVER_TCP, TCP, TcpPort, is_tcp, split_url


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10.0)
        yield server


def url_of(server: socket.socket) -> str:
    return f"tcp://127.0.0.1:{server.getsockname()[1]}"


def opened(server: socket.socket) -> tuple[TcpPort, socket.socket]:
    port = TcpPort(url_of(server), 0.0)
    select.select([], [port], [], 10.0)
    assert port.is_ready(0.0)
    assert port.is_ready(99.0)
    other, _ = server.accept()
    return port, other


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("tcp://192.168.1.50", (TCP, "192.168.1.50", 502)),
        ("tcp://192.168.1.50/", (TCP, "192.168.1.50", 502)),
        ("tcp://[fe80::1]:1502", (TCP, "fe80::1", 1502)),
        ("rtu+tcp://10.0.0.7:8899", (RTU_OVER_TCP, "10.0.0.7", 8899)),
    ],
)
def test_addresses(url: str, parts: tuple[str, str, int]) -> None:
    assert is_tcp(url)
    assert split_url(url) == parts


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("udp://10.0.0.7:1", "does not begin"),
        ("/dev/ttyUSB0", "does not begin"),
        ("tcp://meter.local:502", "meter.local is not a numeric address"),
        ("tcp://", "is not a numeric address"),
        ("tcp://10.0.0.7:0", "1..65535"),
        ("tcp://10.0.0.7:65536", "1..65535"),
        ("tcp://10.0.0.7:x", "more than address and port"),
        ("tcp://fe80::1", "more than address and port"),
        ("tcp://[10.0.0.7]", "is not a numeric address"),
        ("tcp://10.0.0.7:502/unit", "more than address and port"),
        ("tcp://10.0.0.7?x=1", "more than address and port"),
        ("tcp://10.0.0.7#x", "more than address and port"),
        ("tcp://me@10.0.0.7", "more than address and port"),
    ],
)
def test_wrong_addresses_say_what_is_wrong(url: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        split_url(url)


def test_a_serial_port_is_not_tcp() -> None:
    assert not is_tcp("/dev/serial/by-id/usb-x")


def test_bytes_go_both_ways_and_nothing_waits(listener: socket.socket) -> None:
    port, other = opened(listener)
    with other:
        assert port.read() == b""
        port.write(b"\x00\x01")
        assert other.recv(10) == b"\x00\x01"
        other.sendall(bytes(6000))
        received = b""
        while len(received) < 6000:
            select.select([port], [], [], 10.0)
            received += port.read()
        assert received == bytes(6000)
    port.close()
    port.close()
    assert port.fileno() == -1


def test_the_last_bytes_before_the_end_are_read(listener: socket.socket) -> None:
    port, other = opened(listener)
    other.sendall(bytes(4096))
    other.close()
    received = b""
    with pytest.raises(PortError, match="was closed"):  # noqa: PT012 - how many reads it takes is the kernel's
        while True:
            select.select([port], [], [], 10.0)
            received += port.read()
    assert received == bytes(4096)
    port.close()


def test_a_reset_is_told(listener: socket.socket) -> None:
    port, other = opened(listener)
    other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    other.close()
    select.select([port], [], [], 10.0)
    with pytest.raises(PortError, match="reset"):
        port.read()
    with pytest.raises(PortError, match="was closed"):
        port.write(b"x")
    port.close()


def test_what_came_before_a_reset_is_read_first(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    port, other = opened(listener)
    chunks = [bytes(4096)]

    class Resetting:
        def recv(self, size: int) -> bytes:
            if chunks:
                return chunks.pop()
            raise ConnectionResetError(104, "reset")

        def close(self) -> None: ...

    real, port._socket = port._socket, Resetting()  # type: ignore[assignment]
    assert len(port.read()) == 4096
    with pytest.raises(PortError, match="reset"):
        port.read()
    chunks.append(bytes(4096))
    monkeypatch.setattr(Resetting, "recv", lambda self, size: chunks.pop() if chunks else b"")
    assert len(port.read()) == 4096
    with pytest.raises(PortError, match="was closed"):
        port.read()
    real.close()
    other.close()


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = url_of(server)
    with pytest.raises(PortError, match="no service listens"):  # noqa: PT012 - at once or a moment later
        port = TcpPort(url, 0.0)
        select.select([], [port], [], 10.0)
        port.is_ready(0.0)


def test_an_attempt_ends_after_three_seconds(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    port = TcpPort(url_of(listener), 100.0)

    class NeverReady:
        def register(self, *arguments: object) -> None: ...

        def poll(self, timeout: int) -> list[tuple[int, int]]:
            return []

    monkeypatch.setattr(select, "poll", NeverReady)
    assert not port.is_ready(102.9)
    with pytest.raises(PortError, match="cannot be reached"):
        port.is_ready(103.0)
    port.close()


def test_a_network_that_is_not_there_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect_ex", lambda self, address: 101)
    with pytest.raises(PortError, match="cannot be reached"):
        TcpPort("tcp://10.0.0.7", 0.0)
    monkeypatch.setattr(socket.socket, "connect_ex", lambda self, address: 22)
    with pytest.raises(PortError, match="connecting failed"):
        TcpPort("tcp://[::1]", 0.0)


def test_a_connection_that_takes_nothing_at_once_is_given_up(listener: socket.socket) -> None:
    port, other = opened(listener)

    class Full:
        def send(self, data: bytes, flags: int) -> int:
            raise BlockingIOError

    real, port._socket = port._socket, Full()  # type: ignore[assignment]
    with pytest.raises(PortError, match="accepts no more data"):
        port.write(b"x")
    real.close()
    other.close()


def test_a_side_that_takes_no_more_is_given_up(listener: socket.socket) -> None:
    port, other = opened(listener)
    with other, pytest.raises(PortError, match="accepts no more data"):  # noqa: PT012 - until its buffers are full
        for _ in range(1000):
            port.write(bytes(100_000))
    assert port.dropped == 1
    port.close()
