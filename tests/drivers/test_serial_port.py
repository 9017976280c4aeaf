"""The serial port over pseudo terminals."""

import errno
import os
import select
from collections.abc import Iterator

import pytest
import serial

from drivers.errors import PortError
from drivers.line.serial_port import SerialPort


@pytest.fixture
def pair() -> Iterator[tuple[int, str]]:
    far, near = os.openpty()
    path = os.ttyname(near)
    os.close(near)
    yield far, path
    try:
        os.close(far)
    except OSError:
        assert far >= 0  # closed by the test


def wait_readable(fd: int) -> None:
    assert select.select([fd], [], [], 5.0)[0]


def test_bytes_pass_unchanged_in_both_directions(pair: tuple[int, str]) -> None:
    far, path = pair
    port = SerialPort(path, 9600)
    everything = bytes(range(256))
    assert port.read() == b""
    os.write(far, everything)
    wait_readable(port.fileno())
    assert port.read() == everything
    assert port.read() == b""
    port.write(everything)
    wait_readable(far)
    assert os.read(far, 1000) == everything
    port.close()
    port.close()


def test_a_port_that_goes_away_is_an_error_at_the_next_use(pair: tuple[int, str]) -> None:
    far, path = pair
    port = SerialPort(path, 115200, "E", 2)
    os.close(far)
    with pytest.raises(PortError, match="port lost"):
        port.read()
    with pytest.raises(PortError, match="port lost"):
        port.write(b"x")
    port.close()


def test_bytes_that_came_before_the_port_went_are_delivered(pair: tuple[int, str]) -> None:
    far, path = pair
    port = SerialPort(path, 9600)
    os.write(far, b"last words")
    wait_readable(port.fileno())
    assert port.read() == b"last words"
    os.close(far)
    with pytest.raises(PortError):
        port.read()


def test_a_line_where_nothing_moves_never_blocks_and_keeps_nothing_old(pair: tuple[int, str]) -> None:
    far, path = pair
    port = SerialPort(path, 9600)
    for _ in range(3000):
        port.write(b"12345678")
    assert port.dropped > 0
    wait_readable(far)
    assert len(os.read(far, 1 << 20)) < 3000 * 8


def test_a_missing_port_says_so() -> None:
    with pytest.raises(PortError, match="port not found") as caught:
        SerialPort("/dev/serial/by-id/not-here", 9600)
    assert caught.value.where == "/dev/serial/by-id/not-here"
    assert "by-id" in caught.value.hint


def test_a_port_in_use_says_so(pair: tuple[int, str]) -> None:
    _, path = pair
    first = SerialPort(path, 9600)
    with pytest.raises(PortError, match="in use"):
        SerialPort(path, 9600)
    first.close()
    SerialPort(path, 9600).close()


def test_a_file_is_not_a_serial_port(tmp_path: os.PathLike[str]) -> None:
    path = os.path.join(tmp_path, "file")
    with open(path, "wb"):
        pass
    with pytest.raises(PortError, match="not a serial port"):
        SerialPort(path, 9600)


def test_permission_denied_says_who_has_to_be_in_which_group(
    pair: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise serial.SerialException(errno.EACCES, "could not open port")

    monkeypatch.setattr(serial, "Serial", refuse)
    with pytest.raises(PortError, match="permission denied") as caught:
        SerialPort(pair[1], 9600)
    assert "dialout" in caught.value.hint
