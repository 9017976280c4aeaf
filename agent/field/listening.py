"""The vehicle's CAN line of a pile that only listens: it can be opened, read and closed. There is no way to write."""

from agent.field.can_lines import AnyCanLine
from drivers.can.listening import Acknowledging, ListeningPort


class ListeningLine(AnyCanLine[ListeningPort]):
    """One CAN line that is only listened to."""

    @property
    def acknowledging(self) -> Acknowledging:
        """Whether the interface takes part in the bus by acknowledging."""
        return Acknowledging.UNKNOWN if self._port is None else self._port.acknowledging

    def _new_port(self) -> ListeningPort:
        return ListeningPort(self._interface, self.where, self._bitrate_bps)

    def status(self, now_s: float) -> dict[str, object]:
        """See AnyCanLine, and what is known of the interface."""
        return {**super().status(now_s), "listen_only": True, "acknowledges": self.acknowledging.value}
