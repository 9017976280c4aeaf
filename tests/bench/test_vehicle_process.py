"""The vehicle's process and its two links: the plant's socket and the CAN line."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hil_tests.bench.vehicle.alone import SourceFile
from hil_tests.bench.vehicle.bms import Inlet
from hil_tests.bench.vehicle.plant_link import PlantError, PlantProtocol
from hil_tests.bench.vehicle.vehicle import Reply, Source

LONGEST_WAIT_S = 30.0
"""How long a test waits for another process before it fails: generous, because nothing is timed here."""


# ------------------------------------------------------------------------------------------------------- pure parts


def test_lines_of_the_plant_may_come_in_pieces() -> None:
    protocol = PlantProtocol()
    line = b'{"plugged": true, "auxiliary_voltage_v": 12.1, "terminal_voltage_v": 380, "current_a": -1.5}\n'
    assert protocol.receive(line[:20]) == []
    assert protocol.receive(line[20:] + b'{"command": "permit off"}\n\n{"plu') == [
        Inlet(True, 12.1, 380.0, -1.5),
        "permit off",
    ]
    assert protocol.receive(b'gged": false, "later": [1]}\n') == [Inlet(False, 0.0, 0.0, 0.0)]


@pytest.mark.parametrize("line", [b"nonsense\n", b'{"plugged": "yes"}\n', b"[1]\n", b"x" * 70000])
def test_nonsense_from_the_plant_is_named(line: bytes) -> None:
    with pytest.raises(PlantError, match="the plant sent"):
        PlantProtocol().receive(line)


def test_lines_to_the_plant() -> None:
    assert json.loads(PlantProtocol.source_line(Source(361.2, 0.08, True))) == {
        "open_circuit_voltage_v": 361.2,
        "resistance_ohm": 0.08,
        "contactors_closed": True,
    }
    assert json.loads(PlantProtocol.reply_line(Reply(False, "no"))) == {"ok": False, "reply": "no"}


def test_the_source_file_follows_contactors_at_once_and_values_slowly(tmp_path: Path) -> None:
    path = tmp_path / "inlet"
    file = SourceFile(path)
    file.update(Source(360.0, 0.1, False), 0.0)
    file.update(Source(361.0, 0.1, False), 0.05)
    assert json.loads(path.read_text())["open_circuit_voltage_v"] == 360.0
    file.update(Source(361.0, 0.1, True), 0.06)
    assert json.loads(path.read_text()) == {
        "open_circuit_voltage_v": 361.0,
        "resistance_ohm": 0.1,
        "contactors_closed": True,
    }
    assert [each.name for each in tmp_path.iterdir()] == ["inlet"]


# ------------------------------------------------------------------------------------------------------ the process


class Bench:
    """A pty for the CAN line and a socket for the plant, with the vehicle's process between them."""

    def __init__(self, folder: Path) -> None:
        self.can, slave = os.openpty()
        tty.setraw(self.can)
        tty.setraw(slave)
        self.channel = os.ttyname(slave)
        self._slave = slave
        self.path = folder / "plant.sock"
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self.path))
        self._server.listen()
        self._server.settimeout(LONGEST_WAIT_S)
        self.process: subprocess.Popen[str] | None = None

    def start(self, *options: str) -> None:
        command = [
            sys.executable,
            "-m",
            "hil_tests.bench.vehicle",
            "--channel",
            self.channel,
            "--plant",
            str(self.path),
        ]
        self.process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
        self.plant = self._server.accept()[0]
        self.plant.settimeout(LONGEST_WAIT_S)
        self.lines = self.plant.makefile("r")

    def tell(self, **message: Any) -> None:
        self.plant.sendall(json.dumps(message).encode() + b"\n")

    def ask(self, command: str) -> dict[str, Any]:
        self.tell(command=command)
        while True:
            message: dict[str, Any] = json.loads(self.lines.readline())
            if "reply" in message:
                return message

    def frame(self, head: bytes) -> bytes:
        """Wait for an slcan line that begins like this."""
        heard = b""
        end_s = time.monotonic() + LONGEST_WAIT_S
        while time.monotonic() < end_s:
            ready, _, _ = select.select([self.can], [], [], 1.0)
            heard += os.read(self.can, 4096) if ready else b""
            for line in heard.split(b"\r")[:-1]:
                if line.startswith(head):
                    return line
        raise AssertionError(f"no {head!r} in {heard!r}")

    def ended(self) -> tuple[int, str]:
        assert self.process is not None
        _, errors = self.process.communicate(timeout=LONGEST_WAIT_S)
        return self.process.returncode, errors

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.communicate()
        for each in (self.can, self._slave):
            os.close(each)
        self._server.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_it_answers_chm_on_the_wire_and_commands_on_the_socket_and_ends_with_the_plant(bench: Bench) -> None:
    bench.start("--profile", "demo-car", "--soc", "81.5")
    source = json.loads(bench.lines.readline())
    assert source["contactors_closed"] is False
    assert 380 < source["open_circuit_voltage_v"] < 400
    bench.tell(plugged=True, auxiliary_voltage_v=12.0, terminal_voltage_v=0.0, current_a=0.0)
    while json.loads(bench.ask("state")["reply"])["phase"] != "handshake":
        pass
    os.write(bench.can, b"T1826F4563010100\r")
    assert bench.frame(b"T182756F42") == b"T182756F42D011", "BHM: 456.0 V"
    assert json.loads(bench.ask("state")["reply"])["soc_percent"] == 81.5
    assert bench.ask("nonsense")["ok"] is False
    bench.lines.close()
    bench.plant.close()
    assert bench.ended() == (0, "")


