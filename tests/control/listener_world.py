"""A monitor beside a charge in virtual time: it hears both sides of the world's charger, or frames written by hand."""

from collections.abc import Mapping
from typing import Any

from control_world import BEGIN_S, BEGIN_WALL_MS, FAULTS, TARIFF, Log, World

from agent.control.chassis.commands import CommandInput
from agent.control.dc.core import Outputs
from agent.control.listener.core import ListenerCore, ListenerOutputs
from agent.control.listener.parameters import ListenerParameters
from agent.vocabulary.signals import SIGNALS
from drivers.can.frame import CanFrame
from drivers.gbt27930.messages.fields import CHARGER_ADDRESS, VEHICLE_ADDRESS, Sender
from drivers.gbt27930.messages.table import MESSAGES, encode, identifier_of
from drivers.gbt27930.transport.segments import Frames, packets_of
from drivers.reading import Reading

METER = {"model": "test"}
METER_SIGNALS = ("meter_voltage_v", "meter_current_a", "meter_power_w", "meter_energy_wh")


def parameters_with(**changes: Any) -> ListenerParameters:
    values: dict[str, Any] = {
        "pile_id": "M1",
        "boot_id": "fedcba9876543210",
        "version": "test",
        "connector": 1,
        "maximum_voltage_v": 750.0,
        "maximum_current_a": 150.0,
        "tariff": TARIFF,
        "faults": FAULTS,
        "meter": METER,
    }
    return ListenerParameters(**{**values, **changes})


class MonitorLog(Log):
    """Everything that left the monitor. It cannot be anything but records and replies."""

    def hear(self, outputs: ListenerOutputs) -> None:
        assert type(outputs).__struct_fields__ == ("records", "replies"), "an output of a listener"
        self.records += outputs.records
        self.replies += outputs.replies
        self.states += [record.body["state"] for record in outputs.records if record.kind == "state"]


class ListeningWorld(World):
    """The world of the charger, and a monitor on its bus that reads a meter of its own on the same circuit."""

    def __init__(self, profile: str = "demo-car", *, monitor: Mapping[str, Any] | None = None, **changes: Any) -> None:
        super().__init__(profile, **changes)
        self.monitor = ListenerCore(parameters_with(**(monitor or {})), self.now_s)
        self.heard = MonitorLog()
        self.monitor_meter_missing = False
        self.monitor.on_vehicle_port(is_open=True)

    def hear(self, frame: CanFrame) -> None:
        super().hear(frame)
        self.monitor.on_frame(frame, self.now_s)

    def decide(self) -> Outputs:
        outputs = super().decide()
        monitor = self.monitor
        for frame in outputs.frames:
            monitor.on_frame(frame, self.now_s)
        monitor.on_recorder(ready=True, uplink="connected", at_s=self.now_s)
        told = monitor.evaluate(self.now_s, self.wall_ms, self.wall_quality)
        self.heard.hear(told)
        if told.records:
            monitor.on_acknowledged(told.records[-1].number)
        return outputs

    def put(self, name: str, value: float | int | bool, at_s: float | None = None) -> None:
        super().put(name, value, at_s)
        if name in METER_SIGNALS and self.monitor.parameters.meter is not None and not self.monitor_meter_missing:
            self.monitor.on_reading(name, Reading(value, SIGNALS[name].unit, self.now_s))


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
        "soc_percent": 20.0,
        "battery_voltage_v": 340.0,
    },
    "CML": {
        "maximum_voltage_v": 500.0,
        "minimum_voltage_v": 200.0,
        "maximum_current_a": 120.0,
        "minimum_current_a": 1.0,
    },
    "BRO": {"ready": True},
    "CRO": {"ready": True},
    "BCL": {"voltage_v": 400.0, "current_a": 80.0, "mode": 2},
    "BCS": {
        "voltage_v": 345.0,
        "current_a": 80.0,
        "maximum_cell_voltage_v": 3.4,
        "maximum_cell_group": 2,
        "soc_percent": 20,
        "remaining_min": 40,
    },
    "CCS": {"voltage_v": 345.0, "current_a": 80.0, "minutes": 1, "permitted": True},
    "BSM": {
        "maximum_cell_number": 7,
        "highest_temperature_c": 31,
        "highest_temperature_point": 3,
        "lowest_temperature_c": 28,
        "lowest_temperature_point": 9,
        "charging_permitted": True,
    },
    "BMV": {"cell_voltages_v": [3.3, 3.4] * 8, "cell_groups": [1] * 16},
    "BMT": {"temperatures_c": [20, 21] * 8},
    "BST": {},
    "CST": {},
    "BSD": {
        "soc_percent": 80,
        "minimum_cell_voltage_v": 3.3,
        "maximum_cell_voltage_v": 3.4,
        "lowest_temperature_c": 28,
        "highest_temperature_c": 33,
    },
    "CSD": {"minutes": 3, "energy_kwh": 1.2, "charger_number": 4711},
    "BEM": {"ccs_timeout": 1},
    "CEM": {"bcl_timeout": 1},
}

