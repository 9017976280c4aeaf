"""A pile in virtual time: the real control core with the bench's circuit, modules and vehicle, and no wire between.

It brings a core into any state of a charge much faster than in real time, with every inner state as it would
be on a pile. Nothing here is measured.
"""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import msgspec

from agent.control.chassis.backlog import Backlog
from agent.control.chassis.commands import CommandInput
from agent.control.dc.core import ControlCore, Outputs
from agent.control.dc.parameters import ControlParameters
from agent.field.parameters import connector_parameters
from agent.settings.load import load_site
from agent.settings.site import Site
from agent.vocabulary.record import Record
from agent.vocabulary.signals import SIGNALS
from drivers.can.frame import CanFrame
from drivers.power.infypower import InfyPower
from drivers.power.module_group import GroupPlan
from drivers.reading import Reading
from hil_tests.bench.plant import Plant
from hil_tests.bench.power_stage import PowerStage
from hil_tests.bench.relay_board import RelayBoard
from hil_tests.bench.site import write_site_file, write_two_guns_file
from hil_tests.bench.vehicle.bms import Inlet
from hil_tests.bench.vehicle.profile import load_profile
from hil_tests.bench.vehicle.vehicle import Vehicle
from hil_tests.bench.wiring import load_wiring

BEGIN_S = 1e9
"""Where the virtual clock begins: far from every duration and value, so that a time cannot pass for another number."""
_WALL_MS = 1_790_000_000_000
_CYCLE_S = 0.01
_COIL_ON, _COIL_OFF = 0xFF00, 0x0000


class StateNotReachedError(Exception):
    """The virtual charge did not reach the target state; the text gives the actual state."""


def reference_site(folder: Path, mqtt_port: int = 1883) -> Site:
    """The reference pile as the bench's site file describes it."""
    return load_site(write_site_file(folder, mqtt_port=mqtt_port))


def two_guns_site(folder: Path, mqtt_port: int = 1883) -> Site:
    """The two-gun pile of the bench, each connector with modules of its own."""
    return load_site(write_two_guns_file(folder, mqtt_port=mqtt_port))


