"""The control core in virtual time: a simulated vehicle and plant around it, or readings written by hand."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from agent.control.chassis.commands import CommandInput, Reply
from agent.control.dc.core import ControlCore, Outputs
from agent.control.dc.parameters import ControlParameters
from agent.control.metering.billing import BillingTariff
from agent.control.power_quality.limits import Limit, PowerQualityParameters
from agent.settings.catalogue import threshold_of
from agent.settings.files import load_fault_catalogue, load_tariff
from agent.settings.power_quality import load_supply_limits
from agent.vocabulary.reasons import PERMISSION_REASONS, REFUSALS, STOP_REASONS, Reason
from agent.vocabulary.record import Record
from agent.vocabulary.signals import DISCRETE_INPUTS, SIGNALS
from drivers.can.frame import CanFrame
from drivers.reading import Quality, Reading
from hil_tests.bench.circuit import Source
from hil_tests.bench.plant import Plant
from hil_tests.bench.relay_board import RelayBoard
from hil_tests.bench.vehicle.bms import Inlet
from hil_tests.bench.vehicle.profile import load_profile
from hil_tests.bench.vehicle.vehicle import Vehicle
from hil_tests.bench.wiring import load_wiring

CONFIG = Path(__file__).parents[2] / "config"
FAULTS = load_fault_catalogue(CONFIG / "faults.toml")
_TABLE = load_tariff(CONFIG / "tariffs" / "shanxi-example.toml")
TARIFF = BillingTariff(
    id=_TABLE.id,
    version=_TABLE.version,
    electricity_e5={name: rate.electricity_e5 for name, rate in _TABLE.rates.items()},
    service_e5={name: rate.service_e5 for name, rate in _TABLE.rates.items()},
    slots=tuple(_TABLE.slots),
    utc_offset_minutes=480,
)
BEGIN_S = 1000.0
"""Monotonic time at which every world begins: no clock starts at zero."""
COARSE_STEP_S = 0.05
BEGIN_WALL_MS = int(datetime(2026, 3, 9, 2, 0, 0, tzinfo=UTC).timestamp()) * 1000
"""10:00 local time, in the middle of a rate."""


def parameters_with(**changes: Any) -> ControlParameters:
    values: dict[str, Any] = {
        "pile_id": "P1",
        "boot_id": "0123456789abcdef",
        "version": "test",
        "connector": 1,
        "maximum_power_w": 60_000,
        "maximum_voltage_v": 750.0,
        "minimum_voltage_v": 150.0,
        "maximum_current_a": 150.0,
        "minimum_current_a": 1.0,
        "tariff": TARIFF,
        "faults": FAULTS,
        "over_temperature_c": threshold_of(FAULTS, "over_temperature"),
        "temperature_derate_c": threshold_of(FAULTS, "temperature_high"),
        "recorder_lost_stop_s": threshold_of(FAULTS, "recorder_lost"),
        "meter": {"model": "test"},
    }
    return ControlParameters(**{**values, **changes})


SUPPLY_LIMITS = load_supply_limits(CONFIG / "power_quality.toml")


def supply_parameters(**changes: Any) -> PowerQualityParameters:
    """A three-phase meter at the grid side with the shipped limits."""
    values: dict[str, Any] = {
        "meter": "m",
        "phases": 3,
        "nominal_voltage_v": 220.0,
        "poll_interval_s": 1.0,
        "indicative": True,
        "limits": tuple(
            Limit(limit.id, limit.fault, limit.quantity, limit.statistic, limit.high, limit.low)
            for limit in SUPPLY_LIMITS.limit
            if limit.phases in (0, changes.get("phases", 3))
        ),
    }
    return PowerQualityParameters(**{**values, **changes})


def texts(reasons: Iterable[Reason]) -> tuple[str, ...]:
    """Reasons as they are recorded."""
    return tuple(reason.text for reason in reasons)


HARMLESS_CONTACTS = {name: SIGNALS[name].danger == "false" for name in DISCRETE_INPUTS}
"""What every contact reads in a pile in which nothing is wrong; also one that the model of the pile does not have."""


class _Relays(RelayBoard):
    """The relays of the plant follow what the core wants, with no wire between."""

    def __init__(self, channels: int, names: Mapping[str, int]) -> None:
        super().__init__(channels)
        self._names = names

    def apply(self, relays: Mapping[str, bool]) -> None:
        for name, on in relays.items():
            if name in self._names:
                self._set(self._names[name], on)


@dataclass
class Log:
    """Everything that left the core."""

    records: list[Record] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    states: list[str] = field(default_factory=list)

    def take(self, outputs: Outputs) -> None:
        self.records += outputs.records
        self.replies += outputs.replies
        self.states += [record.body["state"] for record in outputs.records if record.kind == "state"]

    def kind(self, kind: str) -> list[Record]:
        return [record for record in self.records if record.kind == kind]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [dict(record.body) for record in self.kind("event") if record.body["event"] == name]

    def alarms(self) -> list[str]:
        return [record.body["fault"] for record in self.kind("alarm_raised")]

    def cleared(self) -> list[str]:
        return [record.body["fault"] for record in self.kind("alarm_cleared")]

    def end(self) -> dict[str, Any]:
        (record,) = self.kind("session_ended")
        return dict(record.body)

    def answers(self, command_id: str) -> list[str]:
        return [reply.result for reply in self.replies if reply.id == command_id]


def check_outputs(core: ControlCore, outputs: Outputs) -> None:
    """What must hold after every step whatever happens."""
    relays = outputs.relays
    closed = relays["contactor_k1"] or relays["contactor_k2"]
    assert relays["contactor_k1"] == relays["contactor_k2"]
    assert not closed or core.permission.energise
    assert not outputs.set_point.on or core.permission.energise
    assert outputs.set_point.current_a >= 0.0
    assert outputs.set_point.voltage_v >= 0.0
    assert outputs.set_point.current_a <= core.parameters.maximum_current_a
    assert outputs.set_point.voltage_v <= core.parameters.maximum_voltage_v
    assert not (relays["discharge"] and outputs.set_point.on), "discharge resistor under load"
    assert core.state not in ("reconnecting", "stopping") or outputs.set_point.current_a == 0.0
    in_session_state = core.state not in ("idle", "plugged", "settled", "faulted")
    assert in_session_state == (core.session is not None)
    if core.session is None:
        assert not closed
        assert not relays["auxiliary_supply"]


def check_end(body: Mapping[str, Any]) -> None:
    """A session's end names a reason that has words, and its bill adds up."""
    rolled_wh = body.get("register_rollovers", 0) * body.get("register_modulus_wh", 0)
    assert body["energy_wh"] == body["register_end_wh"] - body["register_start_wh"] + rolled_wh >= 0
    assert sum(part["energy_wh"] for part in body["slices"]) == body["energy_wh"]
    total_e4 = sum(part["electricity_e4"] + part["service_e4"] for part in body["slices"])
    assert body["amount_e4"] == (total_e4 + 50) // 100 * 100
    assert body["duration_s"] >= 0
    reason = body["stop_reason"]
    if body["result"] == "refused":
        words = [word.split(": ")[0] for word in reason.split(", ")]
        assert all(
            word in {*REFUSALS, *PERMISSION_REASONS, *FAULTS} or reason.startswith("bad_arguments") for word in words
        ), reason
    else:
        assert reason in STOP_REASONS or reason in FAULTS, reason


