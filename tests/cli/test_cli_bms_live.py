"""pile-agent bms live: a real serial line, and nothing ever sent on it."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_pile import Pile

from agent.cli.bms.live import Live
from hil_tests.recordings.scenes import SCENES

FRAMES = SCENES["good"]().frames
OPENED = b"C\rS5\rL\r"
"""Close, 250 kbit/s, listen only: all that an adapter may be told."""


class Adapter:
    """The far end of an slcan adapter: waits until it is opened for listening, then lets frames come in."""

    def __init__(self, count: int) -> None:
        self.master, slave = os.openpty()
        self.channel = os.ttyname(slave)
        self._slave = slave
        self.told = b""
        self._count = count
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while OPENED not in self.told:
            self.told += os.read(self.master, 100)
        for _, frame in FRAMES[: self._count]:
            os.write(self.master, f"T{frame.identifier:08X}{len(frame.data)}{frame.data.hex().upper()}\r".encode())

    def close(self) -> bytes:
        """All that was written to the adapter."""
        self._thread.join(10)
        os.close(self._slave)
        os.set_blocking(self.master, False)
        try:
            while data := os.read(self.master, 1000):
                self.told += data
        except OSError:
            pass
        os.close(self.master)
        return self.told


@pytest.fixture
def pile(tmp_path: Path) -> Pile:
    return Pile(tmp_path)


@pytest.fixture(autouse=True)
def _ctrl_c_works() -> Iterator[None]:
    # Test workers ignore it, as all processes in the background do.
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)


def stop_when_recorded(path: Path, lines: int) -> None:
    """Press Ctrl-C once so many frames were written."""

    def wait() -> None:
        while not path.exists() or path.read_bytes().count(b"\n") < lines:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait, daemon=True).start()


def test_listening_on_a_serial_line_until_ctrl_c(pile: Pile, tmp_path: Path) -> None:
    count, record = 300, tmp_path / "heard.log"
    adapter = Adapter(count)
    stop_when_recorded(record, count)
    result = pile(
        "bms", "live", "--interface", "slcan", "--channel", adapter.channel, "--record", str(record), "--frames"
    )
    told = adapter.close()
    assert result.exit_code == 0, result.output
    assert told == OPENED + b"C\r", "nothing but opening and closing"
    assert "== HANDSHAKE" in result.stdout
    assert "vehicle identified: LDEMX1SHUTTLE0001" in result.stdout
    assert "CHM charger  version=1.1" in result.stdout
    assert "cut off by the end of the recording" in result.stdout
    again = json.loads(pile("bms", "decode", str(record), "--json").stdout)
    assert again["frames"] == count
    assert again["sessions"][0]["vin"] == "LDEMX1SHUTTLE0001"
    assert abs(again["begin_unix_s"] - time.time()) < 600


def test_the_vehicle_bus_of_the_site_file(pile: Pile, tmp_path: Path) -> None:
    adapter, record = Adapter(100), tmp_path / "heard.log"
    text = pile.site_file.read_text(encoding="utf-8")
    first = text.index("[[bus.can]]")
    block = text[first : text.index("[[", first + 2)]
    changed = "\n".join(
        'interface = "slcan"' if line.startswith("interface") else
        f'channel = "{adapter.channel}"' if line.startswith("channel") else line
        for line in block.splitlines()
    )  # fmt: skip
    pile.change(block, changed + "\n")
    stop_when_recorded(record, 100)
    result = pile("bms", "live", "--json", "--record", str(record))
    assert adapter.close() == OPENED + b"C\r"
    document = json.loads(result.stdout)
    assert document["sessions"][0]["vin"] == "LDEMX1SHUTTLE0001"


def test_a_bus_on_which_nothing_is_said(pile: Pile) -> None:
    adapter = Adapter(0)
    result = pile("bms", "live", "--interface", "slcan", "--channel", adapter.channel, "--seconds", "0.2")
    assert adapter.close() == OPENED + b"C\r"
    assert result.exit_code == 0
    assert "no message of a charger or a vehicle (0 frames received)" in result.stdout


def test_a_port_that_does_not_exist(pile: Pile) -> None:
    result = pile("bms", "live", "--interface", "slcan", "--channel", "/dev/there-is-none")
    assert result.exit_code == 1
    assert "/dev/there-is-none" in result.stderr
    assert "Traceback" not in result.output


def test_a_record_that_cannot_be_written(pile: Pile, tmp_path: Path) -> None:
    adapter = Adapter(0)
    result = pile(
        "bms", "live", "--interface", "slcan", "--channel", adapter.channel, "--record", str(tmp_path / "no" / "a.log")
    )
    adapter.close()
    assert result.exit_code == 1
    assert "a.log" in result.stderr


def test_an_interface_needs_a_channel(pile: Pile) -> None:
    assert pile("bms", "live", "--interface", "slcan").exit_code == 2


def test_what_is_told_as_it_happens(capsys: pytest.CaptureFixture[str]) -> None:
    live = Live(edition="2015", language="en")
    live.poll(5.0)
    for at_s, frame in FRAMES:
        live.take(frame, 1000.0 + at_s)
        live.poll(1000.0 + at_s)
    live.finish()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "     0.000   CHM session begins"
    assert sum("demand 4" in line and "output 4" in line for line in lines) == pytest.approx(8, abs=1)
    assert sum("interval off" in line and "BCS" in line for line in lines) == 1, "only the first of its kind"
    assert any(line.endswith("BST stop asked for: SoC target reached") for line in lines)
    live.show_summary()
    assert "session 1: complete, 0 violations" in capsys.readouterr().out