CYCLIC = {"CCS": 0.05, "BCL": 0.05, "BCS": 0.25, "BSM": 0.25}
"""What both sides repeat while charging, seconds."""
STEP_S = 0.05


def frames_of(name: str, values: Mapping[str, Any]) -> list[CanFrame]:
    """A message on the wire; a long one with what its receiver answers."""
    return frames_with(name, encode(name, values))


def frames_with(name: str, payload: bytes) -> list[CanFrame]:
    """The same with a payload that need not make sense."""
    message = MESSAGES[name]
    if len(payload) <= 8:
        return [CanFrame(identifier_of(name), payload)]
    ours, theirs = (
        (VEHICLE_ADDRESS, CHARGER_ADDRESS) if message.sender is Sender.VEHICLE else (CHARGER_ADDRESS, VEHICLE_ADDRESS)
    )
    sender, receiver = Frames(ours, theirs), Frames(theirs, ours)
    packets = packets_of(len(payload))
    return [
        sender.request(message.pgn, len(payload)),
        receiver.clearance(message.pgn, packets, 1),
        *(sender.data(number, payload) for number in range(1, packets + 1)),
        receiver.end(message.pgn, len(payload)),
    ]


class Bus:
    """A monitor that hears what a test lets two invented sides say."""

    def __init__(self, *, restarted: bool = False, **changes: Any) -> None:
        self.parameters = parameters_with(**changes)
        self.now_s = BEGIN_S
        self.wall_ms = BEGIN_WALL_MS
        self.wall_quality = "synced"
        self.core = ListenerCore(self.parameters, self.now_s, restarted=restarted)
        self.core.on_vehicle_port(is_open=True)
        self.log = MonitorLog()
        self.values: dict[str, dict[str, Any]] = {name: dict(values) for name, values in VALUES.items()}
        self.readings: dict[str, float | int | bool] = {}
        self.recorder_ready: bool | None = True
        self.uplink = "connected"
        self.acknowledges = True
        self.register_wh = 1_000_000.0
        if self.parameters.meter is not None:
            self.readings = {"meter_voltage_v": 345.0, "meter_current_a": 80.0, "meter_energy_wh": 1_000_000}
        self.talking: tuple[str, ...] = ()
        self._due_s: dict[str, float] = {}

    def say(self, *names: str, **changes: Any) -> None:
        """Messages pass on the bus now."""
        for name in names:
            for frame in frames_of(name, {**self.values[name], **changes}):
                self.core.on_frame(frame, self.now_s)

    def step(self) -> None:
        self.now_s += STEP_S
        self.wall_ms += round(STEP_S * 1000)
        for name in self.talking:
            if self.now_s >= self._due_s.get(name, 0.0):
                self._due_s[name] = self.now_s + CYCLIC[name] - 1e-6
                self.say(name)
        for name, value in self.readings.items():
            self.core.on_reading(name, Reading(value, SIGNALS[name].unit, self.now_s))
        if self.recorder_ready is not None:
            self.core.on_recorder(ready=self.recorder_ready, uplink=self.uplink, at_s=self.now_s)
        outputs = self.core.evaluate(self.now_s, self.wall_ms, self.wall_quality)
        self.log.hear(outputs)
        if outputs.records and self.acknowledges:
            self.core.on_acknowledged(outputs.records[-1].number)

    def run(self, seconds: float) -> "Bus":
        for _ in range(round(seconds / STEP_S)):
            self.step()
        return self

    def command(self, name: str, origin: str = "local", command_id: str = "") -> str:
        command_id = command_id or f"c{len(self.log.replies)}-{name}"
        self.core.on_command(CommandInput(command_id, name, origin))
        self.step()
        return command_id

    def start(self) -> "Bus":
        """From the first CHM to the first CRM."""
        self.run(0.2)
        self.say("CHM")
        self.step()
        self.say("BHM")
        self.step()
        self.say("CHM")
        self.run(0.2)
        self.say("CRM")
        return self.run(0.2)

    def charge(self, seconds: float = 1.0) -> "Bus":
        """On to a charge that runs."""
        self.start()
        self.say("BRM")
        self.say("CRM", recognised=True)
        self.run(0.2)
        self.say("BCP")
        self.run(0.1)
        self.say("CML")
        self.run(0.1)
        self.say("BRO")
        self.run(0.1)
        self.say("CRO", ready=False)
        self.run(0.1)
        self.say("CRO")
        self.run(0.05)
        self.say("BCL", "BCS")
        self.talking = ("CCS", "BCL", "BCS", "BSM")
        return self.run(seconds)

    def finish(self) -> "Bus":
        """Statistics of both sides, then silence."""
        self.talking = ()
        self.say("BSD")
        self.step()
        self.say("CSD")
        return self.run(4.0)

    def active(self) -> list[str]:
        return sorted(item.fault.id for item in self.core.active_faults)
