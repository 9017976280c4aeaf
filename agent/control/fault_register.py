"""Debounce, latch and clear of faults, by the rules of the catalogue."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from agent.settings.catalogue import Fault


@dataclass(slots=True)
class _Track:
    """What is known of one fault."""

    condition_since_s: float
    gone_since_s: float | None = None
    active_since_s: float | None = None
    unplugged_since_raised: bool = False


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault that is in force."""

    fault: Fault
    since_s: float
    present: bool
    """Whether the cause is still there; False means that only the latch holds."""


class FaultRegister:
    """Turns raw conditions into faults. Pure: conditions and time in, changes out."""

    def __init__(self, catalogue: Mapping[str, Fault]) -> None:
        self._catalogue = catalogue
        self._tracks: dict[str, _Track] = {}

    def update(
        self, now_s: float, conditions: Collection[str], *, unplugged: bool, reset: bool
    ) -> tuple[list[Fault], list[Fault]]:
        """Take one evaluation in and return (raised, cleared).

        ``conditions`` are the fault ids whose cause is present now, ``unplugged`` is true when the connector
        is certainly not in a vehicle, ``reset`` when a person at the pile asked to reset. Raises KeyError for
        an id that the catalogue does not know.
        """
        raised: list[Fault] = []
        cleared: list[Fault] = []
        for fault_id in conditions:
            fault = self._catalogue[fault_id]
            track = self._tracks.get(fault_id)
            if track is None:
                track = self._tracks[fault_id] = _Track(condition_since_s=now_s)
            track.gone_since_s = None
            if track.active_since_s is None and now_s - track.condition_since_s >= fault.debounce_s:
                track.active_since_s = now_s
                raised.append(fault)
        for fault_id, track in list(self._tracks.items()):
            if track.active_since_s is not None and unplugged:
                track.unplugged_since_raised = True
            if fault_id in conditions:
                continue
            if track.active_since_s is None:
                del self._tracks[fault_id]
                continue
            if track.gone_since_s is None:
                track.gone_since_s = now_s
            fault = self._catalogue[fault_id]
            if now_s - track.gone_since_s < fault.clear_s:
                continue
            if fault.clear == "unplug" and not track.unplugged_since_raised:
                continue
            if fault.clear == "local" and not reset:
                continue
            del self._tracks[fault_id]
            cleared.append(fault)
        return raised, cleared

    def active(self) -> list[ActiveFault]:
        """All faults in force, the most severe first, then the oldest."""
        found = [
            ActiveFault(self._catalogue[fault_id], track.active_since_s, track.gone_since_s is None)
            for fault_id, track in self._tracks.items()
            if track.active_since_s is not None
        ]
        found.sort(key=lambda item: (item.fault.level, item.since_s))
        return found
