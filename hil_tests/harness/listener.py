"""A second agent on the bench that only listens: it hangs at the tap of a pile's bench and follows its charges."""

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from agent.link.messages import CommandReply
from agent.records.errors import LedgerError
from agent.records.reader import LedgerReader
from hil_tests.bench.children import die_with_parent
from hil_tests.bench.site import write_monitor_file
from hil_tests.harness.field_client import FieldAwayError, FieldClient
from hil_tests.harness.pile import Pile
from hil_tests.harness.waiting import WaitError, wait_until

_PROJECT = Path(__file__).resolve().parents[2]
_SERVICES = ("control", "agent")
_END_S = 30.0


class Listener:
    """Use it in a ``with`` statement, inside that of a pile with a tap."""

    def __init__(self, pile: Pile, **site: Mapping[str, Any] | None) -> None:
        self._pile = pile
        self._site = site
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.folder = pile.folder / "tap"

    def __enter__(self) -> Self:
        self.folder.mkdir()
        self.config = write_monitor_file(
            self.folder,
            self._pile.folder,
            mqtt_port=self._pile.bench.mqtt_port,
            **self._site,  # type: ignore[arg-type]  # None removes a section
        )
        for service in _SERVICES:
            self._start(service)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(self.logs())
        for process in self._processes.values():
            process.terminate()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, service: str) -> None:
        with (self.folder / f"{service}.log").open("ab") as log:
            self._processes[service] = subprocess.Popen(
                [sys.executable, "-m", "agent.cli.main", "--config", str(self.config), service],
                cwd=_PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent(),  # noqa: PLW1509  # one prctl call, which takes no lock
            )

    def pid(self, service: str) -> int:
        """Process id of ``control`` or ``agent``."""
        return self._processes[service].pid

    def cli(self, *arguments: str, lang: str = "en") -> subprocess.CompletedProcess[str]:
        """Run ``pile-agent`` for this agent and return what came of it."""
        command = [sys.executable, "-m", "agent.cli.main", "--config", str(self.config), "--lang", lang, *arguments]
        return subprocess.run(command, cwd=_PROJECT, capture_output=True, text=True, timeout=60, check=False)

    def status(self) -> dict[str, Any]:
        """The status snapshot. Raises FieldAwayError."""
        with FieldClient(self.folder / "run" / "field.sock") as client:
            return client.status()

    def command(self, name: str) -> CommandReply:
        """A command from a person at the pile; returns the first answer."""
        with FieldClient(self.folder / "run" / "field.sock") as client:
            return client.command(name)

    def wait(self, what: str, condition: Callable[[dict[str, Any]], bool], timeout_s: float = 30.0) -> dict[str, Any]:
        """Wait until a status snapshot fulfils the condition, and return it."""
        last: dict[str, Any] = {}

        def look() -> dict[str, Any] | None:
            nonlocal last
            try:
                last = self.status()
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

    @contextlib.contextmanager
    def ledger(self) -> Iterator[LedgerReader]:
        """The record, read only."""
        with LedgerReader(self.folder / "state") as reader:
            yield reader

    def wait_closed(self, timeout_s: float = 30.0) -> dict[str, Any]:
        """Wait until a session is closed in the record, and return the newest whole."""

        def look() -> dict[str, Any] | None:
            try:
                with self.ledger() as reader:
                    sessions = reader.sessions(1)
                    found = reader.session(sessions[0]["session"]) if sessions else None
            except LedgerError:
                return None
            return found if found is not None and found["ended"] is not None else None

        found = wait_until(look, "a session is closed in the listener's record", timeout_s)
        assert found is not None
        return found

    def logs(self) -> str:
        """The output of both processes."""
        return "".join(
            f"--- listener {service}\n{(self.folder / f'{service}.log').read_text(encoding='utf-8', errors='replace')}"
            for service in _SERVICES
        )
