"""A line that is only listened to: no way to send, opened with L, and what the kernel says about the interface."""

import os
import pty
import struct
import tty
from typing import Any

import pytest

from drivers.can import listening
from drivers.can.frame import CanFrame
from drivers.can.interfaces import CAN_INTERFACES, SELF_LISTEN_ONLY
from drivers.can.kernel_link import (
    KernelLink,
    KernelLinkError,
    check_kernel_link,
    kernel_link,
    parse,
    request_for,
)
from drivers.can.listening import Acknowledging, ListeningPort, interface_acknowledges
from drivers.can.slcan import SlcanPort
from drivers.can.state import BusState, CanCounters
from drivers.errors import PortError
from hil_tests.bench.slcan import SlcanAdapter

FRAME = CanFrame(0x1826F456, b"\x01\x01\x00")


class Inner:
    """The port below."""

    def __init__(self) -> None:
        self.sent: list[CanFrame] = []
        self.closed = 0
        self.ticks: list[float] = []
        self.counters = CanCounters()
        self.state = BusState.PASSIVE

    def is_ready(self, now_s: float) -> bool:
        return now_s > 1.0

    def tick(self, now_s: float) -> None:
        self.ticks.append(now_s)

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


@pytest.mark.parametrize("interface", CAN_INTERFACES)
def test_it_is_opened_listen_only(opened: list[tuple[Any, ...]], interface: str) -> None:
    line = ListeningPort(interface, "x", 250_000)
    assert opened == [(interface, "x", 250_000, True)]
    expected = Acknowledging.NO if interface in SELF_LISTEN_ONLY else Acknowledging.UNKNOWN
    assert line.acknowledging is expected


def test_it_can_be_read_and_closed_and_nothing_else(opened: list[tuple[Any, ...]]) -> None:
    line = ListeningPort("slcan", "x", 250_000)
    assert (line.fileno(), line.receive(1.0)) == (7, [FRAME])
    assert (line.state, line.is_ready(1.0), line.is_ready(2.0)) == (BusState.PASSIVE, False, True)
    line.tick(3.0)
    line.close()
    public = {name for name in dir(line) if not name.startswith("_")}
    assert public == {
        *("fileno", "receive", "close", "acknowledging"),
        *("is_ready", "tick", "state", "counters", "restarts_by_opening"),
    }
    held = [getattr(line, name) for name in ListeningPort.__slots__]
    assert not any(isinstance(value, Inner) for value in held), "the port itself is not kept"
    with pytest.raises(AttributeError):
        line.send = print  # type: ignore[attr-defined]


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


def answer(info: bytes, kind: int = 16, flags: int = 1) -> bytes:
    body = struct.pack("=BxHiII", 0, 280, 3, flags, 0) + attribute(3, b"can0\0") + attribute(18, info)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


def can_info(
    flags: int | None = 0,
    kind: bytes = b"can\0",
    *,
    bitrate_bps: int = 250_000,
    state: int = 0,
    restart_ms: int = 100,
) -> bytes:
    data = attribute(1, struct.pack("=8I", bitrate_bps, *([0] * 7))) + attribute(4, struct.pack("=I", state))
    data += attribute(6, struct.pack("=I", restart_ms))
    if flags is not None:
        data += attribute(5, struct.pack("=II", 0xFF, flags))
    return attribute(1, kind) + attribute(2 | 0x8000, data)


UNKNOWN = KernelLink("can0", is_up=True)


@pytest.mark.parametrize(
    ("info", "listen_only"),
    [(can_info(0x02), True), (can_info(0x22), True), (can_info(0x00), False), (can_info(0x20), False)],
)
def test_the_mode_of_an_interface(info: bytes, listen_only: bool) -> None:
    assert parse("can0", answer(info)) == KernelLink("can0", True, 250_000, BusState.ACTIVE, 100, listen_only)


