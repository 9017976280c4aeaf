"""The outputs of one connector, whichever boards they are on, and the names under which readings arrive."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from agent.settings.catalogue import OPTIONAL_OUTPUTS
from agent.vocabulary.signals import PILE_INPUTS
from drivers.line.device import Device
from drivers.line.exchange import Address, LineRequest, Result
from drivers.line.owner import DeviceTiming
from drivers.reading import Reading

PILE = 0
"""Stands for the whole pile where connectors are numbered from 1."""


class OutputBoard(Protocol):
    """What is asked of a board with outputs, on a line or on pins (see ``drivers.contracts``)."""

    @property
    def name(self) -> str:
        """Its name in the site file."""

    @property
    def wanted(self) -> Mapping[str, bool | None]:
        """What each output is commanded to be; None for one that was never commanded."""

    @property
    def read_back(self) -> Mapping[str, Reading]:
        """Last known state of each output."""

    def set_output(self, name: str, on: bool, now_s: float) -> None:
        """Command an output. Raises KeyError if there is none of that name."""


class Names:
    """How a signal is called on its way to the loop.

    With one connector by its own name, with several as ``NUMBER/name``, a signal of the whole pile as ``0/name``.
    ``routes`` gives what each means.
    """

    def __init__(self, *, several: bool) -> None:
        self._several = several
        self.routes: dict[str, tuple[int, str]] = {}
        self._wired_at: dict[str, int] = {}

    def of(self, connector: int, name: str) -> str:
        """The name on the way of a signal of a connector (or of ``PILE``)."""
        owner = PILE if name in PILE_INPUTS else connector
        sent = f"{owner}/{name}" if self._several else name
        self.routes[sent] = (owner, name)
        return sent

    def contact(self, connector: int, name: str) -> str:
        """The name on the way of a contact in the wiring of a connector; one of the pile may be in several wirings."""
        sent = self.of(connector, name)
        first = self._wired_at.setdefault(sent, connector)
        if first == connector:
            return sent
        again = f"{sent}@{connector}"
        self.routes[again] = self.routes[sent]
        return again

    def output(self, connector: int, name: str) -> str:
        """The name of an output on its board, which several connectors may share."""
        return f"{connector}/{name}" if self._several else name

    def device(self, connector: int, device: Device) -> Device:
        """A device that belongs to one connector (or to ``PILE``)."""
        return _Owned(device, connector, self) if self._several else device


class _Owned:
    """A device with readings that carry the number of its connector."""

    def __init__(self, device: Device, connector: int, names: Names) -> None:
        self._device, self._connector, self._names = device, connector, names
        self._sent: dict[str, str] = {}

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self._device.name} {self._connector}" if self._connector != PILE else self._device.name

    @property
    def address(self) -> Address:
        """See Device."""
        return self._device.address

    @property
    def timing(self) -> DeviceTiming:
        """See Device."""
        return self._device.timing

    def requests(self, now_s: float) -> Sequence[LineRequest]:
        """See Device."""
        return self._device.requests(now_s)

    def accept(self, result: Result) -> list[tuple[str, Reading]]:
        """See Device."""
        return [(self._named(name), reading) for name, reading in self._device.accept(result)]

    def next_due(self, now_s: float) -> float:
        """See Device."""
        return self._device.next_due(now_s)

    def _named(self, name: str) -> str:
        sent = self._sent.get(name)
        if sent is None:
            sent = self._sent[name] = self._names.of(self._connector, name)
        return sent


class ConnectorOutputs:
    """Commands the outputs of one connector by their names in its wiring."""

    def __init__(self, wires: Mapping[str, tuple[OutputBoard, str]]) -> None:
        self._wires = dict(wires)

    @property
    def boards(self) -> list[OutputBoard]:
        """The boards that they are on, each once."""
        return list({id(board): board for board, _ in self._wires.values()}.values())

    @property
    def wanted(self) -> dict[str, bool | None]:
        """What each output is commanded to be; None for one that was never commanded."""
        return {name: board.wanted[there] for name, (board, there) in self._wires.items()}

    @property
    def read_back(self) -> dict[str, Reading]:
        """The last known state of each output that its board has reported."""
        return {
            name: board.read_back[there] for name, (board, there) in self._wires.items() if there in board.read_back
        }

    def set_output(self, name: str, on: bool, now_s: float) -> None:
        """Command an output; one that a wiring may leave out and does is passed over.

        Raises KeyError if there is none of that name.
        """
        if name in OPTIONAL_OUTPUTS and name not in self._wires:
            return
        board, there = self._wires[name]
        board.set_output(there, on, now_s)

    def all_off(self, now_s: float, *, keep: Collection[str] = ()) -> None:
        """Command every output off but those in ``keep``."""
        for name in self._wires:
            if name not in keep:
                self.set_output(name, False, now_s)
