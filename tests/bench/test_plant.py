"""The physical world of the bench in virtual time."""

import math
import struct

import pytest

from drivers.can.frame import CanFrame
from hil_tests.bench.circuit import Source
from hil_tests.bench.plant import Plant
from hil_tests.bench.power_stage import PowerStage
from hil_tests.bench.relay_board import RelayBoard
from hil_tests.bench.wiring import load_wiring

ON, OFF = 0xFF00, 0x0000


class World:
    """A plant with a hand on its relays, and time that only moves in ``wait``."""

    def __init__(self) -> None:
        self.relays = RelayBoard()
        self.stage = PowerStage(2)
        self.plant = Plant(load_wiring(), self.relays, self.stage)
        self.now_s = 1000.0
        self.plant.advance(self.now_s)

    def relay(self, name: str, on: bool = True) -> None:
        self.relays.write_single(self.plant.wiring.outputs[name], ON if on else OFF, self.now_s)

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.01)):
            self.now_s += 0.01
            self.plant.advance(self.now_s)

    def demand(self, voltage_v: float, current_a: float) -> None:
        self.stage.receive(CanFrame(0x029A3FF0, bytes(8)), self.now_s)
        data = struct.pack(">II", round(voltage_v * 1000), round(current_a * 1000))
        self.stage.receive(CanFrame(0x029B3FF0, data), self.now_s)

    def is_locked(self) -> bool:
        return self.plant.lock_locked

    def close_contactors(self) -> None:
        self.relay("contactor_k1")
        self.relay("contactor_k2")
        self.wait(0.05)


def test_cc1_shows_plug_and_switch() -> None:
    world = World()
    inputs = world.plant.inputs
    assert world.plant.cc1_voltage_v == 6.0
    inputs.button_pressed = True
    assert world.plant.cc1_voltage_v == 12.0
    world.plant.plug()
    assert world.plant.cc1_voltage_v == 6.0
    inputs.button_pressed = False
    assert world.plant.cc1_voltage_v == 4.0


def test_lock_follows_its_relay_only_when_plugged_and_takes_its_time() -> None:
    world = World()
    world.relay("electronic_lock")
    world.wait(0.5)
    assert not world.is_locked()
    world.plant.plug()
    world.wait(0.05)
    assert not world.is_locked()
    world.wait(0.1)
    assert world.is_locked()
    world.relay("electronic_lock", False)
    world.wait(0.2)
    assert not world.is_locked()


def test_safety_inputs_are_wired_normally_closed() -> None:
    world = World()
    wiring = world.plant.wiring
    assert wiring.input_levels(world.plant.discrete_inputs)[:3] == [True, True, True]
    world.plant.inputs.emergency_stop_pressed = True
    world.plant.inputs.smoke_detected = True
    assert wiring.input_levels(world.plant.discrete_inputs)[:3] == [False, True, False]


def test_a_charge_delivers_what_the_meter_counts() -> None:
    world = World()
    world.plant.plug()
    battery = world.plant.battery
    battery.open_circuit_voltage_v, battery.resistance_ohm, battery.connected = 400.0, 0.1, True
    world.demand(395.0, 10.0)
    world.wait(1.5)
    world.close_contactors()
    assert world.plant.contactors_closed
    assert world.plant.circuit.inrush_peak_a <= 20.0
    world.demand(450.0, 50.0)
    world.wait(2.0)
    start_wh = world.plant.meter.energy_wh
    for _ in range(60):
        world.demand(450.0, 50.0)
        world.wait(1.0)
    delivered_wh = 405.0 * 50.0 * 60.0 / 3600.0
    assert world.plant.meter.energy_wh - start_wh == pytest.approx(delivered_wh, rel=0.001)
    assert world.plant.meter.register_wh == int(world.plant.meter.energy_wh)
    world.relay("contactor_k1", False)
    world.wait(0.05)
    settled_wh = world.plant.meter.energy_wh
    world.wait(5.0)
    assert world.plant.meter.energy_wh == settled_wh
    assert world.plant.contactors_opened_at_s is not None
    assert world.plant.contactors_closed_at_s is not None
    assert world.plant.contactors_opened_at_s > world.plant.contactors_closed_at_s + 60.0


def test_a_timed_pulse_that_is_not_renewed_opens_the_contactors() -> None:
    world = World()
    for channel in (0, 1):
        world.relays.write_single(0x0200 + channel, 10, world.now_s)
    closed_for_s = 0.0
    world.wait(0.1)
    while world.plant.contactors_closed:
        world.wait(0.01)
        closed_for_s += 0.01
    assert closed_for_s == pytest.approx(0.91, abs=0.03)


