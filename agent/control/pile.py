"""A pile of one to four connectors: what comes from outside goes to the right core, their output comes out together.

Each connector has a core of its own on one chassis; they share one backlog, so record numbers have no gap. What the
whole pile measures goes to every core. A fault or an error of one connector ends that connector only; the third error
in a row of any core is raised, because then the program cannot be trusted with the others either. Pure: no clock, no
wire. The cores are handed in, so that a role that a site does not use is not loaded.
"""

from collections.abc import Iterable, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import msgspec

from agent.control.chassis.backlog import Backlog
from agent.control.chassis.commands import CommandInput, Reply
from agent.control.dc.power_share import PowerShare
from agent.vocabulary import reasons
from agent.vocabulary.record import NO_METER, MeterInLedger, Record
from agent.vocabulary.signals import PILE_SIGNALS
from drivers.can.frame import CanFrame
from drivers.can.state import BusState
from drivers.reading import Reading

LONGEST_PILE = 4
"""Connectors of one controller and one field process."""

_BY_NUMBER = attrgetter("number")


class ConnectorOutputs(Protocol):
    """What every core gives out; a core that drives something has more in its own class."""

    @property
    def records(self) -> list[Record]:
        """Records of this evaluation."""

    @property
    def replies(self) -> list[Reply]:
        """Answers to commands."""


class ConnectorCore(Protocol):
    """What a core of any role is for the pile."""

    @property
    def backlog(self) -> Backlog:
        """Records that are not yet durable."""

    @property
    def safe_to_exit(self) -> bool:
        """Nothing is left to be ended."""

    def on_reading(self, name: str, reading: Reading) -> None:
        """A driver delivered a value."""

    def on_frame(self, frame: CanFrame, now_s: float) -> None:
        """A frame came from the vehicle bus."""

    def on_command(self, command: CommandInput) -> None:
        """A command came in."""

    def on_recorder(self, *, ready: bool, uplink: str, at_s: float, meter: MeterInLedger = NO_METER) -> None:
        """The recorder reported its health."""

    def on_vehicle_port(self, *, is_open: bool) -> None:
        """The CAN port of the vehicle bus was opened or lost."""

    def on_vehicle_bus_state(self, state: BusState) -> None:
        """The error state of the vehicle bus' controller, as last reported."""

    def request_shutdown(self) -> None:
        """End what runs and begin nothing."""

    def evaluate(self, now_s: float, wall_ms: int, wall_quality: str) -> ConnectorOutputs:
        """Evaluate everything once."""


@runtime_checkable
class PowerSharer(Protocol):
    """A core that delivers power and can be given a share of it."""

    def set_power_share(self, share: PowerShare | None) -> None:
        """The connector's part of the power of the pile."""


class PileOutputs(msgspec.Struct, frozen=True):
    """What the shell must do after an evaluation."""

    by_connector: Mapping[int, Any]
    """Outputs of each core by its number: ``Outputs`` of a charger, ``ListenerOutputs`` of a listener."""
    records: list[Record]
    """Records of all connectors by their numbers."""
    replies: list[Reply]
    """Answers of all connectors, and to commands for none."""


