"""The groups of power modules on their lines, and what they measure together for a connector."""

from collections.abc import Callable, Iterable, Sequence

from agent.field.assembly import GroupHardware
from agent.field.can_lines import CanLine
from drivers.can.frame import CanFrame
from drivers.reading import Quality, Reading

_SHORTEST_PAUSE_S = 0.002
"""Own: a group is not asked again within this time; its driver spaces frames by 5 to 10 ms."""
_LINE_FREE_S = 0.005
"""Own: frames of two groups on one line are this far apart, as the closest spacing within a group."""

_TOGETHER: dict[str, Callable[[Iterable[float]], float]] = {
    "module_count": sum,
    "module_voltage_v": max,
    "module_current_a": sum,
    "module_fault": any,
    "module_temperature_c": max,
    "module_maximum_current_a": sum,
}
"""How readings of several groups that feed one connector become one."""

Write = Callable[[CanLine, list[CanFrame], float], None]


class GroupSide:
    """One group: its driver, its line, its last readings, and what it is ordered to give."""

    def __init__(self, hardware: GroupHardware) -> None:
        self.id = hardware.id
        self.line = hardware.line
        self.stage = hardware.stage
        self.readings: dict[str, Reading] = {}
        """Last reading of each signal of this group alone."""
        self._due_s = 0.0
        self._on = False

    def order(self, voltage_v: float, current_a: float, on: bool) -> bool:
        """Set point of the group. Returns whether it is switched on or off by it."""
        self.stage.set_point(voltage_v, current_a, on)
        switched, self._on = on is not self._on, on
        return switched

    def take(self, frames: Iterable[CanFrame], now_s: float) -> list[tuple[str, Reading]]:
        """Frames of the group's line. Returns its readings."""
        for frame in frames:
            self.stage.receive(frame)
        found = self.stage.readings(now_s)
        self.readings.update(found)
        return found


class GroupLines:
    """Sends the frames of the groups, frames on one line apart from each other."""

    def __init__(self, groups: Sequence[GroupSide], write: Write) -> None:
        self.groups = list(groups)
        self._write = write
        self._line_free_s: dict[str, float] = {}
        self._shared = {group.line.name for group in groups if sum(g.line is group.line for g in groups) > 1}

    def on_line(self, line: object) -> list[GroupSide]:
        """The groups on a line."""
        return [group for group in self.groups if group.line is line]

    def run(self, now_s: float) -> None:
        """Let every group send that is due. The one that has waited longest is first."""
        for group in sorted(self.groups, key=_due) if self._shared else self.groups:
            if now_s < group._due_s:
                continue
            shared = group.line.name in self._shared
            if shared and now_s < self._line_free_s.get(group.line.name, 0.0):
                continue
            frames = group.stage.poll(now_s)
            if frames:
                self._write(group.line, frames, now_s)
                if shared:
                    self._line_free_s[group.line.name] = now_s + _LINE_FREE_S
            group._due_s = max(now_s + _SHORTEST_PAUSE_S, group.stage.next_due(now_s))


def _due(group: GroupSide) -> float:
    return group._due_s


def together(groups: Sequence[GroupSide]) -> list[tuple[str, Reading]]:
    """Module readings of a connector from the groups that feed it; a signal that one of them lacks is absent.

    The time is that of the oldest part, and the quality that of the worst.
    """
    if len(groups) == 1:
        return list(groups[0].readings.items())
    found = []
    for name, combine in _TOGETHER.items():
        parts = [group.readings[name] for group in groups if name in group.readings]
        if not parts or len(parts) < len(groups):
            continue
        bad = [part.quality for part in parts if not part.quality.is_value]
        found.append(
            (
                name,
                Reading(
                    combine(part.value for part in parts),
                    parts[0].unit,
                    min(part.at_s for part in parts),
                    bad[0] if bad else Quality.GOOD,
                ),
            )
        )
    return found


def gone(now_s: float) -> list[tuple[str, Reading]]:
    """Module readings of a connector that no group feeds any more: what was read last counts no longer."""
    return [(name, Reading(0, "", now_s, Quality.SUSPECT)) for name in _TOGETHER]
