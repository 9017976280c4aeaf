"""Opening the outputs past a dead field process: a board that answers, one that does not, and a wrong site file."""

import os
import pty
import socket
import threading
import tty
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_pile import Pile

from agent.cli.make_safe import run_make_safe, switch_off
from agent.cli.make_safe_plan import LEFT_ALONE, Target, find_targets
from drivers.modbus import codec

LOCK_CHANNEL = 3


class BoardOnALine:
    """A relay board and the port that leads to it. Frames of function 5 are echoed, as the real board does."""

    def __init__(self, *, deaf_for: int = 0, refuses: tuple[int, ...] = ()) -> None:
        self.closed = set(range(8))
        self.order: list[int] = []
        self._deaf_for = deaf_for
        self._refuses = refuses
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.send(b"\x01\x02noise of the one that died")

    def fileno(self) -> int:
        return self._ours.fileno()

    def read(self) -> bytes:
        try:
            return self._ours.recv(4096)
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> None:
        if self._deaf_for:
            self._deaf_for -= 1
            return
        reply = self.reply(data)
        if reply:
            self._theirs.send(reply)

    def reply(self, data: bytes) -> bytes:
        assert codec.checksum(data[:-2]) == data[-2:]
        address, function, channel = data[0], data[1], int.from_bytes(data[2:4], "big")
        assert (address, function) == (1, codec.WRITE_COIL)
        assert data[4:6] == b"\x00\x00", "nothing is ever switched on"
        if channel in self._refuses:
            frame = bytes((address, function | 0x80, 4))
            return frame + codec.checksum(frame)
        self.closed.discard(channel)
        self.order.append(channel)
        return data

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()


class Clock:
    """Leaps ahead, so that nobody waits for a silent board."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 0.149
        return self.now_s


@pytest.fixture
def pile(tmp_path: Path) -> Pile:
    return Pile(tmp_path)


def only_target(site_file: Path) -> Target:
    plan = find_targets(site_file)
    assert plan.problems == ()
    (target,) = plan.targets
    assert isinstance(target, Target)
    return target


@pytest.fixture
def target(pile: Pile) -> Target:
    return only_target(pile.site_file)


def test_the_contactors_come_first_and_the_lock_is_left_alone(target: Target) -> None:
    board = BoardOnALine()
    assert switch_off(target, board) == []
    assert board.order[:2] == [0, 1]
    assert board.closed == {LOCK_CHANNEL}
    assert LEFT_ALONE not in dict(target.channels)


def test_a_board_that_misses_some_frames_is_asked_again(target: Target) -> None:
    board = BoardOnALine(deaf_for=9)
    assert switch_off(target, board, Clock()) == []
    assert board.closed == {LOCK_CHANNEL}


def test_a_silent_board_is_not_believed(target: Target) -> None:
    left = switch_off(target, BoardOnALine(deaf_for=1000), Clock())
    assert left[:2] == ["contactor_k1", "contactor_k2"]
    assert len(left) == 7


def test_an_exception_is_no_confirmation(target: Target) -> None:
    assert switch_off(target, BoardOnALine(refuses=(1,)), Clock()) == ["contactor_k2"]


def test_mistakes_elsewhere_in_the_file_do_not_keep_it_from_working(pile: Pile) -> None:
    pile.change('profile = "dc-60kw"', "profile = 7")
    pile.change('bus = "io"\naddress = 1', 'bus = "io"\naddress = 9')
    pile.change("tls = true", 'tls = true\nca_file = "/none"')
    target = only_target(pile.site_file)
    assert (target.address, target.baud, target.parity, target.stop_bits) == (9, 115200, "N", 1)


def test_without_a_wiring_all_relays_go_off(pile: Pile) -> None:
    pile.change('wiring = "reference-dc"', 'wiring = "gone"')
    target = only_target(pile.site_file)
    board = BoardOnALine()
    assert switch_off(target, board) == []
    assert board.closed == set()


def test_a_file_that_does_not_say_where_the_board_is(pile: Pile, capsys: pytest.CaptureFixture[str]) -> None:
    pile.change('bus = "io"', 'bus = "oi"')
    assert run_make_safe(pile.site_file, "en") == 2
    assert "board[0].bus: has no place for the relay board" in capsys.readouterr().err


def test_a_missing_port_is_named(
    pile: Pile, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.cli.make_safe.time.sleep", lambda _: None)
    assert run_make_safe(pile.site_file, "en") == 1
    said = capsys.readouterr().err
    assert "port not found" in said
    assert "by itself 1 s after the last pulse" in said


@pytest.fixture
def line() -> Iterator[tuple[str, BoardOnALine]]:
    """A board behind a real serial port."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    board = BoardOnALine()

    def serve() -> None:
        data = b""
        while True:
            try:
                data += os.read(master, 64)
            except OSError:
                return
            while len(data) >= 8:
                frame, data = data[:8], data[8:]
                os.write(master, board.reply(frame))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield os.ttyname(slave), board
    os.close(slave)
    os.close(master)
    thread.join(10)
    board.close()


def test_through_a_real_port(pile: Pile, line: tuple[str, BoardOnALine], capsys: pytest.CaptureFixture[str]) -> None:
    path, board = line
    text = pile.site_file.read_text(encoding="utf-8")
    (port,) = [entry for entry in text.splitlines() if entry.startswith("port = ") and "1.2" in entry]
    pile.change(port, f'port = "{path}"')
    assert run_make_safe(pile.site_file, "en") == 0
    assert board.closed == {LOCK_CHANNEL}
    assert capsys.readouterr().err == "outputs are off\n"


def test_a_missing_site_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_make_safe(tmp_path / "none.toml", "zh") == 2
    assert "没有这个文件" in capsys.readouterr().err
