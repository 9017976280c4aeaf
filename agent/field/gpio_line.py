"""Pins of the computer as a line of the field process. Only loaded where a site has such a board."""

from collections.abc import Callable

from agent.field.lines import REOPEN_INTERVAL_S, Line
from drivers.errors import PortError
from drivers.inputs_outputs.gpio_board import GpioBoard
from drivers.inputs_outputs.gpio_port import GpioPort
from drivers.reading import Reading


class GpioLine(Line):
    """One board of pins: read on its interval and on every edge, set at once when an output changes."""

    def __init__(self, board: GpioBoard, open_port: Callable[..., GpioPort] = GpioPort) -> None:
        super().__init__(board.name, board.model.chip_label)
        self.board = board
        self._open_port = open_port
        self._port: GpioPort | None = None
        self.readings = 0

    def fileno(self) -> int:
        """See Line."""
        return -1 if self._port is None else self._port.fileno()

    def close(self, now_s: float) -> None:
        """See Line."""
        if self._port is not None:
            self._port.close()
            self._port = None

    def turn(self, now_s: float, deliver: Callable[[str, Reading], None], *, force: bool = False) -> float:
        """Set the outputs, read what is due. Returns the time at which this must be called again at the latest."""
        port = self._port
        if port is None:
            return now_s + REOPEN_INTERVAL_S
        try:
            port.set_levels(self.board.levels())
            if force or self.board.is_due(now_s):
                self._read(port, now_s, deliver)
        except PortError as error:
            self.lost(error, now_s)
            return now_s + REOPEN_INTERVAL_S
        return self.board.next_due(now_s)

    def read(self, now_s: float, deliver: Callable[[str, Reading], None]) -> None:
        """An edge has come: take it, and the levels of now."""
        if self._port is None:
            return
        try:
            self._port.drop_edges()
            self._read(self._port, now_s, deliver)
        except PortError as error:
            self.lost(error, now_s)

    def status(self, now_s: float) -> dict[str, object]:
        """Chip, trouble and counters."""
        return {"port": self.where, "trouble": self.trouble, "opened": self.opened, "readings": self.readings}

    def _open(self, now_s: float) -> bool:
        self._port = self._open_port(self.board.model, self.board.levels(), self.board.input_channels)
        return True

    def _read(self, port: GpioPort, now_s: float, deliver: Callable[[str, Reading], None]) -> None:
        inputs, outputs = port.read()
        self.readings += 1
        for name, reading in self.board.take(inputs, outputs, now_s):
            deliver(name, reading)
