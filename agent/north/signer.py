"""Has sessions signed by a short-lived process of its own (see agent.records.signing for why)."""

import contextlib
import logging
import os
import selectors
import subprocess
import sys
from pathlib import Path

from agent.records import signing
from agent.records.errors import LedgerError
from agent.records.ledger import Ledger
from agent.vocabulary.record import LedgerEntry

_LOG = logging.getLogger(__name__)

_TIME_LIMIT_S = 60.0
_RETRY_S = 300.0
_BATCH = 16


class Signer:
    """Signs end records that have no signature yet, some at a time. ``turn`` drives it; nothing waits."""

    def __init__(self, state: Path, selector: selectors.BaseSelector) -> None:
        self._key_file = state / signing.KEY_FILE
        self._selector = selector
        self._process: subprocess.Popen[bytes] | None = None
        self._records: list[LedgerEntry] = []
        self._answer = bytearray()
        self._deadline_s = 0.0
        self._retry_at_s = float("-inf")
        self._due = True
        self._first = True

    def request(self) -> None:
        """A session has ended."""
        self._due = True

    @property
    def busy(self) -> bool:
        """A signing process is running."""
        return self._process is not None

    def next_due(self) -> float:
        """When ``turn`` wants to be called at the latest."""
        if self._process is not None:
            return self._deadline_s
        return self._retry_at_s if self._due else float("inf")

    def turn(self, now_s: float, ledger: Ledger) -> list[tuple[LedgerEntry, bytes, bytes]]:
        """Start a signing process if one is needed, collect what it has signed.

        Returns (end record, public key, signature) of each signature stored. Raises LedgerError.
        """
        if self._process is not None:
            if now_s < self._deadline_s:
                return []
            self._process.kill()
            return self._finish(now_s, ledger)
        if not self._due or now_s < self._retry_at_s:
            return []
        self._records = ledger.unsigned(_BATCH)
        self._due = len(self._records) == _BATCH
        if self._records or self._first:
            # The first run makes the key even if there is nothing to sign yet.
            self._first = False
            self._start(now_s)
        return []

    def _start(self, now_s: float) -> None:
        self._answer.clear()
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", signing.__file__, str(self._key_file)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            self._postpone(now_s, str(error))
            return
        self._process = process
        self._deadline_s = now_s + _TIME_LIMIT_S
        if process.stdin is not None and process.stdout is not None:
            with contextlib.suppress(OSError):
                process.stdin.write("".join(f"{record.hash.hex()}\n" for record in self._records).encode())
                process.stdin.close()
            # communicate() would flush it, which a closed one refuses.
            process.stdin = None
            os.set_blocking(process.stdout.fileno(), False)
            self._selector.register(process.stdout, selectors.EVENT_READ, self)

    def _postpone(self, now_s: float, problem: str) -> None:
        _LOG.warning("sessions are not signed now: %s", problem)
        self._due = True
        self._retry_at_s = now_s + _RETRY_S

    def ready(self, now_s: float, ledger: Ledger) -> list[tuple[LedgerEntry, bytes, bytes]]:
        """The process has written or ended. Returns as ``turn`` does. Raises LedgerError."""
        process = self._process
        if process is None or process.stdout is None:
            return []
        data = process.stdout.read()
        if data:
            self._answer += data
        if data is None or data:
            return []
        return self._finish(now_s, ledger)

    def _finish(self, now_s: float, ledger: Ledger) -> list[tuple[LedgerEntry, bytes, bytes]]:
        process, self._process = self._process, None
        records, self._records = self._records, []
        if process is None or process.stdout is None or process.stderr is None:
            return []
        self._selector.unregister(process.stdout)
        problem = process.stderr.read().decode(errors="replace").strip()
        process.stdout.close()
        process.stderr.close()
        code = process.wait()
        stored: list[tuple[LedgerEntry, bytes, bytes]] = []
        try:
            lines = [bytes.fromhex(part) for line in self._answer.decode().splitlines() for part in line.split()]
        except ValueError:
            lines = []
        for record, public_key, signature in zip(records, lines[0::2], lines[1::2], strict=False):
            try:
                ledger.add_signature(record, public_key, signing.key_id_of(public_key), signature)
            except LedgerError:
                self._due = True
                raise
            stored.append((record, public_key, signature))
        if code != 0 or len(stored) < len(records):
            self._postpone(now_s, problem.splitlines()[-1] if problem else f"signing process ended with {code}")
        return stored

    def close(self) -> None:
        """End a running signing process; what it has not signed is signed at the next start."""
        if self._process is not None:
            self._process.kill()
            if self._process.stdout is not None:
                self._selector.unregister(self._process.stdout)
            self._process.communicate()
            self._process = None
