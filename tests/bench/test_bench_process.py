"""The bench as a process: comes up, answers, and leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil_tests.bench.client import BenchError
from hil_tests.bench.runner import Bench, start_bench

pytestmark = pytest.mark.bench


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with start_bench(tmp_path, without=["vehicle"], battery_voltage_v=400.0) as running:
        yield running


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return state != "Z"


def wait_until_gone(pids: list[int]) -> list[int]:
    """Process ids that are still there after a time that no orderly end needs."""
    deadline_s = time.monotonic() + 15.0
    while any(map(is_alive, pids)) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    return [pid for pid in pids if is_alive(pid)]


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True


def test_plug_and_probe_then_stop_leaves_no_process_and_no_port(bench: Bench) -> None:
    assert all(Path(path).exists() for path in bench.info["devices"].values())
    assert accepts(bench.mqtt_port)
    assert bench.do("plug") == "plugged"
    probe = bench.client.wait_for(lambda probe: bool(probe["plugged"]), 5.0)
    assert probe["cc1_voltage_v"] == 4.0
    assert probe["wires"] == dict.fromkeys(["vehicle", "meter", "power-stage", "inputs-outputs", "broker"], "ok")
    pids = list(bench.info["pids"].values())
    assert len(pids) == 2
    bench.stop()
    assert bench.process.returncode == 0
    assert wait_until_gone(pids) == []
    assert not (bench.folder / "bench.json").exists()
    assert not (bench.folder / "bench.sock").exists()
    assert list((bench.folder / "dev").iterdir()) == []
    assert not accepts(bench.mqtt_port)


def test_broker_can_be_cut_and_comes_back_on_its_port(bench: Bench) -> None:
    bench.do("cut wire broker")
    assert not accepts(bench.mqtt_port)
    assert bench.probe()["wires"]["broker"] == "cut"
    bench.do("mend wire broker")
    assert accepts(bench.mqtt_port)
    assert bench.probe()["wires"]["broker"] == "ok"


def test_a_killed_bench_takes_its_children_along(bench: Bench) -> None:
    bench.process.kill()
    assert wait_until_gone(list(bench.info["pids"].values())) == []


def test_one_folder_holds_one_bench(bench: Bench) -> None:
    command = [sys.executable, "-m", "hil_tests.bench", "run", "--folder", str(bench.folder), "--without", "vehicle"]
    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert second.returncode == 1
    assert "already runs" in second.stderr
    assert bench.probe()["plugged"] is False, "the first one is unharmed"


def test_do_on_the_command_line(bench: Bench) -> None:
    command = [sys.executable, "-m", "hil_tests.bench", "do", "--folder", str(bench.folder)]
    good = subprocess.run([*command, "press", "estop"], capture_output=True, text=True, check=False, timeout=60)
    assert (good.returncode, good.stdout) == (0, "emergency_stop_pressed: yes\n")
    bad = subprocess.run([*command, "pluck"], capture_output=True, text=True, check=False, timeout=60)
    assert bad.returncode == 1
    assert "Did you mean `plug`?" in bad.stderr


def test_a_bench_that_cannot_start_says_why_and_ends(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="vehicle"):
        start_bench(tmp_path, without=["broker"], vehicle_profile="no-such-vehicle")
    assert list((tmp_path / "dev").iterdir()) == []


def test_a_bench_ends_when_whoever_started_it_is_gone(tmp_path: Path) -> None:
    script = (
        "import sys, time\nfrom hil_tests.bench.runner import start_bench\n"
        "bench = start_bench(sys.argv[1], without=['vehicle'])\n"
        "print(*bench.info['pids'].values(), flush=True)\ntime.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        pids = [int(word) for word in starter.stdout.readline().split()]
        starter.send_signal(signal.SIGKILL)
    assert len(pids) == 2
    assert wait_until_gone(pids) == []
