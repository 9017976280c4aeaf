"""The loop of a pile that only listens: lines that are read, a core that follows, and nothing that could drive."""

import selectors
from typing import Any

from agent.control.listener.core import MonitorCore
from agent.control.listener.parameters import MonitorParameters
from agent.field.base_loop import BaseLoop
from agent.field.lines import Line, ModbusLine
from agent.field.listening import ListeningLine
from agent.field.monitor_status import snapshot
from agent.field.server import FieldServer
from drivers.can.listening import Acknowledging


class MonitorLoop(BaseLoop[MonitorCore]):
    """Joins the monitor with its lines and the local socket."""

    def __init__(
        self,
        core: MonitorCore,
        parameters: MonitorParameters,
        modbus_lines: list[ModbusLine],
        vehicle_line: ListeningLine,
        server: FieldServer,
        selector: selectors.BaseSelector,
        *,
        cycle_s: float,
        readings_interval_s: float,
        readings_idle_interval_s: float,
    ) -> None:
        super().__init__(
            core,
            parameters.boot_id,
            parameters.connector,
            [*modbus_lines, vehicle_line],
            vehicle_line,
            server,
            selector,
            cycle_s=cycle_s,
            readings_interval_s=readings_interval_s,
            readings_idle_interval_s=readings_idle_interval_s,
        )
        self._listening = vehicle_line

    def open_lines(self) -> None:
        """See BaseLoop; what the kernel says about the interface is known once it is open."""
        super().open_lines()
        self.core.on_acknowledging(self._listening.acknowledging is Acknowledging.YES)

    def _step(self, now_s: float, wall_ms: int, wall_quality: str) -> None:
        outputs = self.core.evaluate(now_s, wall_ms, wall_quality)
        self._hand_over(outputs.records, outputs.replies)

    def _read_line(self, line: Line, now_s: float) -> int:
        # Nothing has to be answered, so a frame waits for the next cycle to be judged.
        if line is not self._listening:
            return 0
        frames = self._listening.read(now_s)
        for frame in frames:
            self.core.on_frame(frame, now_s)
        if frames:
            self._vehicle_was_read(now_s)
        return len(frames)

    def status(self, now_s: float) -> dict[str, Any]:
        """The whole status snapshot."""
        return {**snapshot(self.core, now_s, self.uptime_s(now_s)), **super().status(now_s)}