def test_sigterm_ends_it_in_order(bench: Bench) -> None:
    bench.start()
    bench.lines.readline()
    assert bench.process is not None
    bench.process.send_signal(signal.SIGTERM)
    assert bench.ended() == (0, "")


def test_it_does_not_survive_its_parent(bench: Bench) -> None:
    parent = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen(sys.argv[1:])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-m", "hil_tests.bench.vehicle", "--channel", bench.channel, "--alone"]
    process = subprocess.Popen(
        [sys.executable, "-c", parent, *command], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    vehicle = int(process.stdout.readline())
    bench.frame(b"O")  # the adapter has been opened: the vehicle is up
    process.kill()
    process.communicate()
    end_s = time.monotonic() + LONGEST_WAIT_S
    while time.monotonic() < end_s:
        try:
            if Path(f"/proc/{vehicle}/stat").read_text().split()[2] == "Z":
                return  # dead, and nobody has collected it yet
        except (FileNotFoundError, ProcessLookupError):
            return
        time.sleep(0.02)
    os.kill(vehicle, signal.SIGKILL)
    raise AssertionError("the vehicle lives on")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--plant", "{folder}/nobody.sock"], 1, "no plant answers there"),
        (["--plant", "{folder}/" + "x" * 120], 1, "no plant answers there"),
        (["--alone", "--profile", "tank"], 1, "there is no vehicle profile 'tank'"),
        ([], 2, "give either --plant SOCKET or --alone"),
        (["--alone", "--plant", "x"], 2, "give either --plant SOCKET or --alone"),
        (["--plant", "x", "--terminal-voltage-file", "y"], 2, "goes with --alone"),
    ],
)
def test_a_wrong_start_ends_with_a_clear_message(
    bench: Bench, tmp_path: Path, options: list[str], code: int, message: str
) -> None:
    command = [sys.executable, "-m", "hil_tests.bench.vehicle", "--channel", bench.channel]
    command += [option.format(folder=tmp_path) for option in options]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_WAIT_S)
    assert ended.returncode == code
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_missing_can_line_is_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hil_tests.bench.vehicle", "--alone", "--channel", str(tmp_path / "nothing")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_WAIT_S)
    assert ended.returncode == 1
    assert str(tmp_path / "nothing") in ended.stderr
    assert "Traceback" not in ended.stderr
