"""A pile on the bench: starts everything, works it, kills parts of it, and leaves nothing behind."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from agent.link.messages import CommandReply
from agent.records.errors import LedgerError
from agent.records.reader import LedgerReader
from hil_tests.bench.children import die_with_parent
from hil_tests.bench.client import BenchError
from hil_tests.bench.runner import Bench, start_bench
from hil_tests.bench.site import write_site_file, write_two_guns_file
from hil_tests.harness.field_client import FieldAwayError, FieldClient, flat
from hil_tests.harness.platform import STREAMS, TestPlatform
from hil_tests.harness.waiting import WaitError, wait_until

Side = Literal["field", "north"]
_SERVICE: Mapping[Side, str] = {"field": "control", "north": "agent"}
_PROJECT = Path(__file__).resolve().parents[2]
_START_S = 30.0
_END_S = 60.0
OPERATOR_ID, PILE_ID = "MA00DEMO1", "SX-DEMO-0001"


class Pile:
    """Use it in a ``with`` statement. Times are monotonic seconds of this machine, as on the bench."""

    def __init__(
        self,
        *,
        vehicle_profile: str = "demo-car",
        more_vehicles: Sequence[str] = (),
        switched: bool = False,
        tap: bool = False,
        **site: Mapping[str, Any],
    ) -> None:
        """``more_vehicles`` adds a second gun with that vehicle; ``switched`` puts allocation contactors in between."""
        self._vehicle_profile = vehicle_profile
        self._more_vehicles = tuple(more_vehicles)
        self._switched = switched
        self._tap = tap
        self._site = site
        self._stack = contextlib.ExitStack()
        self._processes: dict[Side, subprocess.Popen[bytes]] = {}
        self._all_pids: list[int] = []
        self._stopped: set[Side] = set()
        self._client: FieldClient | None = None

    # Life.

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            # A short path: the address of a unix socket holds 108 bytes.
            self.folder = Path(tempfile.mkdtemp(prefix="pile-"))
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self.bench: Bench = start_bench(
                self.folder,
                vehicle_profile=self._vehicle_profile,
                more_vehicles=self._more_vehicles,
                switched=self._switched,
                tap=self._tap,
            )
            stack.callback(self.bench.stop)
            self._all_pids += list(self.bench.info["pids"].values())
            self.config = self._write_site_file()
            self.platform = TestPlatform(self.bench.mqtt_port, OPERATOR_ID, PILE_ID)
            stack.callback(self.platform.close)
            stack.callback(self._end_processes)
            self.start_process("field")
            self.start_process("north")
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            # Before the folder is deleted: the data needed to find the cause.
            error.add_note(self.story())
        self._hang_up()
        self._stack.close()
        left = [pid for pid in self._all_pids if _is_running(pid)]
        if left and error is None:
            raise AssertionError(f"processes left behind: {left}")

    def _write_site_file(self) -> Path:
        port = self.bench.mqtt_port
        if self._more_vehicles:
            return write_two_guns_file(self.folder, mqtt_port=port, switched=self._switched, **self._site)
        return write_site_file(self.folder, mqtt_port=port, **self._site)

    def start_process(self, side: Side) -> None:
        """Start the field or the north process. Its output is appended to ``<side>.log``."""
        command = [sys.executable, "-m", "agent.cli.main", "--config", str(self.config), _SERVICE[side]]
        with self.log_path(side).open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=_PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509  # one prctl call, which takes no lock
            )
        self._processes[side] = process
        self._all_pids.append(process.pid)

    def kill(self, side: Side) -> float:
        """End the process by SIGKILL. Returns the time at which it was certainly dead."""
        process = self._processes[side]
        process.kill()
        process.wait()
        self._stopped.discard(side)
        if side == "field":
            self._hang_up()
        return time.monotonic()

    def terminate(self, side: Side) -> int:
        """End the process by SIGTERM, wait, and return its exit code."""
        process = self._processes[side]
        process.send_signal(signal.SIGTERM)
        code = process.wait(_END_S)
        if side == "field":
            self._hang_up()
        return code

    def freeze(self, side: Side) -> None:
        """Stop the process with SIGSTOP; ``thaw`` lets it go on."""
        self._processes[side].send_signal(signal.SIGSTOP)
        self._stopped.add(side)

    def thaw(self, side: Side) -> None:
        """Let a frozen process go on."""
        self._processes[side].send_signal(signal.SIGCONT)
        self._stopped.discard(side)

    def pid(self, side: Side) -> int:
        """Process id."""
        return self._processes[side].pid

    def is_running(self, side: Side) -> bool:
        """Whether the process lives."""
        return self._processes[side].poll() is None

    # At the local socket.

    def status(self, connector: int | None = None) -> dict[str, Any]:
        """The pile and one connector, the first without a number, in one table. Raises FieldAwayError."""
        return flat(self.pile_status(), connector)

    def pile_status(self) -> dict[str, Any]:
        """The status snapshot with its list of connectors. Raises FieldAwayError."""
        if self._client is None:
            self._client = FieldClient(self.folder / "run" / "field.sock")
        try:
            return self._client.pile_status()
        except FieldAwayError:
            self._hang_up()
            raise

    def command(self, name: str, connector: int = 0, **arguments: Any) -> CommandReply:
        """A command from a person at the pile; returns the first answer. Connector 0 is the only one."""
        self.pile_status()
        assert self._client is not None
        return self._client.command(name, connector, **arguments)

    def start(self, connector: int = 0, **arguments: Any) -> str:
        """Start a charge once there is no start blocker; returns the session's id."""
        self.wait("no start blocker", lambda status: bool(status["may_start"]), connector=connector)
        reply = self.command("start", connector, **arguments)
        assert reply.result == "accepted", reply
        assert reply.session is not None
        return reply.session

    def stop(self, connector: int = 0) -> None:
        """Stop the charge."""
        reply = self.command("stop", connector)
        assert reply.result == "accepted", reply

    # Waiting. Connector 0 is the first one.

    def wait(
        self,
        what: str,
        condition: Callable[[dict[str, Any]], bool],
        timeout_s: float = 60.0,
        connector: int = 0,
    ) -> dict[str, Any]:
        """Wait until a status snapshot fulfils the condition, and return it."""
        last: dict[str, Any] = {}

        def look() -> dict[str, Any] | None:
            nonlocal last
            try:
                last = self.status(connector or None)
            except FieldAwayError as error:
                last = {"away": str(error)}
                return None
            return last if condition(last) else None

        try:
            found = wait_until(look, what, timeout_s)
        except WaitError as error:
            raise WaitError(f"{error}; last status: {last}") from None
        assert found is not None
        return found

    def wait_state(self, *names: str, timeout_s: float = 60.0, connector: int = 0) -> dict[str, Any]:
        """Wait until the connector is in one of these states."""
        what = f"state {' or '.join(names)}"
        return self.wait(what, lambda status: status["state"] in names, timeout_s, connector)

    def wait_no_session(self, timeout_s: float = 90.0, connector: int = 0) -> dict[str, Any]:
        """Wait until no session is open at the connector."""
        return self.wait("no open session", lambda status: status["session"] is None, timeout_s, connector)

    def wait_fault(self, fault: str, timeout_s: float = 60.0, connector: int = 0) -> None:
        """Wait until a fault is in force."""
        self.wait(
            f"fault {fault}", lambda status: fault in [item["id"] for item in status["faults"]], timeout_s, connector
        )

    def wait_no_fault(self, fault: str, timeout_s: float = 60.0, connector: int = 0) -> None:
        """Wait until a fault is no longer in force."""
        self.wait(
            f"no fault {fault}",
            lambda status: fault not in [item["id"] for item in status["faults"]],
            timeout_s,
            connector,
        )

    def wait_probe(
        self, what: str, condition: Callable[[dict[str, Any]], bool], timeout_s: float = 30.0, gun: int = 1
    ) -> dict[str, Any]:
        """Wait until the bench measures what is asked for at a gun."""
        last: dict[str, Any] = {}

        def look() -> dict[str, Any] | None:
            nonlocal last
            last = self.bench.probe(gun)
            return last if condition(last) else None

        try:
            found = wait_until(look, what, timeout_s)
        except WaitError as error:
            raise WaitError(f"{error}; last probe: {last}") from None
        assert found is not None
        return found

    def wait_contactors_open(self, timeout_s: float = 10.0, gun: int = 1) -> dict[str, Any]:
        """Wait until the bench measures both contactors of a gun open."""
        return self.wait_probe(
            "both contactors open",
            lambda probe: not probe["contactor_k1"] and not probe["contactor_k2"],
            timeout_s,
            gun,
        )

    # The record.

    @contextlib.contextmanager
    def ledger(self) -> Iterator[LedgerReader]:
        """The record, read only."""
        with LedgerReader(self.folder / "state") as reader:
            yield reader

    def sessions(self) -> list[dict[str, Any]]:
        """All sessions of the record, newest first; empty before there is a record."""
        try:
            with self.ledger() as reader:
                return reader.sessions(1000)
        except LedgerError:
            return []

    def wait_closed(self, session: str, timeout_s: float = 60.0) -> dict[str, Any]:
        """Wait until the session is closed in the record and return it whole (see LedgerReader.session)."""

        def look() -> dict[str, Any] | None:
            with self.ledger() as reader:
                found = reader.session(session)
            return found if found is not None and found["ended"] is not None else None

        found = wait_until(look, f"session {session} is closed in the record", timeout_s)
        assert found is not None
        return found

    def wait_published(self, timeout_s: float = 60.0) -> None:
        """Wait until every record of both processes is in the ledger and has reached the platform."""
        if self.is_running("field"):
            self.wait("the recorder has everything", lambda status: status["records"]["backlog"] == 0, timeout_s)
        last: dict[str, int] = {}

        def look() -> bool:
            nonlocal last
            with self.ledger() as reader:
                last = {name: entry["last"] for name, entry in reader.counts()["streams"].items()}
            return all(self.platform.highest()[stream] >= last.get(stream, 0) for stream in STREAMS)

        try:
            wait_until(look, "every record has reached the platform", timeout_s, poll_s=0.1)
        except WaitError as error:
            raise WaitError(f"{error}; ledger {last}, platform {self.platform.highest()}") from None

    # Whether this machine let the bench work.

    def longest_standstill_s(self) -> float:
        """The longest time in which the bench or the field process did nothing although it should have, 0 for none.

        A real board never stalls; a test on a stalled machine proves nothing about the agent.
        """
        found = [0.0]
        with contextlib.suppress(BenchError, OSError):
            found += [each["length_s"] for each in self.bench.probe()["standstills"]]
        with contextlib.suppress(FieldAwayError, OSError):
            found.append(self.status()["cycle"]["longest_ms"] / 1000.0)
        return max(found)

    # The output.

    def log_path(self, side: Side) -> Path:
        """Where a process's output goes."""
        return self.folder / f"{side}.log"

    def logs(self) -> str:
        """The output of both processes."""
        return "".join(
            f"--- {side}\n{self.log_path(side).read_text(encoding='utf-8', errors='replace')}"
            for side in _SERVICE
            if self.log_path(side).exists()
        )

    def story(self) -> str:
        """Logs, states and sessions of this pile, for a failed test."""
        lines = [self.logs()[-6000:], f"longest standstill of bench and field process: {self.longest_standstill_s()} s"]
        for stream in ("state", "alarm", "session", "event"):
            lines += [
                f"{message['t']} {message['k']} {str(message['d'])[:300]}" for message in self.platform.records(stream)
            ]
        return "\n".join(lines)

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _end_processes(self) -> None:
        for side in list(self._stopped):
            self.thaw(side)
        self._hang_up()
        # Field first: the recorder is there to take its last records.
        for side in _SERVICE:
            process = self._processes.get(side)
            if process is None or process.poll() is not None:
                continue
            process.terminate()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state.rpartition(")")[2].split()[0] != "Z"
