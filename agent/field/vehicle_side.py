"""What the loop keeps of each connector's vehicle line: when it is fetched, and when the vehicle is answered next."""

from typing import Any

from agent.field.can_lines import AnyCanLine

DENSE_S = 0.002
"""While the vehicle's frames come closer than this, they are fetched at this interval instead of one by one.

Own choice: a wake-up costs ten times what a frame costs, and a saturated bus has 1,900 frames a second. CTS is to leave
within 5 ms of the RTS.
"""
NEVER_S = float("inf")


class VehicleSide:
    """One connector at its vehicle's wire. All times are monotonic seconds."""

    __slots__ = ("line", "next_fetch_s", "next_reply_s", "number", "read_s")

    def __init__(self, number: int, line: AnyCanLine[Any]) -> None:
        self.number = number
        self.line = line
        self.next_fetch_s = NEVER_S
        """When a dense bus is fetched next; infinite while its frames wake the loop."""
        self.next_reply_s = NEVER_S
        """When the vehicle waits for something next; infinite in silence."""
        self.read_s = float("-inf")

    @property
    def due_s(self) -> float:
        """When this side needs the loop at the latest."""
        return min(self.next_fetch_s, self.next_reply_s)

    def was_read(self, now_s: float) -> bool:
        """Frames have come. Returns whether they come densely from now on: then they are fetched."""
        dense = now_s - self.read_s < DENSE_S and self.next_fetch_s == NEVER_S
        if dense:
            self.next_fetch_s = now_s + DENSE_S
        self.read_s = now_s
        return dense
