"""Starting a bench from a test or from the demonstration, and ending it whatever happens."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hil_tests.bench.client import BenchClient, BenchError

_START_TIMEOUT_S = 40.0
_STOP_TIMEOUT_S = 15.0
_PROJECT = Path(__file__).resolve().parents[2]


class Bench:
    """A bench that runs as its own process. ``info`` is the content of bench.json."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], info: dict[str, Any]) -> None:
        self.folder = folder
        self.process = process
        self.info = info
        self.client = BenchClient(folder)

    @property
    def mqtt_port(self) -> int:
        """Port of the broker on loopback."""
        return int(self.info["mqtt_port"])

    def do(self, command: str, gun: int = 1) -> str:
        """See BenchClient.do."""
        return self.client.do(command, gun)

    def probe(self, gun: int = 1) -> dict[str, Any]:
        """See BenchClient.probe."""
        return self.client.probe(gun)

    def stop(self) -> None:
        """End the bench and all its processes; harmless if it has ended already."""
        _end(self.process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_bench(
    folder: Path | str,
    *,
    without: Sequence[str] = (),
    vehicle_profile: str = "demo-car",
    more_vehicles: Sequence[str] = (),
    switched: bool = False,
    mqtt_port: int = 0,
    battery_voltage_v: float | None = None,
    battery_file: Path | None = None,
    tap: bool = False,
) -> Bench:
    """Start a bench in ``folder`` and wait until it is ready; use the result in a ``with`` statement.

    ``more_vehicles`` adds a gun for each profile; ``switched`` puts allocation contactors between modules and guns.
    The output of the bench goes to ``folder/bench.log``. Raises BenchError with the end of that text if it does not
    come up.
    """
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    ready_file, log_path = folder / "bench.json", folder / "bench.log"
    ready_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "hil_tests.bench", "run", "--folder", str(folder)]
    for part in without:
        command += ["--without", part]
    for profile in (vehicle_profile, *more_vehicles):
        command += ["--vehicle-profile", profile]
    if switched:
        command.append("--switched")
    command += ["--mqtt-port", str(mqtt_port)]
    command += ["--parent", str(os.getpid())]
    if battery_voltage_v is not None:
        command += ["--battery-voltage", str(battery_voltage_v)]
    if battery_file is not None:
        command += ["--battery-file", str(battery_file.resolve())]
    if tap:
        command.append("--tap")
    with log_path.open("wb") as log:
        # Its own session: Ctrl-C at a terminal reaches the caller alone, who decides in which order things end.
        process = subprocess.Popen(
            command,
            cwd=_PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    with _ended_on_error(process):
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while not ready_file.exists():
            if process.poll() is not None or time.monotonic() > deadline_s:
                tail = log_path.read_text(encoding="utf-8", errors="replace")[-2000:]
                raise BenchError(f"the bench did not come up:\n{tail}")
            time.sleep(0.05)
        return Bench(folder, process, json.loads(ready_file.read_text(encoding="utf-8")))


@contextlib.contextmanager
def _ended_on_error(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        _end(process)
        raise


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
