"""Talking to a running bench: physical commands and probes, for tests and for the command line."""

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_REPLY_TIMEOUT_S = 15.0
_POLL_S = 0.02


class BenchError(Exception):
    """The bench refused a command or cannot be reached; the text gives the reason."""


class BenchClient:
    """Commands for the bench that runs in ``folder``. Each call is one connection, so clients may come and go."""

    def __init__(self, folder: Path | str) -> None:
        self._path = Path(folder) / "bench.sock"

    def do(self, command: str, gun: int = 1) -> str:
        """Carry out one physical command at a gun; returns the bench's answer. Raises BenchError if it refuses."""
        return str(self._ask(f"gun {gun} {command}")["reply"])

    def probe(self, gun: int = 1) -> dict[str, Any]:
        """Everything that a probe at a gun could show, see ``Commands`` for the keys."""
        return dict(self._ask(f"gun {gun} probe")["reply"])

    def wait_for(self, predicate: Callable[[dict[str, Any]], bool], timeout_s: float, gun: int = 1) -> dict[str, Any]:
        """Probe until ``predicate`` holds and return that probe. Raises BenchError after ``timeout_s``."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            probe = self.probe(gun)
            if predicate(probe):
                return probe
            if time.monotonic() >= deadline_s:
                raise BenchError(f"not reached within {timeout_s} s; last probe: {json.dumps(probe)}")
            time.sleep(_POLL_S)

    def _ask(self, command: str) -> dict[str, Any]:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(_REPLY_TIMEOUT_S)
                connection.connect(str(self._path))
                with connection.makefile("rwb") as stream:
                    stream.write(command.encode() + b"\n")
                    stream.flush()
                    line = stream.readline()
        except OSError as error:
            raise BenchError(f"no bench answers at {self._path}: {error}") from error
        if not line:
            raise BenchError("the bench closed the connection without an answer")
        answer: dict[str, Any] = json.loads(line)
        if not answer["ok"]:
            raise BenchError(str(answer["reply"]))
        return answer