class World:
    """A pile with its vehicle in virtual time. ``override`` replaces readings, ``missing`` withholds them."""

    def __init__(self, profile: str = "demo-car", *, step_s: float = 0.02, **changes: Any) -> None:
        soc = changes.pop("soc_percent", None)
        restarted = changes.pop("restarted", False)
        backlog = changes.pop("backlog", None)
        self.parameters = parameters_with(**changes)
        self.step_s = step_s
        self.now_s = BEGIN_S
        self.wall_ms = BEGIN_WALL_MS
        self.wall_quality = "synced"
        wiring = load_wiring()
        self.relays = _Relays(wiring.relay_channels, wiring.outputs)
        self.plant = Plant(wiring, relays=self.relays)
        self.plant.advance(self.now_s)
        self.vehicle = Vehicle(load_profile(profile), soc_percent=soc)
        self.core = ControlCore(self.parameters, self.now_s, restarted=restarted, backlog=backlog)
        self.log = Log()
        self.override: dict[str, float | int | bool | None] = {}
        self.suspect: set[str] = set()
        self.missing: set[str] = set()
        self.recorder_ok = True
        self.recorder_there = True
        self.uplink = "connected"
        self.vehicle_deaf = False
        self.vehicle_mute = False
        self.modules_work = True
        self.outputs: Outputs | None = None
        self.highest_current_a = 0.0
        self.currents_at_opening_a: list[float] = []
        self._closed = False
        self._ids = 0

    # What people and the platform do.

    def command(self, name: str, *, command_id: str = "", **more: Any) -> str:
        self._ids += 1
        command_id = command_id or f"c{self._ids}"
        self.core.on_command(CommandInput(command_id, name, **more))
        return command_id

    def start(self, **arguments: Any) -> str:
        return self.command("start", arguments=arguments)

    def ready(self) -> "World":
        """Plugged in, every reading there, nothing in the way."""
        self.run(0.5)
        self.plant.plug()
        self.run_until("plugged", 3.0)
        return self

    def until(self, state: str, longest_s: float = 60.0) -> "World":
        """Plug in, start, and go on until the core is in ``state``."""
        if state == "idle":
            self.run(0.5)
            return self
        self.ready()
        if state != "plugged":
            self.start()
            self.run_until(state, longest_s)
        return self

    # Time.

    def run(self, seconds: float) -> None:
        end_s = self.now_s + seconds - 1e-9
        while self.now_s < end_s:
            self.step()

    def run_until(self, state: str, longest_s: float) -> None:
        end_s = self.now_s + longest_s
        with self._coarse():
            self._run_until(state, end_s)

    @contextmanager
    def _coarse(self) -> Iterator[None]:
        """Longer steps for the way to where a test looks closely."""
        fine_s, self.step_s = self.step_s, max(self.step_s, COARSE_STEP_S)
        try:
            yield
        finally:
            self.step_s = fine_s

    def _run_until(self, state: str, end_s: float) -> None:
        while self.core.state != state:
            assert self.now_s < end_s, (
                f"{self.core.state}/{self.core.point.memory.sub_step}, not {state}: {self.log.alarms()} "
                f"{self.core.permission.start_reasons} {self.core.image.snapshot(self.now_s)}"
            )
            self.step()

    def run_to_end(self, longest_s: float = 60.0) -> dict[str, Any]:
        """Until no session is open; the body of the only end."""
        end_s = self.now_s + longest_s
        with self._coarse():
            while self.core.session is not None:
                assert self.now_s < end_s, f"{self.core.state}/{self.core.point.memory.sub_step} never ends"
                self.step()
        return self.log.end()

    def step(self) -> Outputs:
        self.live()
        return self.decide()

    def live(self) -> None:
        """Time goes on, the vehicle and the plant with it, and every reading reaches the core."""
        self.now_s += self.step_s
        self.wall_ms += round(self.step_s * 1000)
        self._live()
        self._read()

    def decide(self) -> Outputs:
        """One step of the core at this very time, and its outputs on the plant."""
        outputs = self.core.evaluate(self.now_s, self.wall_ms, self.wall_quality)
        self.obey(outputs)
        if self.recorder_there and outputs.records and self.recorder_ok:
            self.core.on_acknowledged(outputs.records[-1].number)
        return outputs

    def obey(self, outputs: Outputs) -> None:
        """The outputs of the core on the plant and the vehicle."""
        check_outputs(self.core, outputs)
        for record in outputs.records:
            if record.kind == "session_ended":
                check_end(record.body)
        self.log.take(outputs)
        self.outputs = outputs
        closed = outputs.relays["contactor_k1"]
        if self._closed and not closed:
            self.currents_at_opening_a.append(self.plant.circuit.current_a)
        self._closed = closed
        self.relays.apply(outputs.relays)
        set_point = outputs.set_point
        on = set_point.on and self.modules_work
        self.plant.foreign_source = Source(set_point.voltage_v, set_point.current_a) if on else None
        if not self.vehicle_deaf:
            for frame in outputs.frames:
                self.vehicle.receive(frame, self.now_s)

    def _live(self) -> None:
        plant, vehicle = self.plant, self.vehicle
        source = vehicle.source
        plant.battery.open_circuit_voltage_v = source.open_circuit_voltage_v
        plant.battery.resistance_ohm = source.resistance_ohm
        plant.battery.connected = source.contactors_closed
        plant.advance(self.now_s)
        self.highest_current_a = max(self.highest_current_a, plant.circuit.current_a)
        plugged = plant.inputs.plugged
        vehicle.sense(
            Inlet(
                plugged,
                plant.auxiliary_voltage_v if plugged else 0.0,
                plant.terminal_voltage_v,
                plant.circuit.battery_current_a,
            ),
            self.now_s,
        )
        for frame in vehicle.poll(self.now_s):
            self.hear(frame)

    def hear(self, frame: CanFrame) -> None:
        if not self.vehicle_mute:
            self.core.on_frame(frame, self.now_s)

    def _read(self) -> None:
        plant = self.plant
        circuit = plant.circuit
        values: dict[str, float | int | bool | None] = {
            **HARMLESS_CONTACTS,
            **plant.discrete_inputs,
            **plant.analog_inputs,
            "meter_voltage_v": circuit.outside_voltage_v,
            "meter_current_a": circuit.current_a,
            "meter_power_w": circuit.outside_voltage_v * circuit.current_a,
            "meter_energy_wh": plant.meter.register_wh,
            "insulation_plus_kohm": plant.insulation_kohm,
            "insulation_minus_kohm": plant.insulation_kohm,
            "module_count": 2,
            "module_voltage_v": circuit.module_voltage_v,
            "module_current_a": circuit.current_a,
            "module_fault": False,
            "module_maximum_current_a": 200.0,
            "module_temperature_c": 25.0,
        }
        values.update(self.override)
        for name, value in values.items():
            if name not in self.missing and value is not None:
                self.put(name, value)
        if self.recorder_there and "recorder_ready" not in self.missing:
            self.core.on_recorder(ready=self.recorder_ok, uplink=self.uplink, at_s=self.now_s)

    def put(self, name: str, value: float | int | bool, at_s: float | None = None) -> None:
        quality = Quality.SUSPECT if name in self.suspect else Quality.GOOD
        self.core.on_reading(name, Reading(value, SIGNALS[name].unit, self.now_s if at_s is None else at_s, quality))
