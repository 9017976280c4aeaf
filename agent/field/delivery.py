"""Brings each reading to whom it belongs: the whole pile or one connector, and finds the edges among them."""

from collections.abc import Callable, Mapping
from typing import Protocol

from agent.field.outputs import PILE
from agent.vocabulary.signals import PILE_SIGNALS, SIGNALS
from drivers.reading import Quality, Reading


class Receiver(Protocol):
    """The pile, as far as readings go to it."""

    def on_reading(self, name: str, reading: Reading, connector: int | None = None) -> None:
        """See ``agent.control.pile.Pile``."""


Elsewhere = Callable[[str, Reading], None]
"""Takes readings that belong to no process image, by the name of the signal."""


class Delivery:
    """See the module. ``deliver`` is what the lines are given.

    ``routes`` give what the names of readings mean where there are several connectors; ``only`` is the number of the
    first connector, which gets what is named plainly. Readings of ``elsewhere`` go there and not into a process image.
    """

    def __init__(
        self,
        pile: Receiver,
        routes: Mapping[str, tuple[int, str]],
        only: int,
        elsewhere: Mapping[str, Elsewhere] | None = None,
    ) -> None:
        self._pile = pile
        self._routes = routes
        self._only = only
        self._elsewhere = dict(elsewhere or {})
        self._merged = _wired_twice(routes)
        self.bool_values: dict[str, bool] = {}
        """Last value of each contact, by the name on its way."""
        self.edge = False
        """A contact has changed; who evaluates it takes it back."""

    def deliver(self, sent: str, reading: Reading) -> None:
        """Take a reading by its name on the way. Raises KeyError for an unknown signal."""
        connector, name = self._routes.get(sent) or (self._only, sent)
        if name in self._elsewhere:
            self._elsewhere[name](name, reading)
        elif name in PILE_SIGNALS:
            both = reading if sent not in self._merged else self._merged[sent].take(sent, reading)
            if both is not None:
                self._pile.on_reading(name, both)
        else:
            # What the whole pile has and no connector needs (the meter of the incomer) is the first connector's.
            self._pile.on_reading(name, reading, connector if connector != PILE else self._only)
        self._look_for_edge(sent, reading)

    def take(self, connector: int, name: str, reading: Reading) -> None:
        """Take a reading of one connector that has not come over a line with routes."""
        self._pile.on_reading(name, reading, connector)
        self._look_for_edge(f"{connector}/{name}", reading)

    def _look_for_edge(self, sent: str, reading: Reading) -> None:
        value = reading.value
        if (value is True or value is False) and self.bool_values.get(sent) is not value:
            self.bool_values[sent] = value
            self.edge = True


def _wired_twice(routes: Mapping[str, tuple[int, str]]) -> "dict[str, WorstOf]":
    """Contacts of the pile that are wired at several boards, by each of their names on the way."""
    ways: dict[str, list[str]] = {}
    for sent, (owner, name) in routes.items():
        if owner == PILE and name in PILE_SIGNALS:
            ways.setdefault(name, []).append(sent)
    merged: dict[str, WorstOf] = {}
    for name, several in ways.items():
        if len(several) > 1:
            merged.update(dict.fromkeys(several, WorstOf(name, several)))
    return merged


class WorstOf:
    """One signal of the pile from several contacts: the dangerous value of any counts, and the oldest time of all.

    So the signal is stale as soon as one of its contacts is.
    """

    def __init__(self, name: str, ways: list[str]) -> None:
        self._danger = SIGNALS[name].danger == "true"
        self._last: dict[str, Reading | None] = dict.fromkeys(ways)

    def take(self, sent: str, reading: Reading) -> Reading | None:
        """The signal after one contact was read; None until each has been."""
        self._last[sent] = reading
        known = [each for each in self._last.values() if each is not None]
        if len(known) < len(self._last):
            return None
        at_s = min(each.at_s for each in known)
        if any(each.quality.is_value and bool(each.value) is self._danger for each in known):
            return Reading(self._danger, reading.unit, at_s)
        bad = [each.quality for each in known if not each.quality.is_value]
        return Reading(not self._danger, reading.unit, at_s, bad[0] if bad else Quality.GOOD)