@pytest.mark.parametrize(
    "info",
    [
        can_info(0x02, b"vcan\0"),
        attribute(1, b"can\0"),
        attribute(1, b"can\0") + attribute(2, attribute(5, b"\x02")),
        b"",
        b"\x01\x00\x00\x00",
        b"\xff\xff\x01\x00",
    ],
)
def test_an_interface_of_which_nothing_is_said(info: bytes) -> None:
    link = parse("can0", answer(info))
    assert link == UNKNOWN
    assert check_kernel_link(link, 250_000) == [], "nothing is wrong with what nothing is known of"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (0, BusState.ACTIVE),
        (1, BusState.WARNING),
        (2, BusState.PASSIVE),
        (3, BusState.OFF),
        (4, BusState.UNKNOWN),
        (5, BusState.UNKNOWN),
    ],
)
def test_the_state_of_the_controller(state: int, expected: BusState) -> None:
    assert parse("can0", answer(can_info(state=state))).state is expected


def test_the_state_of_an_interface_that_is_down_says_nothing() -> None:
    link = parse("can0", answer(can_info(None, bitrate_bps=0), flags=0))
    assert link == KernelLink("can0", is_up=False, restart_ms=100)


def test_an_interface_as_the_site_file_wants_it() -> None:
    assert check_kernel_link(parse("can0", answer(can_info())), 250_000) == []


@pytest.mark.parametrize(
    ("link", "wrong", "what", "cure"),
    [
        (
            KernelLink("can0", True, 500_000, restart_ms=100),
            True,
            "runs at 500000 bit/s, the site file gives 250000 bit/s",
            "ip link set can0 down; ip link set can0 up type can bitrate 250000 restart-ms 100, and",
        ),
        (
            KernelLink("can0", True, 500_000, restart_ms=0, listen_only=True),
            True,
            "runs at 500000 bit/s",
            "bitrate 250000 restart-ms 100 listen-only on",
        ),
        (KernelLink("can0", False), True, "is down", "do: ip link set can0 up type can bitrate 250000 restart-ms 100"),
        (KernelLink("can0", True, 250_000, restart_ms=0), False, "stays off after bus-off", "restart-ms 100"),
    ],
)
def test_an_interface_that_does_not_fit_the_site_file(link: KernelLink, wrong: bool, what: str, cure: str) -> None:
    (found,) = check_kernel_link(link, 250_000)
    assert (found.wrong, what in found.what.en, cure in found.cure.en) == (wrong, True, True)
    assert "can0" in found.what.zh
    assert "ip link set can0" in found.cure.zh


def test_two_findings_at_once() -> None:
    found = check_kernel_link(KernelLink("can0", True, 125_000, restart_ms=0, listen_only=False), 250_000)
    assert [finding.wrong for finding in found] == [True, False]


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
    with pytest.raises(KernelLinkError):
        parse("can0", data)


def test_a_refusal_names_its_number() -> None:
    with pytest.raises(KernelLinkError, match="error 19"):
        parse("can0", struct.pack("=IHHIIi", 20, 2, 0, 1, 0, -19))


def test_the_question_is_one_message() -> None:
    question = request_for(3)
    assert struct.unpack_from("=IHHII", question) == (32, 18, 1, 1, 0)
    assert struct.unpack_from("=BxHiII", question, 16) == (0, 0, 3, 0, 0)


def test_this_kernel_answers_about_its_loopback() -> None:
    assert kernel_link("lo").listen_only is None


def test_an_interface_that_does_not_exist() -> None:
    with pytest.raises(KernelLinkError):
        kernel_link("nothere0")


@pytest.mark.parametrize(
    ("says", "expected", "words"),
    [
        (True, Acknowledging.NO, ""),
        (False, Acknowledging.YES, "ip link set can0"),
        (None, Acknowledging.UNKNOWN, "unknown whether"),
        (KernelLinkError("no netlink"), Acknowledging.UNKNOWN, "no netlink"),
    ],
)
def test_what_follows_from_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, says: Any, expected: Acknowledging, words: str
) -> None:
    def answer_of(channel: str) -> KernelLink:
        if isinstance(says, Exception):
            raise says
        return KernelLink(channel, is_up=True, listen_only=says)

    monkeypatch.setattr("drivers.can.kernel_link.kernel_link", answer_of)
    assert interface_acknowledges("can0") is expected
    assert words in caplog.text
    assert bool(words) == bool(caplog.text)
