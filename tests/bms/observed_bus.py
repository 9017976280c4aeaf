"""Frames of a charger and a vehicle, said one by one to an observer, with the time counted by hand."""

from collections.abc import Mapping
from typing import Any

from drivers.can.frame import CanFrame
from drivers.gbt27930.messages.table import CHARGER_ADDRESS, MESSAGES, VEHICLE_ADDRESS, Sender, encode, identifier_of
from drivers.gbt27930.observer.observer import Observation, Observer, Session, Stage
from drivers.gbt27930.transport import segments
from drivers.gbt27930.transport.segments import Frames

VALUES: Mapping[str, Mapping[str, Any]] = {
    "CHM": {"version": "1.1"},
    "BHM": {"maximum_voltage_v": 500.0},
    "CRM": {"recognised": False, "charger_number": 4711},
    "BRM": {"version": "1.1", "battery_type": 3, "rated_capacity_ah": 120.0, "rated_voltage_v": 350.0, "vin": "V" * 17},
    "BCP": {
        "maximum_cell_voltage_v": 3.65,
        "maximum_current_a": 100.0,
        "nominal_energy_kwh": 42.0,
        "maximum_voltage_v": 420.0,
        "maximum_temperature_c": 55,
        "soc_percent": 20.5,
        "battery_voltage_v": 340.0,
    },
    "CTS": {},
    "CML": {
        "maximum_voltage_v": 750.0,
        "minimum_voltage_v": 200.0,
        "maximum_current_a": 150.0,
        "minimum_current_a": 1.0,
    },
    "BRO": {"ready": True},
    "CRO": {"ready": True},
    "BCL": {"voltage_v": 410.0, "current_a": 80.0, "mode": 2},
    "BCS": {
        "voltage_v": 345.0,
        "current_a": 79.5,
        "maximum_cell_voltage_v": 3.4,
        "maximum_cell_group": 2,
        "soc_percent": 21,
        "remaining_min": 40,
    },
    "CCS": {"voltage_v": 345.0, "current_a": 79.5, "minutes": 0, "permitted": True},
    "BSM": {
        "maximum_cell_number": 7,
        "highest_temperature_c": 31,
        "highest_temperature_point": 3,
        "lowest_temperature_c": 28,
        "lowest_temperature_point": 9,
        "charging_permitted": True,
    },
    "BMV": {"cell_voltages_v": [3.3, 3.4] * 63, "cell_groups": [1] * 126},
    "BMT": {"temperatures_c": [20, 21]},
    "BSP": {"reserved": [1, 2]},
    "BST": {"soc_target_reached": 1},
    "CST": {"stopped_by_vehicle": 1},
    "BSD": {
        "soc_percent": 80,
        "minimum_cell_voltage_v": 3.3,
        "maximum_cell_voltage_v": 3.4,
        "lowest_temperature_c": 28,
        "highest_temperature_c": 33,
    },
    "CSD": {"minutes": 10, "energy_kwh": 12.5, "charger_number": 4711},
    "BEM": {"ccs_timeout": 1},
    "CEM": {"bcl_timeout": 1},
}

VEHICLE = Frames(VEHICLE_ADDRESS, CHARGER_ADDRESS)
CHARGER = Frames(CHARGER_ADDRESS, VEHICLE_ADDRESS)

WAY = (
    "CHM", "BHM", "CRM", "BRM", "CRM AA", "BCP", "CML", "BRO", "CRO 00", "CRO", "BCL", "BCS", "BSM", "CCS",
)  # fmt: skip
"""What is said, in order, until the charge runs."""


CHARGE = ("BCL", "BCS", "BSM", "CCS")
"""What is repeated while the charge runs."""


class Bus:
    """An observer and everything it told."""

    def __init__(self, edition: Any = "2015", **more: Any) -> None:
        self.observer = Observer(edition, **more)
        self.now_s = 0.0
        self.told: list[Observation] = []

    def frame(self, frame: CanFrame) -> None:
        """One frame passes."""
        self.told += self.observer.receive(frame, self.now_s)

    def say(self, *names: str, **values: Any) -> None:
        """Messages pass; "CRM AA" and "CRO 00" are CRM and CRO that say yes and no."""
        for each in names:
            name, _, answer = each.partition(" ")
            field = {"CRM": "recognised", "CRO": "ready", "BRO": "ready"}.get(name, "")
            given = {field: answer == "AA"} if answer else {}
            self.payload(name, encode(name, {**VALUES[name], **given, **values}))

    def payload(self, name: str, payload: bytes) -> None:
        """One message with this payload passes."""
        if len(payload) <= 8:
            self.frame(CanFrame(identifier_of(name), payload))
            return
        message = MESSAGES[name]
        own, other = (VEHICLE, CHARGER) if message.sender is Sender.VEHICLE else (CHARGER, VEHICLE)
        packets = segments.packets_of(len(payload))
        self.frame(own.request(message.pgn, len(payload)))
        self.frame(other.clearance(message.pgn, packets, 1))
        for number in range(1, packets + 1):
            self.frame(own.data(number, payload))
        self.frame(other.end(message.pgn, len(payload)))

    def wait(self, seconds: float, *cyclic: str, **values: Any) -> None:
        """Time passes in steps of 10 ms; ``cyclic`` messages are said with their periods."""
        steps = round(seconds / 0.01)
        begin_s = self.now_s
        for step in range(1, steps + 1):
            self.now_s = begin_s + step * 0.01
            for name in cyclic:
                if step % round(MESSAGES[name.partition(" ")[0]].period_ms / 10) == 0:
                    fitting = {key: value for key, value in values.items() if key in VALUES[name.partition(" ")[0]]}
                    self.say(name, **fitting)
            self.told += self.observer.poll(self.now_s)

    def until(self, last: str) -> "Bus":
        """The ordinary way, up to and with ``last``."""
        for name in WAY:
            self.say(name)
            if name not in CHARGE:
                self.wait(0.05)
            if name == last:
                break
        return self

    def charging(self) -> "Bus":
        """A charge that runs, with nothing told so far."""
        self.until("CCS")
        assert self.codes("violation") == [], self.told
        self.told.clear()
        return self

    @property
    def session(self) -> Session:
        """The latest session."""
        return self.observer.sessions[-1]

    def stage(self) -> Stage:
        """Where the dialogue stands."""
        return self.observer.stage

    def paused(self) -> bool:
        """Whether the latest session pauses."""
        return self.session.paused

    def codes(self, severity: str | None = None) -> list[str]:
        """Codes told, of one severity or all."""
        return [each.code for each in self.told if severity in (None, each.severity.value)]

    def only(self, code: str) -> Observation:
        """The only observation of this code."""
        (found,) = [each for each in self.told if each.code == code]
        return found
