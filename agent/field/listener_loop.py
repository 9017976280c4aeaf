"""The loop of a pile that only listens: lines that are read, cores that follow, and nothing that could drive."""

import selectors
from collections.abc import Mapping, Sequence
from typing import Any

from agent.control.listener.core import ListenerCore
from agent.field.base_loop import BaseLoop, Pace
from agent.field.lines import Line, PolledLine
from agent.field.listener_status import connector_status, pile_status
from agent.field.listening import ListeningLine
from agent.field.server import FieldServer
from drivers.can.listening import Acknowledging


class ListenerLoop(BaseLoop[ListenerCore]):
    """Joins the listeners, by connector, with their lines and the local socket."""

    def __init__(
        self,
        cores: Mapping[int, ListenerCore],
        polled_lines: Sequence[PolledLine],
        vehicle_lines: Mapping[int, ListeningLine],
        routes: Mapping[str, tuple[int, str]],
        server: FieldServer,
        selector: selectors.BaseSelector,
        *,
        pace: Pace,
    ) -> None:
        super().__init__(
            cores,
            next(iter(cores.values())).parameters.boot_id,
            [*polled_lines, *vehicle_lines.values()],
            vehicle_lines,
            server,
            selector,
            pace=pace,
            routes=routes,
        )
        self._listening = dict(vehicle_lines)

    def open_lines(self) -> None:
        """See BaseLoop; the mode of an interface is known once it is open."""
        super().open_lines()
        for number, line in self._listening.items():
            self.cores[number].on_acknowledging(line.acknowledging is Acknowledging.YES)

    def _read_line(self, line: Line, now_s: float) -> int:
        # Nothing has to be answered, so a frame waits for the next cycle to be judged.
        side = self._side_of.get(id(line))
        if side is None or not isinstance(line, ListeningLine):
            return 0
        frames = line.read(now_s)
        core = self.cores[side.number]
        for frame in frames:
            core.on_frame(frame, now_s)
        if frames:
            self._vehicle_was_read(side, now_s)
        return len(frames)

    def status(self, now_s: float) -> dict[str, Any]:
        """See BaseLoop."""
        return {
            **pile_status(next(iter(self.cores.values())).parameters),
            **super().status(now_s),
            "connectors": [connector_status(core, now_s) for core in self.cores.values()],
        }
