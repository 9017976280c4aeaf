"""The vehicle's CAN line of a pile that only listens: it can be opened, read and closed. There is no way to write."""

from agent.field.lines import Line
from drivers.can.frame import CanFrame
from drivers.can.listening import Acknowledging, ListeningPort
from drivers.errors import PortError


class ListeningLine(Line):
    """One CAN line that is only listened to."""

    def __init__(self, name: str, interface: str, channel: str, bitrate_bps: int) -> None:
        super().__init__(name, channel)
        self._interface, self._bitrate_bps = interface, bitrate_bps
        self._port: ListeningPort | None = None
        self.frames_in = 0

    @property
    def acknowledging(self) -> Acknowledging:
        """Whether the interface takes part in the bus by acknowledging."""
        return Acknowledging.UNKNOWN if self._port is None else self._port.acknowledging

    def fileno(self) -> int:
        """See Line."""
        return -1 if self._port is None else self._port.fileno()

    def _open(self, now_s: float) -> bool:
        self._port = ListeningPort(self._interface, self.where, self._bitrate_bps)
        return True

    def close(self, now_s: float) -> None:
        """See Line."""
        if self._port is not None:
            self._port.close()
            self._port = None

    def read(self, now_s: float) -> list[CanFrame]:
        """Frames that have arrived."""
        if self._port is None:
            return []
        try:
            frames = self._port.receive(now_s)
        except PortError as error:
            self.lost(error, now_s)
            return []
        self.frames_in += len(frames)
        return frames

    def status(self, now_s: float) -> dict[str, object]:
        """Counters, and what is known of the interface."""
        return {
            "port": self.where,
            "trouble": self.trouble,
            "opened": self.opened,
            "frames_in": self.frames_in,
            "listen_only": True,
            "acknowledges": self.acknowledging.value,
        }
