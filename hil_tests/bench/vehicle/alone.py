"""The inlet of a vehicle that has no plant beside it: what can be known from the bus alone.

For a bench that is not ours: the vehicle is plugged in all the time, takes frames of the charger for its auxiliary
supply, and assumes the current that CCS reports. It can write the state of its inlet to a file, for a bench that
reads a foreign vehicle's terminals from there.
"""

import os
from pathlib import Path

from drivers.can.frame import CanFrame
from drivers.gbt27930.messages.table import CHARGER_ADDRESS, VEHICLE_ADDRESS
from hil_tests.bench.vehicle.bms import Inlet
from hil_tests.bench.vehicle.plant_link import PlantProtocol
from hil_tests.bench.vehicle.vehicle import Source, Vehicle

SUPPLY_LASTS_S = 15.0
"""Silence of the bus after which the auxiliary supply counts as off: longer than any wait inside a session."""

_CURRENT_LASTS_S = 1.0
_SUPPLY_V = 12.0
_WRITE_PERIOD_S = 0.1


class AloneInlet:
    """Guesses the inlet from the bus."""

    def __init__(self) -> None:
        self._charger_s: float | None = None
        self._current_a = 0.0
        self._current_s: float | None = None
        self._reports = 0

    def receive(self, frame: CanFrame, now_s: float) -> None:
        """Note that the charger sends."""
        if frame.extended and frame.identifier & 0xFFFF == VEHICLE_ADDRESS << 8 | CHARGER_ADDRESS:
            self._charger_s = now_s

    def inlet(self, vehicle: Vehicle, now_s: float) -> Inlet:
        """The inlet as it must be by what was heard."""
        reports = vehicle.heard.get("CCS", 0)
        if reports != self._reports:
            self._reports = reports
            self._current_a = vehicle.bms.last_heard["CCS"]["current_a"] or 0.0
            self._current_s = now_s
        supplied = self._charger_s is not None and now_s - self._charger_s < SUPPLY_LASTS_S
        fresh = self._current_s is not None and now_s - self._current_s < _CURRENT_LASTS_S
        source = vehicle.source
        if not source.contactors_closed:
            return Inlet(True, _SUPPLY_V if supplied else 0.0, 0.0, 0.0)
        current_a = self._current_a if fresh else 0.0
        voltage_v = source.open_circuit_voltage_v + current_a * source.resistance_ohm
        return Inlet(True, _SUPPLY_V if supplied else 0.0, voltage_v, current_a)


class SourceFile:
    """Keeps the state of the inlet in a file: the line that a plant would get, replaced atomically."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written = b""
        self._closed: bool | None = None
        self._due_s = 0.0

    def update(self, source: Source, now_s: float) -> None:
        """Write it when a contactor moves, otherwise ten times a second if it differs. Raises OSError."""
        line = PlantProtocol.source_line(source)
        moved = source.contactors_closed != self._closed
        if line == self._written or (now_s < self._due_s and not moved):
            return
        self._due_s = now_s + _WRITE_PERIOD_S
        self._written, self._closed = line, source.contactors_closed
        beside = self._path.with_name(f".{self._path.name}.new")
        beside.write_bytes(line)
        os.replace(beside, self._path)
