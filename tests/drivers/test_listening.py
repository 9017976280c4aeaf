"""A line that is only listened to: no way to send, opened with L, and what the kernel says about the interface."""

import os
import pty
import socket
import struct
import tty
from typing import Any

import pytest

from drivers.can import listening
from drivers.can.frame import CanFrame
from drivers.can.link_mode import LinkModeError, listen_only_of, parse, request_for
from drivers.can.listening import Acknowledging, ListeningPort, interface_acknowledges
from drivers.can.slcan import SlcanPort
from drivers.can.socketcan import SocketcanPort
from drivers.errors import PortError
from hil_tests.bench.slcan import SlcanAdapter

FRAME = CanFrame(0x1826F456, b"\x01\x01\x00")


class Inner:
    """The port below."""

    def __init__(self) -> None:
        self.sent: list[CanFrame] = []
        self.closed = 0

    def fileno(self) -> int:
        return 7

    def receive(self, now_s: float) -> list[CanFrame]:
        return [FRAME]

    def send(self, frame: CanFrame) -> bool:
        self.sent.append(frame)
        return True

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    calls: list[tuple[Any, ...]] = []

    def open_can_port(interface: str, channel: str, bitrate_bps: int, listen_only: bool = False) -> Inner:
        calls.append((interface, channel, bitrate_bps, listen_only))
        return Inner()

    monkeypatch.setattr(listening, "open_can_port", open_can_port)
    monkeypatch.setattr(listening, "interface_acknowledges", lambda channel: Acknowledging.UNKNOWN)
    return calls


@pytest.mark.parametrize("interface", ["slcan", "socketcan"])
def test_it_is_opened_listen_only(opened: list[tuple[Any, ...]], interface: str) -> None:
    ListeningPort(interface, "x", 250_000)
    assert opened == [(interface, "x", 250_000, True)]


def test_it_can_be_read_and_closed_and_nothing_else(opened: list[tuple[Any, ...]]) -> None:
    line = ListeningPort("slcan", "x", 250_000)
    assert (line.fileno(), line.receive(1.0)) == (7, [FRAME])
    line.close()
    public = {name for name in dir(line) if not name.startswith("_")}
    assert public == {"fileno", "receive", "close", "acknowledging"}
    held = [getattr(line, name) for name in ListeningPort.__slots__]
    assert not any(isinstance(value, Inner) for value in held), "the port itself is not kept"
    with pytest.raises(AttributeError):
        line.send = print  # type: ignore[attr-defined]


def test_a_port_below_refuses_to_send_as_well() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        below = SocketcanPort(ours, "can0", listen_only=True)
        assert below.send(FRAME) is False
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(16)


def test_an_slcan_adapter_is_opened_with_l_and_keeps_every_frame_off_the_bus() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    line = ListeningPort("slcan", os.ttyname(slave), 250_000)
    written = os.read(master, 100)
    assert written == b"C\rS5\rL\r"
    assert line.acknowledging is Acknowledging.NO
    adapter = SlcanAdapter()
    assert adapter.feed(written)[0] == []
    assert adapter.listen_only
    assert (adapter.opened_with, adapter.frames_asked) == (["L"], 0)
    assert adapter.feed(b"T1826F4563010100\r") == ([], b"\a"), "the adapter itself refuses too"
    assert adapter.frames_asked == 1, "and the bench counts what was asked of it"
    line.close()
    line.close()
    assert os.read(master, 100) == b"C\r"
    os.close(master)
    os.close(slave)


def test_a_port_that_cannot_be_opened_says_so() -> None:
    with pytest.raises(PortError):
        ListeningPort("slcan", "/dev/does-not-exist", 250_000)


def test_the_listen_only_port_of_slcan_never_writes_a_frame() -> None:
    master, slave = pty.openpty()
    tty.setraw(slave)
    below = SlcanPort(os.ttyname(slave), 250_000, listen_only=True)
    assert below.send(FRAME) is False
    assert os.read(master, 100) == b"C\rS5\rL\r"
    below.close()
    os.close(master)
    os.close(slave)


# What the kernel says.


def attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def answer(info: bytes, kind: int = 16) -> bytes:
    body = struct.pack("=BxHiII", 0, 280, 3, 0, 0) + attribute(3, b"can0\0") + attribute(18, info)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


def can_info(flags: int, kind: bytes = b"can\0") -> bytes:
    data = attribute(1, struct.pack("=8I", *([0] * 8))) + attribute(5, struct.pack("=II", 0xFF, flags))
    return attribute(1, kind) + attribute(2 | 0x8000, data)


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (can_info(0x02), True),
        (can_info(0x22), True),
        (can_info(0x00), False),
        (can_info(0x20), False),
        (can_info(0x02, b"vcan\0"), None),
        (attribute(1, b"can\0"), None),
        (attribute(1, b"can\0") + attribute(2, attribute(5, b"\x02")), None),
        (b"", None),
        (b"\x01\x00\x00\x00", None),
        (b"\xff\xff\x01\x00", None),
    ],
)
def test_the_mode_of_an_interface(info: bytes, expected: bool | None) -> None:
    assert parse(answer(info)) is expected


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"short",
        answer(b"", kind=3),
        struct.pack("=IHHIIi", 20, 2, 0, 1, 0, -19),
        struct.pack("=IHHII", 16, 16, 0, 1, 0),
    ],
)
def test_an_answer_that_is_none(data: bytes) -> None:
    with pytest.raises(LinkModeError):
        parse(data)


def test_a_refusal_names_its_number() -> None:
    with pytest.raises(LinkModeError, match="error 19"):
        parse(struct.pack("=IHHIIi", 20, 2, 0, 1, 0, -19))


def test_the_question_is_one_message() -> None:
    question = request_for(3)
    assert struct.unpack_from("=IHHII", question) == (32, 18, 1, 1, 0)
    assert struct.unpack_from("=BxHiII", question, 16) == (0, 0, 3, 0, 0)


def test_this_kernel_answers_about_its_loopback() -> None:
    assert listen_only_of("lo") is None


def test_an_interface_that_does_not_exist() -> None:
    with pytest.raises(LinkModeError):
        listen_only_of("nothere0")


@pytest.mark.parametrize(
    ("says", "expected", "words"),
    [
        (True, Acknowledging.NO, ""),
        (False, Acknowledging.YES, "ip link set can0"),
        (None, Acknowledging.UNKNOWN, "does not say"),
        (LinkModeError("no netlink"), Acknowledging.UNKNOWN, "no netlink"),
    ],
)
def test_what_follows_from_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, says: Any, expected: Acknowledging, words: str
) -> None:
    def answer_of(channel: str) -> bool | None:
        if isinstance(says, Exception):
            raise says
        return says  # type: ignore[no-any-return]

    monkeypatch.setattr("drivers.can.link_mode.listen_only_of", answer_of)
    assert interface_acknowledges("can0") is expected
    assert words in caplog.text
    assert bool(words) == bool(caplog.text)
