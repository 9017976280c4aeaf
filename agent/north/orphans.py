"""Sessions that an earlier field process left open: closed from the record, with the meter's register if it answers."""

import logging
from collections.abc import Iterable
from typing import NamedTuple

from agent.records.ledger import Ledger
from agent.records.queries import OpenSession
from agent.records.recovery import RecoveredEnd, recovered_end, unreadable_end
from agent.vocabulary import reasons

_LOG = logging.getLogger(__name__)

REGISTER_WAIT_S = 30.0
"""How long the meter may take to answer after the field process is back; then the last known register counts (own)."""


class Closed(NamedTuple):
    """What is to be recorded of one session."""

    session: OpenSession
    end: RecoveredEnd


class Orphans:
    """Which sessions are still open, and what the meter of each connector shows now. No clock: the time comes in."""

    def __init__(self, machine_boot: str) -> None:
        self._machine_boot = machine_boot
        self._registers: dict[int, int] = {}
        self._since_s = 0.0
        self._open: list[OpenSession] = []

    @property
    def open_sessions(self) -> dict[int, str]:
        """The oldest session still to be closed of each connector that has one."""
        return {item.connector: item.session for item in reversed(self._open)}

    def next_due(self) -> float:
        """When the wait for the meters is over; infinite without an open session."""
        return self._since_s + REGISTER_WAIT_S if self._open else float("inf")

    def begin(self, now_s: float) -> None:
        """A field process is there: its meters may answer from now on."""
        self._since_s = now_s

    def found(self, sessions: Iterable[OpenSession]) -> None:
        """These sessions are open and belong to a run that is over."""
        self._open = list(sessions)
        for item in self._open:
            _LOG.warning("session %s was left open; it is closed from the record", item.session)

    def note_register(self, connector: int, register_wh: int) -> None:
        """The meter of a connector shows ``register_wh`` now."""
        self._registers[connector] = register_wh

    def forget_registers(self) -> None:
        """The field process is gone, and with it what its meters show."""
        self._registers.clear()

    def close(self, ledger: Ledger, now_s: float) -> list[Closed]:
        """The ends of those sessions of which the meter has answered or has had its time. Raises LedgerError."""
        late = now_s - self._since_s >= REGISTER_WAIT_S
        due = [item for item in self._open if late or item.connector in self._registers]
        closed = [Closed(item, self._end(ledger, item)) for item in due]
        self._open = [item for item in self._open if item not in due]
        return closed

    def _end(self, ledger: Ledger, item: OpenSession) -> RecoveredEnd:
        records = [entry.record for entry in ledger.of_session(item.session)]
        same_run = ledger.machine_boot(item.boot_id) == self._machine_boot
        reason = reasons.STOP_CONTROL_RESTARTED if same_run else reasons.STOP_POWER_LOST
        try:
            end = recovered_end(
                records,
                register_wh=self._registers.get(item.connector),
                last_wall_ms=ledger.last_wall_ms(item.boot_id) or 0,
                stop_reason=reason,
            )
        except (KeyError, ValueError, TypeError) as error:
            end = RecoveredEnd(unreadable_end(records, stop_reason=reason, problem=repr(error)), [])
        _LOG.warning("session %s is closed: %d Wh, %s", item.session, end.body["energy_wh"], reason)
        return end
