"""The slcan port against python-can's own bus and against a bare adapter, over pseudo terminals."""

import errno
import os
import select
import time
import tty
from collections.abc import Iterator
from pathlib import Path

import can
import pytest
from can.interfaces.slcan import slcanBus
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.can.frame import CanFrame
from drivers.can.port import CanPort, open_can_port
from drivers.can.slcan import SlcanPort
from drivers.can.state import BusState
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


def read_until(far: int, end: bytes) -> bytes:
    """A terminal hands its bytes on in pieces."""
    data = read_far(far)
    while not data.endswith(end):
        data += read_far(far)
    return data


def receive_some(port: CanPort, now_s: float) -> list[CanFrame]:
    wait_readable(port.fileno())
    return port.receive(now_s)


class TestSlcan:
    def test_opening_sets_the_rate_and_opens_the_channel(self, pair: tuple[int, str]) -> None:
        far, path = pair
        port = open_can_port("slcan", path, 250000)
        assert read_until(far, b"O\r") == b"C\rS5\rO\r"
        assert port.is_ready(0.0)
        assert port.restarts_by_opening
        port.close()
        assert read_far(far) == b"C\r"
        assert port.fileno() == -1
        port.close()

    def test_listen_only_opens_quietly_and_refuses_to_send(self, pair: tuple[int, str]) -> None:
        far, path = pair
        port = open_can_port("slcan", path, 125000, listen_only=True)
        assert read_until(far, b"L\r") == b"C\rS4\rL\r"
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
        read_until(far_a, b"O\r")
        read_until(far_b, b"O\rO\r")
        for frame in (FRAME, CanFrame(0x123, b"", extended=False), CanFrame(0, b"\x00")):
            assert port.send(frame)
            os.write(far_b, read_until(far_a, b"\r"))
            message = reference.recv(5.0)
            assert message is not None
            assert (message.arbitration_id, bytes(message.data), message.is_extended_id) == (
                frame.identifier,
                frame.data,
                frame.extended,
            )
            reference.send(can.Message(arbitration_id=frame.identifier, data=frame.data, is_extended_id=frame.extended))
            os.write(far_a, read_until(far_b, b"\r"))
            received = receive_some(port, 7.5)
            while not received:
                received = receive_some(port, 7.5)
            assert received == [CanFrame(frame.identifier, frame.data, 7.5, frame.extended)]
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
        assert port.counters.junk == 0
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
        assert port.counters.junk == 1
        port.close()

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.binary(min_size=1, max_size=200), max_size=10))
    def test_no_bytes_ever_raise(self, chunks: list[bytes]) -> None:
        far, near = os.openpty()
        tty.setraw(near)
        port = SlcanPort(os.ttyname(near), 250000)
        # Its opening is answered: a BELL is a refusal otherwise.
        os.write(far, b"\r\r\r")
        receive_some(port, 0.0)
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
        assert False in accepted
        assert port._bus._output_bytes <= 64 * 27
        assert port.counters.refused == accepted.count(False)
        # What was taken comes out whole and in order, what was refused never does.
        out = b""
        while select.select([far], [], [], 0.05)[0]:
            out += os.read(far, 1 << 16)
            port.receive(0.0)
        frames = [line for line in out.split(b"\r") if line.startswith(b"T")]
        assert len(frames) + port.counters.expired == accepted.count(True), "what waited too long was dropped"
        assert set(frames) == {b"T1826F45680102030405060708"}
        port.close()

    def test_an_adapter_that_goes_away_is_an_error_at_the_next_use(self, pair: tuple[int, str]) -> None:
        far, path = pair
        port = SlcanPort(path, 250000)
        os.close(far)
        with pytest.raises(PortError, match="port lost"):
            port.receive(0.0)
        with pytest.raises(PortError, match="port lost"):
            port.send(FRAME)
        port.close()

    def test_the_reasons_why_a_port_cannot_be_opened_differ(
        self, pair: tuple[int, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        far, path = pair
        with pytest.raises(PortError, match="port not found"):
            open_can_port("slcan", "/dev/not-here", 250000)
        with pytest.raises(PortError, match="bitrate"):
            open_can_port("slcan", path, 123456)
        with pytest.raises(PortError, match=r"unknown CAN interface vector.*socketcan, slcan, canalystii, pcan"):
            open_can_port("vector", path, 250000)
        with pytest.raises(PortError, match="port not found"):
            open_can_port("slcan", "socket://127.0.0.1:1", 250000)
        port = open_can_port("slcan", path, 250000)
        read_until(far, b"O\r")
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

    def test_a_file_is_no_serial_port(self, tmp_path: Path) -> None:
        path = tmp_path / "plain"
        path.write_text("")
        with pytest.raises(PortError, match="not a serial port"):
            open_can_port("slcan", str(path), 250000)
        with pytest.raises(PortError, match="no bit rate"):
            open_can_port("slcan", f"{path}@fast", 250000)

    def test_a_frame_that_waits_too_long_is_never_sent(
        self, pair: tuple[int, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        far, path = pair
        port = SlcanPort(path, 250000)
        read_until(far, b"O\r")
        real, blocked = os.write, True

        def write(fd: int, data: bytes) -> int:
            if blocked and fd == port.fileno():
                raise BlockingIOError
            return real(fd, data)

        monkeypatch.setattr(os, "write", write)
        assert port.send(FRAME)
        time.sleep(0.06)
        assert port.send(CanFrame(1, b"\x01"))
        blocked = False
        port.tick(time.monotonic())
        port.tick(time.monotonic())
        assert read_far(far).startswith(b"F\r") is False
        assert port.counters.expired == 1
        port.close()

    def test_a_frame_that_was_begun_is_ended(self, pair: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
        far, path = pair
        port = SlcanPort(path, 250000)
        read_until(far, b"O\r")
        real, room = os.write, 5

        def write(fd: int, data: bytes) -> int:
            return real(fd, data[:room]) if fd == port.fileno() else real(fd, data)

        monkeypatch.setattr(os, "write", write)
        assert port.send(FRAME)
        time.sleep(0.06)
        room = 100
        port.receive(1.0)
        assert read_until(far, b"\r") == b"T1826F45680102030405060708\r"
        assert port.counters.expired == 0
        port.close()

    def test_no_more_is_given_to_a_serial_port_than_leaves_in_time(
        self, pair: tuple[int, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        far, path = pair
        port = SlcanPort(path, 250000)
        read_until(far, b"O\r")
        monkeypatch.setattr(type(port._bus.serialPortOrig), "out_waiting", 576)
        assert port.send(FRAME)
        assert select.select([far], [], [], 0.05)[0] == []
        monkeypatch.setattr(type(port._bus.serialPortOrig), "out_waiting", 575)
        port.send(CanFrame(1, b""))
        assert select.select([far], [], [], 1.0)[0]
        port.close()

    @pytest.mark.parametrize(
        ("answers", "listen_only", "text"),
        [
            (b"\r\a", False, r"refuses a bit rate of 250000 bit/s.*bitrate_bps"),
            (b"\a\a", False, "refuses a bit rate"),
            (b"\r\r\a", True, r"no listen-only mode.*firmware"),
            (b"\a\r\a", False, "refuses to open its channel"),
        ],
    )
    def test_a_refusal_of_the_adapter_is_an_error(
        self, pair: tuple[int, str], answers: bytes, listen_only: bool, text: str
    ) -> None:
        far, path = pair
        port = open_can_port("slcan", path, 250000, listen_only)
        os.write(far, answers)
        wait_readable(port.fileno())
        with pytest.raises(PortError, match=text):
            port.receive(0.0)
        port.close()

    def test_a_channel_that_was_closed_already_may_refuse_to_be_closed(self, pair: tuple[int, str]) -> None:
        far, path = pair
        port = open_can_port("slcan", path, 250000)
        os.write(far, b"\a\r\r")
        assert receive_some(port, 0.0) == []
        port.close()

    def test_a_refused_frame_is_counted_and_no_error(self, pair: tuple[int, str]) -> None:
        far, path = pair
        port = open_can_port("slcan", path, 250000)
        os.write(far, b"\r\r\r")
        receive_some(port, 0.0)
        assert port.send(FRAME)
        os.write(far, b"\a")
        assert receive_some(port, 0.0) == []
        assert port.counters.refused == 1
        port.close()

    def test_late_answers_are_not_taken_for_those_to_opening(
        self, pair: tuple[int, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An adapter that answers nothing while it opens, and later refuses frames because its queue is full."""
        far, path = pair
        port = open_can_port("slcan", path, 250000)
        later_s = time.monotonic() + 2.0
        monkeypatch.setattr("drivers.can.slcan.time.monotonic", lambda: later_s)
        os.write(far, b"\a\a\a\a")
        assert receive_some(port, 0.0) == []
        assert port.counters.refused == 4
        port.close()

    @pytest.mark.parametrize(
        ("status", "state", "overruns"),
        [
            (b"F00", BusState.ACTIVE, 0),
            (b"F04", BusState.WARNING, 0),
            (b"F24", BusState.PASSIVE, 0),
            (b"F09", BusState.ACTIVE, 1),
        ],
    )
    def test_the_adapter_is_asked_for_its_state(
        self, pair: tuple[int, str], status: bytes, state: BusState, overruns: int
    ) -> None:
        far, path = pair
        port = open_can_port("slcan", path, 250000)
        read_until(far, b"O\r")
        os.write(far, b"\r\r\r")
        receive_some(port, 0.0)
        assert port.state is BusState.UNKNOWN
        for now_s in (1.0, 1.5, 2.0):
            port.tick(now_s)
        asked = read_far(far)
        while len(asked) < 4:
            asked += read_far(far)
        assert asked == b"F\rF\r", "once a second"
        os.write(far, status + b"\r")
        assert receive_some(port, 2.1) == []
        assert (port.state, port.counters.overruns, port.counters.junk) == (state, overruns, 0)
        port.close()

    def test_an_adapter_that_does_not_know_the_question_is_not_asked_for_ever(self, pair: tuple[int, str]) -> None:
        far, path = pair
        port = open_can_port("slcan", path, 250000)
        read_until(far, b"O\r")
        os.write(far, b"\r\r\r")
        receive_some(port, 0.0)
        for second in range(10):
            port.tick(float(second))
            if select.select([far], [], [], 0.02)[0]:
                read_far(far)
                os.write(far, b"\a")
                receive_some(port, float(second))
        assert (port.state, port.counters.refused) == (BusState.UNKNOWN, 0)
        port.tick(20.0)
        assert select.select([far], [], [], 0.05)[0] == []
        port.close()

    def test_no_call_waits(self, pair: tuple[int, str], monkeypatch: pytest.MonkeyPatch) -> None:
        """Opening, sending until nothing is taken, reading, closing: an adapter that does nothing at all."""
        _, path = pair
        begun_s = time.monotonic()
        port = open_can_port("slcan", path, 250000)
        monkeypatch.setattr("serial.Serial.out_waiting", 1_000_000)
        accepted = [port.send(FRAME) for _ in range(200)]
        # More than fit only because some have expired meanwhile, on a slow machine.
        assert accepted.count(True) == 64 + port.counters.expired
        assert False in accepted
        port.receive(0.0)
        port.tick(0.0)
        port.close()
        assert time.monotonic() - begun_s < 1.5
