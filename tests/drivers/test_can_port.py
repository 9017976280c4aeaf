"""CAN ports: slcan against python-can's own bus over pseudo terminals, the raw socket against a packet socket."""

import errno
import os
import select
import socket
import struct
import tty
from collections.abc import Iterator

import can
import pytest
from can.interfaces.slcan import slcanBus
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.can.frame import CanFrame
from drivers.can.port import CanPort, open_can_port
from drivers.can.slcan import SlcanPort
from drivers.can.socketcan import SocketcanPort, open_socketcan
from drivers.errors import PortError

FRAME = CanFrame(0x1826F456, bytes.fromhex("0102030405060708"))


def wait_readable(fd: int) -> None:
    assert select.select([fd], [], [], 5.0)[0]


@pytest.fixture
def pair() -> Iterator[tuple[int, str]]:
    far, near = os.openpty()
    tty.setraw(near)
    path = os.ttyname(near)
    os.close(near)
    yield far, path
    try:
        os.close(far)
    except OSError:
        assert far >= 0  # closed by the test


def read_far(far: int) -> bytes:
    wait_readable(far)
    return os.read(far, 1 << 16)


def receive_some(port: CanPort, now_s: float) -> list[CanFrame]:
    wait_readable(port.fileno())
    return port.receive(now_s)


