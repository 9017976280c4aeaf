"""Writes frames as log files: candump's own format by hand, the others with python-can's writers."""

from collections.abc import Sequence
from pathlib import Path

import can

from drivers.can.frame import CanFrame

Frames = Sequence[tuple[float, CanFrame]]

FORMATS = ("log", "asc", "blf", "trc", "csv")
"""Endings this module can write."""

BEGIN_S = 1_773_887_400.0
"""Time of the first frame as seconds since 1970: 2026-03-19 02:30 UTC. Own choice."""


def candump_line(at_s: float, frame: CanFrame, channel: str = "can0") -> str:
    """A line as ``candump -L`` of can-utils writes it."""
    identifier = f"{frame.identifier:08X}" if frame.extended else f"{frame.identifier:03X}"
    return f"({at_s:017.6f}) {channel} {identifier}#{frame.data.hex().upper()}\n"


def write(path: Path, frames: Frames, *, begin_s: float = BEGIN_S, channel: str = "can0") -> None:
    """Write ``frames`` to ``path`` in the format of its ending."""
    if path.suffix == ".log":
        lines = (candump_line(begin_s + at_s, frame, channel) for at_s, frame in frames)
        path.write_text("".join(lines), encoding="ascii")
        return
    with can.Logger(str(path)) as logger:
        for at_s, frame in frames:
            logger.on_message_received(
                can.Message(
                    timestamp=begin_s + at_s,
                    arbitration_id=frame.identifier,
                    is_extended_id=frame.extended,
                    data=frame.data,
                    channel=channel if path.suffix == ".csv" else 0,
                    is_rx=True,
                )
            )
