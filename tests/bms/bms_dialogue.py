"""A charger and a vehicle's frames in virtual time, with everything the charger sends written down."""

from collections.abc import Callable, Mapping
from typing import Any

from drivers.can.frame import CanFrame
from drivers.gbt27930.charger.dialogue import Charger, ChargerLimits, Event, EventKind, Latest, Phase
from drivers.gbt27930.messages.table import CHARGER_ADDRESS, MESSAGES, VEHICLE_ADDRESS, encode, identifier_of
from drivers.gbt27930.transport.transport import Transport

STEP_S = 0.005

LIMITS = ChargerLimits(maximum_voltage_v=750, minimum_voltage_v=200, maximum_current_a=150, minimum_current_a=1)

VALUES: Mapping[str, Mapping[str, Any]] = {
    "BHM": {"maximum_voltage_v": 500.0},
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
    "BRO": {"ready": True},
    "BCL": {"voltage_v": 410.0, "current_a": 80.0, "mode": 2},
    "BCS": {
        "voltage_v": 345.0,
        "current_a": 79.5,
        "maximum_cell_voltage_v": 3.4,
        "maximum_cell_group": 2,
        "soc_percent": 21,
        "remaining_min": 40,
    },
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
    "BSD": {
        "soc_percent": 80,
        "minimum_cell_voltage_v": 3.3,
        "maximum_cell_voltage_v": 3.4,
        "lowest_temperature_c": 28,
        "highest_temperature_c": 33,
    },
    "BEM": {"ccs_timeout": 1},
}


class Dialogue:
    """Runs the charger against scripted messages of a vehicle."""

    def __init__(self, edition: Any = "2015", **more: Any) -> None:
        self.charger = Charger(charger_number=4711, limits=LIMITS, edition=edition, **more)
        self.vehicle = Transport(VEHICLE_ADDRESS, CHARGER_ADDRESS, packet_interval_s=0.0)
        self.steps = 0
        self.sent: list[tuple[float, CanFrame]] = []
        self.events: list[Event] = []

    @property
    def now_s(self) -> float:
        return self.steps * STEP_S

    @property
    def phase(self) -> Phase:
        return self.charger.phase

    def say(self, *names: str, **values: Any) -> None:
        """The vehicle sends messages, and the charger takes them at once."""
        for name in names:
            message = MESSAGES[name]
            self.vehicle.send(message.pgn, message.priority, encode(name, {**VALUES[name], **values}), self.now_s)
        self.exchange()

    def raw(self, name: str, payload: bytes) -> None:
        """One single frame of the vehicle with any payload."""
        self.charger.receive(CanFrame(identifier_of(name), payload), self.now_s)

    def exchange(self) -> None:
        """Carries frames to and fro until both sides are quiet."""
        for _ in range(20):
            out = self.vehicle.poll(self.now_s)
            for frame in out:
                self.charger.receive(frame, self.now_s)
            back = self.charger.poll(self.now_s)
            self.sent.extend((self.now_s, frame) for frame in back)
            for frame in back:
                self.vehicle.receive(frame, self.now_s)
            if not out and not back:
                break
        self.events += self.charger.events()

    def run(self, seconds: float, *cyclic: str) -> None:
        """Lets time pass; the vehicle repeats ``cyclic`` with their periods."""
        start = self.steps
        for _ in range(round(seconds / STEP_S)):
            self.steps += 1
            due = [name for name in cyclic if (self.steps - start) % round(MESSAGES[name].period_s / STEP_S) == 0]
            self.say(*due)

    def expect(self, phase: Phase) -> None:
        """The charger is in ``phase``."""
        assert self.charger.phase is phase

    def latest(self, name: str) -> Latest:
        """What the charger keeps of message ``name``."""
        latest = getattr(self.charger.vehicle, name.lower())
        assert isinstance(latest, Latest)
        return latest

    def times(self, name: str) -> list[float]:
        """When the charger sent message ``name``."""
        return [at for at, frame in self.sent if frame.identifier == identifier_of(name)]

    def payloads(self, name: str) -> list[str]:
        """What the charger sent as message ``name``, in hexadecimal."""
        return [frame.data.hex() for _, frame in self.sent if frame.identifier == identifier_of(name)]

    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.events]

    def last(self, kind: EventKind) -> Event:
        return next(event for event in reversed(self.events) if event.kind is kind)

    def until(self, phase: Phase) -> "Dialogue":
        """Takes the ordinary way to ``phase``."""
        steps: Mapping[Phase, Callable[[], None]] = {
            Phase.HANDSHAKE: lambda: self.charger.begin(self.now_s),
            Phase.RECOGNITION: self._pass_handshake,
            Phase.RECOGNISED: lambda: self.say("BRM"),
            Phase.PARAMETERS: lambda: self.say("BCP"),
            Phase.WAIT_READY: lambda: self.say("BRO"),
            Phase.READY: lambda: self.charger.output_ready(self.now_s),
            Phase.CHARGING: lambda: self.say("BCL", "BCS"),
            Phase.STOPPING: lambda: self.say("BST"),
            Phase.ENDING: lambda: self.say("BSD"),
        }
        for reached, step in steps.items():
            step()
            self.exchange()
            assert self.charger.phase is reached
            if reached is phase:
                break
        return self

    def _pass_handshake(self) -> None:
        self.say("BHM")
        self.charger.insulation_passed(self.now_s)