class VirtualPile:
    """See the module: one connector of a pile, ``connector`` by its number.

    ``core_class`` may be a subclass that watches; faults in ``unfiltered`` need no debounce time. Connectors of one
    pile share a ``backlog``.
    """

    def __init__(
        self,
        site: Site,
        *,
        boot_id: str = "0" * 32,
        version: str = "bench",
        vehicle_profile: str = "lfp-car",
        core_class: type[ControlCore] = ControlCore,
        unfiltered: Collection[str] = (),
        connector: int = 1,
        backlog: Backlog | None = None,
    ) -> None:
        self.now_s = BEGIN_S
        (chosen,) = (each for each in site.connectors if each.number == connector)
        self.parameters: ControlParameters = connector_parameters(site, chosen, boot_id=boot_id, version=version)
        if unfiltered:
            faults = dict(self.parameters.faults)
            for fault_id in unfiltered:
                faults[fault_id] = msgspec.structs.replace(faults[fault_id], debounce_s=0.0)
            self.parameters = replace(self.parameters, faults=faults)
        self.core = core_class(self.parameters, self.now_s, backlog=backlog)
        self.relays = RelayBoard()
        self.stage = PowerStage(chosen.groups[0].module_count)
        self.plant = Plant(load_wiring(), self.relays, self.stage)
        self.vehicle = Vehicle(load_profile(vehicle_profile))
        self.records: list[Record] = []
        self._modules = InfyPower(GroupPlan.of(chosen.groups[0].module_count), 0.1)
        self.core.on_vehicle_port(is_open=True)

    def plug_and_start(self) -> None:
        """Plug in and give a local start command once there is no start blocker."""
        self.run_for(1.0)
        self.plant.plug()
        self.run_for(1.0)
        self.core.on_command(CommandInput("0" * 32, "start", "local", {}, 0))

    def run_until(self, state: str, timeout_s: float = 120.0) -> None:
        """Live until the core is in ``state``. Raises StateNotReachedError."""
        end_s = self.now_s + timeout_s
        while self.core.state != state:
            self.turn()
            if self.now_s > end_s:
                faults = [item.fault.id for item in self.core.active_faults]
                raise StateNotReachedError(
                    f"{state} not reached in {timeout_s:.0f} s; state {self.core.state}, faults {faults}, "
                    f"may not start: {self.core.permission.start_reasons}"
                )

    def run_for(self, duration_s: float) -> None:
        """Live for a while."""
        end_s = self.now_s + duration_s
        while self.now_s < end_s:
            self.turn()

    def turn(self) -> Outputs:
        """One cycle of the pile and of the world around it."""
        self.feed()
        outputs = self.core.evaluate(self.now_s, self.wall_ms, "synced")
        self.obey(outputs)
        return outputs

    @property
    def wall_ms(self) -> int:
        """UTC of the virtual clock."""
        return _WALL_MS + round((self.now_s - BEGIN_S) * 1000)

    def feed(self) -> None:
        """One cycle of the world; everything that it shows is handed to the core."""
        self.now_s += _CYCLE_S
        now_s, core, plant = self.now_s, self.core, self.plant
        plant.advance(now_s)
        for name, value in self.measured().items():
            core.on_reading(name, Reading(value, SIGNALS[name].unit, now_s))
        for frame in self._modules.poll(now_s):
            for reply in self.stage.receive(frame, now_s):
                self._modules.receive(_arrived(reply, now_s))
        for name, reading in self._modules.readings(now_s):
            core.on_reading(name, reading)
        core.on_recorder(ready=True, uplink="connected", at_s=now_s)
        core.on_acknowledged(core.backlog.last_number)
        self._let_vehicle_live(now_s)

    def measured(self) -> dict[str, float | int | bool]:
        """What boards, meter and insulation monitor show now."""
        plant = self.plant
        meter = plant.meter
        return {
            **plant.discrete_inputs,
            **plant.analog_inputs,
            "meter_voltage_v": meter.voltage_v,
            "meter_current_a": meter.current_a,
            "meter_power_w": meter.voltage_v * meter.current_a,
            "meter_energy_wh": meter.register_wh,
            "insulation_plus_kohm": plant.insulation_kohm,
            "insulation_minus_kohm": plant.insulation_kohm,
        }

    def hear(self, frame: CanFrame) -> None:
        """A frame on the vehicle's bus: taken in, and what is due answered at once, as the field loop does it."""
        self.core.on_frame(_arrived(frame, self.now_s), self.now_s)
        for reply in self.core.replies(self.now_s):
            self.vehicle.receive(_arrived(reply, self.now_s), self.now_s)

    def obey(self, outputs: Outputs) -> None:
        """Relays, power stage and vehicle take what the core has decided."""
        for name, on in outputs.relays.items():
            self.relays.write_single(self.plant.wiring.outputs[name], _COIL_ON if on else _COIL_OFF, self.now_s)
        set_point = outputs.set_point
        self._modules.set_point(set_point.voltage_v, set_point.current_a, set_point.on)
        for frame in outputs.frames:
            self.vehicle.receive(_arrived(frame, self.now_s), self.now_s)
        self.records += outputs.records

    def restore_backlog(self) -> None:
        """Put every record of the virtual charge back as not yet durable, with its own number."""
        backlog = Backlog(self.parameters.maximum_backlog, self.parameters.boot_id)
        for record in self.records:
            backlog.add(
                record.kind,
                record.at_s,
                record.wall_ms,
                record.wall_quality,
                record.session,
                record.body,
                connector=record.connector,
            )
        self.core.chassis.backlog = backlog

    def _let_vehicle_live(self, now_s: float) -> None:
        plant, vehicle = self.plant, self.vehicle
        vehicle.sense(
            Inlet(
                plugged=plant.inputs.plugged,
                auxiliary_voltage_v=plant.auxiliary_voltage_v if plant.inputs.plugged else 0.0,
                terminal_voltage_v=plant.terminal_voltage_v,
                current_a=plant.circuit.current_a,
            ),
            now_s,
        )
        for frame in vehicle.poll(now_s):
            self.hear(frame)
        source = vehicle.source
        plant.battery.open_circuit_voltage_v = source.open_circuit_voltage_v
        plant.battery.resistance_ohm = max(source.resistance_ohm, 1e-3)
        plant.battery.connected = source.contactors_closed


def _arrived(frame: CanFrame, now_s: float) -> CanFrame:
    return CanFrame(frame.identifier, frame.data, now_s, frame.extended)
