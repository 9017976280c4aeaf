"""A tap on the vehicle's CAN line: every frame with the time it was taken at the wire, and the plant beside it.

The frames go into a file in the format of ``candump -L``, which Wireshark, can-utils and python-can read. The state
of the pile (contactors, lock, auxiliary supply, voltage, current) goes into a second file beside it, one JSON object a
line, with times on the same axis. Times are wall times made from the monotonic clock with one offset for the whole
recording, so a clock that is set meanwhile does not tear it.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from drivers.can.frame import CanFrame
from hil_tests.bench.plant import Plant

_FLUSH_S = 0.05
_SAMPLE_S = 0.05
"""Voltage and current are noted this often; everything that switches is noted in the tick in which it switched."""

NOTED_STALL_S = 0.0015
"""A turn of the bench, or a byte on its wires, that comes later than this is noted in the plant's file.

In a line of its own: ``{"t": ..., "stall_ms": ...}``.
"""

PLANT_SUFFIX = ".plant.jsonl"


class CanLogError(Exception):
    """The recording cannot be started or stopped; the text gives the reason."""


class CanLog:
    """Writes one recording at a time. ``clock`` is the monotonic clock of the wire, ``wall`` that of the file."""

    def __init__(
        self, channel: str, plant: Plant, clock: Callable[[], float], wall: Callable[[], float] = time.time
    ) -> None:
        self._channel = channel
        self._plant = plant
        self._clock = clock
        self._wall = wall
        self._frames_file: IO[str] | None = None
        self._plant_file: IO[str] | None = None
        self._offset_s = 0.0
        self._frames = 0
        self._longest_stall_s = 0.0
        self._delays_s, self._delays = 0.0, 0
        self._ticked_s: float | None = None
        self._flush_s = 0.0
        self._sample_s = 0.0
        self._switches: dict[str, Any] = {}

    def start(self, path: Path) -> dict[str, Any]:
        """Begin a recording in ``path``. Returns the two files and the offset from monotonic to wall time.

        Raises CanLogError if one is under way already or the file cannot be written.
        """
        if self._frames_file is not None:
            raise CanLogError("a recording is under way; end it with `record off`")
        beside = path.with_name(path.name + PLANT_SUFFIX)
        try:
            self._frames_file = path.open("w", encoding="ascii")
            self._plant_file = beside.open("w", encoding="ascii")
        except OSError as error:
            self._close()
            raise CanLogError(f"cannot write {error.filename}: {error.strerror}") from None
        self._offset_s = self._wall() - self._clock()
        self._frames, self._longest_stall_s = 0, 0.0
        self._delays_s, self._delays = 0.0, 0
        self._ticked_s, self._switches = None, {}
        return {"file": str(path), "plant_file": str(beside), "offset_s": self._offset_s}

    def stop(self) -> dict[str, Any]:
        """End the recording.

        Returns how many frames it holds, how late anything on the bench was at worst meanwhile, and how long a byte
        was on its way on average.

        Raises CanLogError if none is under way.
        """
        if self._frames_file is None:
            raise CanLogError("no recording is under way")
        self._close()
        return {
            "frames": self._frames,
            "longest_stall_ms": round(self._longest_stall_s * 1000, 1),
            "mean_delay_ms": round(self._delays_s / max(1, self._delays) * 1000, 2),
        }

    @property
    def recording(self) -> bool:
        """Whether a recording is under way."""
        return self._frames_file is not None

    def take(self, frame: CanFrame, now_s: float) -> None:
        """A frame has passed, at ``now_s`` (monotonic)."""
        if self._frames_file is None:
            return
        self._frames += 1
        identifier = f"{frame.identifier:08X}" if frame.extended else f"{frame.identifier:03X}"
        stamp_s = now_s + self._offset_s
        self._frames_file.write(f"({stamp_s:.6f}) {self._channel} {identifier}#{frame.data.hex().upper()}\n")

    def tick(self, now_s: float, period_s: float) -> None:
        """Called once a turn of the plant, which should come every ``period_s``: notes what has switched."""
        if self._plant_file is None or self._frames_file is None:
            return
        late_s = 0.0 if self._ticked_s is None else now_s - self._ticked_s - period_s
        self._ticked_s = now_s
        self.note_stall(now_s, late_s)
        plant = self._plant
        switches = {
            "plugged": plant.inputs.plugged,
            "k1": plant.contactor_k1.closed,
            "k2": plant.contactor_k2.closed,
            "contactors": plant.contactors_closed,
            "vehicle_contactors": plant.battery.connected,
            "lock": plant.lock_locked,
            "auxiliary": plant.auxiliary_voltage_v > 0.0,
            "insulation_monitor": plant.output("insulation_monitor"),
            "discharge": plant.output("discharge"),
        }
        if switches != self._switches or now_s >= self._sample_s:
            self._switches = switches
            self._sample_s = now_s + _SAMPLE_S
            circuit = plant.circuit
            row = {
                "t": round(now_s + self._offset_s, 6),
                **switches,
                "outside_v": round(circuit.outside_voltage_v, 2),
                "inside_v": round(circuit.inside_voltage_v, 2),
                "current_a": round(circuit.current_a, 2),
            }
            self._plant_file.write(json.dumps(row) + "\n")
        if now_s >= self._flush_s:
            self._flush_s = now_s + _FLUSH_S
            self._frames_file.flush()
            self._plant_file.flush()

    def note_delay(self, now_s: float, delay_s: float) -> None:
        """A byte that was sent on a wire of the bench ``delay_s`` ago has arrived now."""
        self._delays_s += delay_s
        self._delays += 1
        self.note_stall(now_s, delay_s)

    def note_stall(self, now_s: float, late_s: float) -> None:
        """Something of the bench that should have happened ``late_s`` ago has happened now.

        Every time taken in between may be too late by so much.
        """
        if self._plant_file is None:
            return
        self._longest_stall_s = max(self._longest_stall_s, late_s)
        if late_s > NOTED_STALL_S:
            late = {"t": round(now_s + self._offset_s, 6), "stall_ms": round(late_s * 1000, 2)}
            self._plant_file.write(json.dumps(late) + "\n")

    def close(self) -> None:
        """End a recording that is still under way; harmless otherwise."""
        self._close()

    def _close(self) -> None:
        for file in (self._frames_file, self._plant_file):
            if file is not None:
                file.close()
        self._frames_file = self._plant_file = None
