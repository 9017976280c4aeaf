"""Where a case takes place: a pile and one of its connectors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from agent.link.messages import CommandReply
from drivers.gbt27930.charger.phases import Edition
from hil_tests.harness.guns import begin, leave, wait_charging
from hil_tests.harness.pile import Pile

Beside = Literal["idle", "charging"]
"""What the other connector of a two-gun pile does meanwhile."""

BESIDE_VEHICLE = "bus"
"""Vehicle at the other connector: it charges for more than an hour, longer than any run."""
_OF_THE_PILE = ("press estop", "release estop", "open door", "close door", "smoke", "clear smoke")
"""Commands for what the pile has once, at the boards of its first connector."""
_STOPS_ALL = ("press estop", "open door", "smoke")
_BEFORE_S = 2.0
_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Where:
    """Connector of the cases: 1 of a pile with one, or 2 of a pile with two and what connector 1 does meanwhile."""

    connector: int = 1
    beside: Beside = "idle"

    @property
    def other(self) -> int | None:
        """The other connector of the pile, if it has one."""
        return None if self.connector == 1 else 1

    def pile(self, profile: str, edition: Edition) -> Pile:
        """A pile with that vehicle and edition at the connector; enter it to start it."""
        if self.other is None:
            return Pile(vehicle_profile=profile, connector={"edition": edition})
        changes = {str(self.connector): {"edition": edition}}
        return Pile(vehicle_profile=BESIDE_VEHICLE, more_vehicles=(profile,), connector=changes)


class Place:
    """One connector of a running pile: bench commands, local commands and waits, all for it."""

    def __init__(self, pile: Pile, where: Where) -> None:
        self.pile = pile
        self.where = where
        self._acts_on_all = False

    def do(self, command: str) -> str:
        """A bench command at this gun, or at the boards that the whole pile has once."""
        self._acts_on_all |= command in _STOPS_ALL
        return self.pile.bench.do(command, 1 if command in _OF_THE_PILE else self.where.connector)

    def probe(self) -> dict[str, Any]:
        """The bench at this gun."""
        return self.pile.bench.probe(self.where.connector)

    def status(self) -> dict[str, Any]:
        """The pile and this connector."""
        return self.pile.status(self.where.connector)

    def command(self, name: str, **arguments: Any) -> CommandReply:
        """A local command for this connector."""
        return self.pile.command(name, self.where.connector, **arguments)

    def wait(self, what: str, condition: Callable[[dict[str, Any]], bool], timeout_s: float) -> None:
        """Wait until the status of this connector fulfils the condition."""
        self.pile.wait(what, condition, timeout_s, self.where.connector)

    def wait_no_session(self, timeout_s: float) -> None:
        """Wait until no session is open here."""
        self.pile.wait_no_session(timeout_s, self.where.connector)

    def wait_probe(self, what: str, condition: Callable[[dict[str, Any]], bool], timeout_s: float) -> None:
        """Wait until the bench shows something at this gun."""
        self.pile.wait_probe(what, condition, timeout_s, self.where.connector)

    # The other connector.

    def prepare_other(self) -> None:
        """Before a case: the other connector charges, if it is to."""
        self._acts_on_all = False
        other = self.where.other
        if other is None or self.where.beside == "idle" or self.pile.status(other)["state"] == "charging":
            return
        if self.pile.bench.probe(other)["plugged"]:
            self.pile.wait_no_session(_WAIT_S, other)
            leave(self.pile, other)
        self.pile.command("reset", other)
        begin(self.pile, other)
        wait_charging(self.pile, other)

    def other_disturbed(self) -> str:
        """After a case: what has become of the other connector that should not have; empty if nothing has."""
        other = self.where.other
        if other is None or self._acts_on_all:
            return ""
        status, wanted = self.pile.status(other), "charging" if self.where.beside == "charging" else "idle"
        if status["state"] == wanted:
            return ""
        faults = ", ".join(str(fault["id"]) for fault in status["faults"]) or "no fault"
        return f"connector {other} is {status['state']} and not {wanted} ({faults})"