def test_pulling_the_plug_takes_battery_and_lock_away() -> None:
    world = World()
    world.plant.plug()
    world.plant.battery.open_circuit_voltage_v, world.plant.battery.connected = 400.0, True
    world.relay("electronic_lock")
    world.relay("discharge")
    world.wait(0.3)
    assert world.plant.terminal_voltage_v == pytest.approx(400.0, abs=0.2)
    world.plant.unplug()
    world.wait(0.5)
    assert not world.is_locked()
    assert world.plant.terminal_voltage_v == 0.0
    assert world.plant.circuit.outside_voltage_v < 60.0


def test_weld_and_jam_show_at_the_feedback_contacts() -> None:
    world = World()
    world.plant.contactor_k1.welded = True
    world.plant.contactor_k2.jammed = True
    world.relay("contactor_k2")
    world.wait(0.1)
    feedback = world.plant.discrete_inputs
    assert (feedback["contactor_k1_closed"], feedback["contactor_k2_closed"]) == (True, False)
    assert not world.plant.contactors_closed


def test_insulation_is_seen_only_while_the_monitor_is_connected() -> None:
    world = World()
    world.plant.inputs.leak_kohm = 80.0
    assert world.plant.insulation_kohm == 10_000.0
    world.relay("insulation_monitor")
    world.wait(0.02)
    assert world.plant.insulation_kohm == 80.0
    world.plant.inputs.leak_kohm = None
    assert world.plant.insulation_kohm == 5000.0


def test_auxiliary_supply_follows_its_relay() -> None:
    world = World()
    world.relay("auxiliary_supply")
    world.wait(0.02)
    assert world.plant.auxiliary_voltage_v == 12.0


def test_contacts_warm_with_the_square_of_the_current_and_can_be_forced() -> None:
    world = World()
    world.plant.plug()
    battery = world.plant.battery
    battery.open_circuit_voltage_v, battery.resistance_ohm, battery.connected = 300.0, 0.1, True
    world.close_contactors()
    for _ in range(300):
        world.demand(500.0, 150.0)
        world.now_s += 1.0
        world.plant.advance(world.now_s)
    assert world.plant.contact_plus_c == pytest.approx(25.0 + 18.0 * (1.0 - math.exp(-1.0)), abs=0.5)
    assert world.plant.contact_minus_c < world.plant.contact_plus_c
    world.plant.forced_contact_c = 110.0
    world.wait(0.02)
    assert (world.plant.contact_plus_c, world.plant.contact_minus_c) == (110.0, 110.0)
    world.plant.cool_contacts()
    world.wait(0.02)
    assert world.plant.contact_plus_c == pytest.approx(25.0, abs=0.1)


def test_a_late_step_is_caught_up_and_a_very_late_one_is_not_lived_through() -> None:
    prompt, late = World(), World()
    for world in (prompt, late):
        world.plant.battery.open_circuit_voltage_v = 400.0
        world.demand(500.0, 10.0)
    prompt.wait(1.0)
    late.now_s += 1.0
    late.plant.advance(late.now_s)
    assert late.plant.circuit.module_voltage_v == pytest.approx(prompt.plant.circuit.module_voltage_v, rel=0.01)


def test_hours_that_the_bench_slept_through_deliver_no_energy() -> None:
    relays = RelayBoard()
    relays.write_many(0, [True, True], 0.0)
    plant = Plant(load_wiring(), relays, foreign_source=Source(500.0, 10.0))
    plant.plug()
    plant.battery.open_circuit_voltage_v, plant.battery.connected = 400.0, True
    start_wh = plant.meter.energy_wh
    plant.advance(0.0)
    plant.advance(3600.0)
    assert plant.now_s == 3600.0
    assert 0.0 < plant.meter.energy_wh - start_wh <= 401.0 * 10.0 * 2.0 / 3600.0


def test_without_boards_every_output_is_off_and_without_stage_a_foreign_source_feeds() -> None:
    plant = Plant(load_wiring())
    plant.advance(0.0)
    plant.foreign_source = Source(300.0, 10.0)
    for step in range(1, 200):
        plant.advance(step * 0.01)
    assert plant.circuit.inside_voltage_v == pytest.approx(300.0, rel=0.005)
    assert not any(plant.coils.values())


def test_analog_values_survive_the_way_through_millivolts() -> None:
    wiring = load_wiring()
    for name, value in {"outside_voltage_v": 437.3, "cc1_voltage_v": 4.0, "connector_temperature_plus_c": 61.2}.items():
        channel = wiring.analog[name]
        assert channel.raw_mv(value) * channel.scale + channel.offset == pytest.approx(value, abs=channel.scale)
    assert wiring.analog["outside_voltage_v"].raw_mv(5000.0) == 10_000
    assert wiring.analog["outside_voltage_v"].raw_mv(-5.0) == 0
