"""A place for a listener: a third port on the vehicle's CAN line, and a line of its own with a meter and contacts."""

import time
from pathlib import Path
from typing import Any

from hil_tests.bench.modbus_parts import LineServer, Meter, input_device
from hil_tests.bench.plant import Plant
from hil_tests.bench.site import TAP_CONTACTS, TAP_WIRE, VEHICLE_TAP
from hil_tests.bench.wires import CanWire, SerialWire

METER_ADDRESS, INPUTS_ADDRESS = 1, 2
_BAUD = 9600


class Tap:
    """The tap and what has come out of it. Its meter counts the same energy as the charger's own."""

    def __init__(self, plant: Plant, vehicle_wire: CanWire, dev: Path) -> None:
        self._node = vehicle_wire.add_port(dev / VEHICLE_TAP)
        self._adapter = vehicle_wire.adapters[VEHICLE_TAP]
        self._wire = SerialWire(TAP_WIRE, _BAUD, dev / TAP_WIRE)
        self.devices = {name: str(dev / name) for name in (VEHICLE_TAP, TAP_WIRE)}

        def levels() -> list[bool]:
            # Closed loops: an input is on while there is no alarm. These contacts are not those of the boards.
            return [not getattr(plant.inputs, name) for name in TAP_CONTACTS]

        self._functions: set[int] = set()
        meter = Meter(plant, time.time).device(METER_ADDRESS)
        self.server = LineServer(self._wire, [meter, input_device(INPUTS_ADDRESS, levels, self._functions.add)])

    def probe(self) -> dict[str, Any]:
        """How the port was opened, what was sent on it, and with which functions the input board was asked."""
        return {
            "opened_with": list(self._adapter.opened_with),
            "frames_asked": self._adapter.frames_asked,
            "frames_sent": self._node.frames_sent,
            "functions": sorted(self._functions),
        }

    def close(self) -> None:
        """Remove the line to the meter; the CAN port goes with its line."""
        self._wire.close()