class Pile:
    """See the module. ``cores`` are the cores by connector number (1 to 99), all on the same backlog.

    Raises ValueError for no core, for more than four, for a number out of range and for a core with a backlog of its
    own.
    """

    def __init__(self, cores: Mapping[int, ConnectorCore]) -> None:
        if not 1 <= len(cores) <= LONGEST_PILE:
            raise ValueError(f"a pile has 1 to {LONGEST_PILE} connectors, not {len(cores)}")
        wrong = sorted(number for number in cores if not 1 <= number <= 99)
        if wrong:
            raise ValueError(f"connector {wrong[0]}: numbers are 1 to 99")
        self.cores: Mapping[int, ConnectorCore] = MappingProxyType(dict(sorted(cores.items())))
        self._all = tuple(self.cores.values())
        self.backlog = self._all[0].backlog
        apart = [number for number, core in self.cores.items() if core.backlog is not self.backlog]
        if apart:
            raise ValueError(f"connector {apart[0]} numbers its records apart; give all cores the same backlog")
        self._replies: list[Reply] = []

    # What comes in.

    def on_reading(self, name: str, reading: Reading, connector: int | None = None) -> None:
        """A driver delivered a value: of the whole pile to every core, else to the core of ``connector``.

        Raises KeyError for an unknown signal or connector, and ValueError for a connector's signal without connector.
        """
        if name in PILE_SIGNALS:
            for core in self._all:
                core.on_reading(name, reading)
            return
        if connector is None:
            raise ValueError(f"{name} is a signal of one connector; name the connector")
        self.core(connector).on_reading(name, reading)

    def on_frame(self, connector: int, frame: CanFrame, now_s: float) -> None:
        """A frame came from the vehicle bus of a connector. Raises KeyError for an unknown one."""
        self.core(connector).on_frame(frame, now_s)

    def on_vehicle_port(self, connector: int, *, is_open: bool) -> None:
        """The CAN port of a connector's vehicle bus was opened or lost. Raises KeyError for an unknown connector."""
        self.core(connector).on_vehicle_port(is_open=is_open)

    def on_vehicle_bus_state(self, connector: int, state: BusState) -> None:
        """The error state of a connector's vehicle bus. Raises KeyError for an unknown connector."""
        self.core(connector).on_vehicle_bus_state(state)

    def on_command(self, connector: int, command: CommandInput) -> None:
        """A command for one connector; for one that does not exist it is rejected. Answered by the next evaluation."""
        core = self.cores.get(connector)
        if core is None:
            self._replies.append(Reply(command.id, reasons.REJECTED, reasons.NO_SUCH_CONNECTOR))
        else:
            core.on_command(command)

    def on_acknowledged(self, number: int) -> None:
        """Records up to ``number`` are durable, of whichever connector."""
        self.backlog.acknowledge(number)

    def on_recorder(
        self, *, ready: bool, uplink: str, at_s: float, meters: Mapping[int, MeterInLedger] = MappingProxyType({})
    ) -> None:
        """The recorder reported its health to all, and what the ledger knows of each connector's meter."""
        for number, core in self.cores.items():
            core.on_recorder(ready=ready, uplink=uplink, at_s=at_s, meter=meters.get(number, NO_METER))

    def set_power_share(self, connector: int, power_w: float, current_a: float, by: str, expires_at_s: float) -> None:
        """Ceilings of a connector until ``expires_at_s`` (monotonic), and zero power after that; ``by`` limits.

        Without a first share a connector is limited by itself only. Raises KeyError for an unknown connector and
        ValueError for a negative ceiling or a connector that delivers nothing (a listener).
        """
        core = self.core(connector)
        if not isinstance(core, PowerSharer):
            raise ValueError(f"connector {connector} delivers no power that could be shared")
        core.set_power_share(PowerShare(power_w, current_a, by, expires_at_s))

    def request_shutdown(self) -> None:
        """End all sessions and begin none; see ``safe_to_exit``."""
        for core in self._all:
            core.request_shutdown()

    # What comes out.

    @property
    def safe_to_exit(self) -> bool:
        """No session is open on any connector and nothing is energised."""
        return all(core.safe_to_exit for core in self._all)

    def core(self, connector: int) -> ConnectorCore:
        """The core of a connector. Raises KeyError for an unknown one."""
        try:
            return self.cores[connector]
        except KeyError:
            numbers = ", ".join(str(number) for number in self.cores)
            raise KeyError(f"no connector {connector}; the pile has {numbers}") from None

    def evaluate(self, now_s: float, wall_ms: int, wall_quality: str) -> PileOutputs:
        """Evaluate every connector once. The third error in a row of one core is raised (``ErrorGuard``)."""
        outputs = {number: core.evaluate(now_s, wall_ms, wall_quality) for number, core in self.cores.items()}
        replies, self._replies = self._replies, []
        for each in outputs.values():
            replies += each.replies
        return PileOutputs(outputs, in_order(each.records for each in outputs.values()), replies)


def in_order(records: Iterable[list[Record]]) -> list[Record]:
    """Records of several cores by their numbers: what came in between two evaluations mixes them."""
    lists = [each for each in records if each]
    if len(lists) < 2:
        return lists[0] if lists else []
    return sorted((record for each in lists for record in each), key=_BY_NUMBER)
