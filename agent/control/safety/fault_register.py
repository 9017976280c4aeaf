"""Debounce, latch and clear of faults, by the rules of the catalogue."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from agent.settings.catalogue import Fault


@dataclass(slots=True)
class _Track:
    """What is known of one fault."""

    fault: Fault
    """The row in force: that of the catalogue, or its suppressed form."""
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


def suppressed_form(fault: Fault) -> Fault:
    """The fault as a notice: reported and recorded, but nothing is stopped or latched, because the charge may go on."""
    return msgspec.structs.replace(fault, level=3, action="log", clear="self")


class FaultRegister:
    """Turns raw conditions into faults. Pure: conditions and time in, changes out."""

    def __init__(self, catalogue: Mapping[str, Fault]) -> None:
        self._catalogue = catalogue
        self._suppressed = {fault_id: suppressed_form(fault) for fault_id, fault in catalogue.items()}
        self._tracks: dict[str, _Track] = {}

    def update(
        self,
        now_s: float,
        conditions: Collection[str],
        *,
        unplugged: bool,
        reset: bool,
        suppressed: Collection[str] = (),
    ) -> tuple[list[Fault], list[Fault]]:
        """Take one evaluation in and return (raised, cleared).

        ``conditions`` are the ids of faults with a present cause, ``unplugged`` is true when the connector
        is certainly not in a vehicle, ``reset`` when a person at the pile asked to reset. The causes in ``suppressed``
        are only recorded for now (see ``suppressed_form``); one that stays and is no longer suppressed is raised again
        in full. Raises KeyError for an id that the catalogue does not know.
        """
        raised: list[Fault] = []
        cleared: list[Fault] = []
        for fault_id in conditions:
            full = self._catalogue[fault_id]
            fault = self._suppressed[fault_id] if fault_id in suppressed else full
            track = self._tracks.get(fault_id)
            if track is None:
                track = self._tracks[fault_id] = _Track(fault, condition_since_s=now_s)
            track.gone_since_s = None
            if track.active_since_s is None:
                if now_s - track.condition_since_s < fault.debounce_s:
                    continue
            elif track.fault is full or fault is not full:
                continue
            track.fault, track.active_since_s = fault, now_s
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
            fault = track.fault
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
            ActiveFault(track.fault, track.active_since_s, track.gone_since_s is None)
            for track in self._tracks.values()
            if track.active_since_s is not None
        ]
        found.sort(key=lambda item: (item.fault.level, item.since_s))
        return found