class TestSlcan:
    def test_opening_sets_the_rate_and_opens_the_channel(self, pair: tuple[int, str]) -> None:
        far, path = pair
        port = open_can_port("slcan", path, 250000)
        assert read_far(far).split(b"\r") == [b"C", b"S5", b"O", b""]
        port.close()
        assert read_far(far) == b"C\r"
        port.close()

    def test_listen_only_opens_quietly_and_refuses_to_send(self, pair: tuple[int, str]) -> None:
        far, path = pair
        port = open_can_port("slcan", path, 125000, listen_only=True)
        assert read_far(far).split(b"\r") == [b"C", b"S4", b"L", b""]
        assert port.send(FRAME) is False
        port.close()

    def test_frames_pass_to_and_from_python_cans_own_bus(self) -> None:
        """Two pseudo terminals joined back to back, as the hub of a bench does."""
        far_a, near_a = os.openpty()
        far_b, near_b = os.openpty()
        for fd in (near_a, near_b):
            tty.setraw(fd)
        port = SlcanPort(os.ttyname(near_a), 250000)
        reference = slcanBus(os.ttyname(near_b), bitrate=250000, sleep_after_open=0, timeout=0.5)
        read_far(far_a)
        read_far(far_b)
        for frame in (FRAME, CanFrame(0x123, b"", extended=False), CanFrame(0, b"\x00")):
            assert port.send(frame)
            os.write(far_b, read_far(far_a))
            message = reference.recv(5.0)
            assert message is not None
            assert (message.arbitration_id, bytes(message.data), message.is_extended_id) == (
                frame.identifier,
                frame.data,
                frame.extended,
            )
            reference.send(can.Message(arbitration_id=frame.identifier, data=frame.data, is_extended_id=frame.extended))
            os.write(far_a, read_far(far_b))
            assert receive_some(port, 7.5) == [CanFrame(frame.identifier, frame.data, 7.5, frame.extended)]
        reference.shutdown()
        port.close()
        for fd in (far_a, far_b, near_a, near_b):
            os.close(fd)

    def test_many_frames_come_in_one_call_and_a_split_line_is_joined(self, pair: tuple[int, str]) -> None:
        far, path = pair
        port = open_can_port("slcan", path, 250000)
        line = b"T1826F45680102030405060708\r"
        os.write(far, line * 100 + line[:11])
        calls = 0
        frames: list[CanFrame] = []
        while len(frames) < 100:
            frames += receive_some(port, 1.0)
            calls += 1
        # The kernel may hand a terminal's bytes over in a few pieces; one frame a call it is never.
        assert len(frames) == 100
        assert calls < 20
        assert {(f.identifier, f.data) for f in frames} == {(FRAME.identifier, FRAME.data)}
        assert port.receive(1.5) == []
        os.write(far, line[11:])
        assert len(receive_some(port, 2.0)) == 1
        port.close()

    def test_acknowledgements_and_time_stamps_are_understood(self, pair: tuple[int, str]) -> None:
        far, path = pair
        port = SlcanPort(path, 250000)
        os.write(far, b"z\r\aZ\r\rT000000011FF1234\r")
        assert receive_some(port, 1.0) == [CanFrame(1, b"\xff", 1.0)]
        assert port.junk_lines == 0
        port.close()

    @pytest.mark.parametrize(
        "junk",
        [
            b"T1826F4568010203\r",
            b"T1826F4569010203040506070809\r",
            b"T1826F45\r",
            b"TFFFFFFFF0\r",
            b"tFFF0\r",
            b"T1826F4561GG\r",
            b"T1826F4562 12 34\r",
            b"T18_6F456101\r",
            b"t12310102\r",
            b"R1826F4560\r",
            b"\x00\xff\xfe\r",
            b"hello\r",
            b"T1826F456\xb2\r",
        ],
    )
    def test_junk_is_counted_and_the_next_frame_is_read(self, pair: tuple[int, str], junk: bytes) -> None:
        far, path = pair
        port = SlcanPort(path, 250000)
        os.write(far, junk + b"t12311F\r")
        assert receive_some(port, 1.0) == [CanFrame(0x123, b"\x1f", 1.0, False)]
        assert port.junk_lines == 1
        port.close()

    @settings(max_examples=50)
    @given(st.lists(st.binary(min_size=1, max_size=200), max_size=10))
    def test_no_bytes_ever_raise(self, chunks: list[bytes]) -> None:
        far, near = os.openpty()
        tty.setraw(near)
        port = SlcanPort(os.ttyname(near), 250000)
        for chunk in chunks:
            os.write(far, chunk)
            for frame in port.receive(0.0):
                assert 0 <= frame.identifier <= 0x1FFFFFFF
                assert len(frame.data) <= 8
        os.write(far, b"\rt12311F\r")
        frames = port.receive(0.0)
        while not frames or frames[-1].data != b"\x1f":
            frames = receive_some(port, 0.0)
        port.close()
        os.close(far)
        os.close(near)

    def test_an_adapter_that_takes_nothing_never_blocks_and_the_backlog_is_bounded(self, pair: tuple[int, str]) -> None:
        far, path = pair
        port = SlcanPort(path, 250000)
        accepted = [port.send(FRAME) for _ in range(5000)]
        assert accepted[:64] == [True] * 64
        assert accepted[-1] is False
        assert port.dropped == accepted.count(False)
        # What was taken comes out whole and in order, what was refused never does.
        out = b""
        while select.select([far], [], [], 0.05)[0]:
            out += os.read(far, 1 << 16)
            port.receive(0.0)
        frames = [line for line in out.split(b"\r") if line.startswith(b"T")]
        assert len(frames) == accepted.count(True)
        assert set(frames) == {b"T1826F45680102030405060708"}
        port.close()

    def test_an_adapter_that_goes_away_is_an_error_at_the_next_use(self, pair: tuple[int, str]) -> None:
        far, path = pair
        port = SlcanPort(path, 250000)
        os.close(far)
        with pytest.raises(PortError, match="has gone"):
            port.receive(0.0)
        with pytest.raises(PortError, match="has gone"):
            port.send(FRAME)
        port.close()

    def test_the_reasons_why_a_port_cannot_be_opened_differ(
        self, pair: tuple[int, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        far, path = pair
        with pytest.raises(PortError, match="no such port"):
            open_can_port("slcan", "/dev/not-here", 250000)
        with pytest.raises(PortError, match="bitrate"):
            open_can_port("slcan", path, 123456)
        with pytest.raises(PortError, match="unknown CAN interface"):
            open_can_port("pcan", path, 250000)
        port = open_can_port("slcan", path, 250000)
        read_far(far)
        with pytest.raises(PortError, match="in use"):
            open_can_port("slcan", path, 250000)
        # The one that has it is not disturbed: nothing, above all no "close", was written.
        assert select.select([far], [], [], 0.05)[0] == []
        port.close()

        def refuse(*_: object) -> int:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(PortError, match="permission denied"):
            open_can_port("slcan", path, 250000)


class Line:
    """The part of a socket that the port uses, with errors on demand."""

    def __init__(self, line: socket.socket) -> None:
        self.line = line
        self.error: OSError | None = None

    def setblocking(self, flag: bool) -> None:
        self.line.setblocking(flag)

    def fileno(self) -> int:
        return self.line.fileno()

    def recv(self, size: int) -> bytes:
        if self.error:
            raise self.error
        return self.line.recv(size)

    def send(self, data: bytes) -> int:
        if self.error:
            raise self.error
        return self.line.send(data)

    def close(self) -> None:
        self.line.close()


class TestSocketcan:
    """A packet socket stands in for the CAN socket: the frame layout and the error handling are what is ours."""

    @pytest.fixture
    def rig(self) -> Iterator[tuple[SocketcanPort, socket.socket, Line]]:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        line = Line(near)
        port = SocketcanPort(line, "can0")  # type: ignore[arg-type]  # offers what the port uses
        yield port, far, line
        port.close()
        far.close()

    def test_a_frame_has_the_layout_of_the_kernel(self, rig: tuple[SocketcanPort, socket.socket, Line]) -> None:
        port, far, _ = rig
        assert port.send(CanFrame(0x1826F456, b"\x01\x02\x03"))
        assert far.recv(100) == struct.pack("=I", 0x9826F456) + b"\x03\x00\x00\x00" + b"\x01\x02\x03" + bytes(5)
        assert port.send(CanFrame(0x123, b"", extended=False))
        assert far.recv(100) == struct.pack("=I", 0x123) + bytes(12)

    def test_data_frames_come_in_one_call_others_are_left_out(
        self, rig: tuple[SocketcanPort, socket.socket, Line]
    ) -> None:
        port, far, _ = rig
        assert port.receive(1.0) == []
        for word in (0x9826F456, 0xD826F456, 0x20000004, 0x00000123):
            far.send(struct.pack("=IB3x8s", word, 2, b"\xaa\xbb"))
        assert port.receive(2.0) == [
            CanFrame(0x1826F456, b"\xaa\xbb", 2.0),
            CanFrame(0x123, b"\xaa\xbb", 2.0, False),
        ]

    @pytest.mark.parametrize("code", [errno.ENOBUFS, errno.EAGAIN])
    def test_a_full_queue_is_no_error(self, rig: tuple[SocketcanPort, socket.socket, Line], code: int) -> None:
        port, _, line = rig
        line.error = OSError(code, "full")
        assert port.send(FRAME) is False
        assert port.dropped == 1
        line.error = None
        assert port.send(FRAME) is True

    def test_an_interface_that_goes_down_or_away_is_an_error(
        self, rig: tuple[SocketcanPort, socket.socket, Line]
    ) -> None:
        port, _, line = rig
        for code, text in ((errno.ENETDOWN, "is down"), (errno.ENODEV, "no such CAN interface"), (errno.EIO, "failed")):
            line.error = OSError(code, "")
            with pytest.raises(PortError, match=text):
                port.receive(0.0)
            with pytest.raises(PortError, match=text):
                port.send(FRAME)

    def test_listen_only_refuses_to_send(self) -> None:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        port = SocketcanPort(near, "can0", listen_only=True)
        assert port.send(FRAME) is False
        port.close()
        far.close()

    @pytest.mark.parametrize(
        ("code", "text"),
        [
            (errno.EAFNOSUPPORT, "no CAN support"),
            (errno.EPERM, "permission denied"),
        ],
    )
    def test_what_the_kernel_refuses_is_told_apart(self, monkeypatch: pytest.MonkeyPatch, code: int, text: str) -> None:
        def refuse(*_: object) -> None:
            raise OSError(code, "refused")

        monkeypatch.setattr(socket, "socket", refuse)
        with pytest.raises(PortError, match=text):
            open_socketcan("can0")

    def test_a_missing_interface_is_an_error_on_any_kernel(self) -> None:
        with pytest.raises(PortError) as caught:
            open_can_port("socketcan", "nocan99", 250000)
        assert caught.value.where == "nocan99"
