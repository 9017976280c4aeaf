"""Each contract test fails for a driver that breaks what it asks for: a driver with one defect a case."""

import inspect
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import test_line_device_contracts as devices
import test_meter_contracts as meters
import test_module_families as families
from contracts.inputs import AnalogueContract, InputsContract, InsulationContract
from contracts.line_device import DeviceContract
from contracts.meter import MeterContract
from contracts.outputs import OutputsContract
from contracts.power_stage import PowerStageContract

from drivers.can.frame import CanFrame
from drivers.modbus.codec import Request
from drivers.power.infypower import SET_ON_OFF, SET_SYSTEM_OUTPUT
from drivers.power.module_group import GroupPlan
from drivers.reading import Quality, Reading


class Broken:
    """A driver with a defect: what a subclass does not change is the real one's."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


# Power stages.


class NeverEnds(Broken):
    last: tuple[float, float, bool] | None = None

    def set_point(self, *wanted: Any) -> None:
        self.last = wanted
        self._real.set_point(*wanted)

    def poll(self, now_s: float) -> Any:
        if self.last is not None:
            self._real.set_point(*self.last)
        return self._real.poll(now_s)


class LeavesModulesOn(Broken):
    began = False

    def set_point(self, *wanted: Any) -> None:
        self.began = True
        self._real.set_point(*wanted)

    def poll(self, now_s: float) -> Any:
        frames = self._real.poll(now_s)
        return frames if self.began else []


class DoublesTheCurrent(Broken):
    def set_point(self, voltage_v: float, current_a: float, on: bool) -> None:
        self._real.set_point(voltage_v, 2 * current_a, on)


class StartsBlind(Broken):
    held = 60

    def poll(self, now_s: float) -> Any:
        frames = self._real.poll(now_s)
        if frames and frames[0].identifier >> 16 & 0x3F == SET_SYSTEM_OUTPUT and self._real._wanted.on and self.held:
            self.held -= 1
            return []
        return frames


class SwitchesOffLate(Broken):
    off_at_s: float | None = None
    last: tuple[float, float, bool] = (0.0, 0.0, False)
    now_s = 0.0

    def set_point(self, *wanted: Any) -> None:
        if not wanted[2] and self.last[2]:
            self.off_at_s = self.now_s + 0.1
        elif self.off_at_s is None or wanted[2]:
            self.last = wanted
            self._real.set_point(*wanted)

    def poll(self, now_s: float) -> Any:
        self.now_s = now_s
        if self.off_at_s is not None and now_s >= self.off_at_s:
            self._real.set_point(0.0, 0.0, False)
            self.off_at_s, self.last = None, (0.0, 0.0, False)
        return self._real.poll(now_s)


class TakesNonsense(Broken):
    def set_point(self, *wanted: Any) -> None:
        try:
            self._real.set_point(*wanted)
        except ValueError:
            return


class Restamps(Broken):
    def readings(self, now_s: float) -> Any:
        return [(name, Reading(r.value, r.unit, now_s, r.quality)) for name, r in self._real.readings(now_s)]


class Remembers(Broken):
    last: Any = ()

    def readings(self, now_s: float) -> Any:
        self.last = self._real.readings(now_s) or self.last
        return list(self.last)


class HidesFaults(Broken):
    def readings(self, now_s: float) -> Any:
        hidden = {"module_fault": False, "module_maximum_current_a": 200.0}
        return [
            (name, Reading(hidden.get(name, r.value), r.unit, r.at_s, r.quality))
            for name, r in self._real.readings(now_s)
        ]


class ForgetsNoModule(Broken):
    def __init__(self, real: Any) -> None:
        real.module_gone_s = 1e9
        super().__init__(real)


class BelievesEveryFrame(Broken):
    def receive(self, frame: CanFrame) -> None:
        self._real.receive(CanFrame(frame.identifier & ~(1 << 27), frame.data.ljust(8, b"\x7f"), frame.at_s))


class SaysEverythingThrice(Broken):
    """Repeats no command more than twice."""

    def __init__(self, real: Any) -> None:
        super().__init__(real)
        self.said: dict[tuple[int, bytes], int] = {}

    def poll(self, now_s: float) -> Any:
        frames = self._real.poll(now_s)
        for frame in frames:
            key = frame.identifier, frame.data
            self.said[key] = self.said.get(key, 0) + 1
            if frame.identifier >> 16 & 0x3F in (SET_SYSTEM_OUTPUT, SET_ON_OFF) and self.said[key] > 3:
                return []
        return frames


class SpeaksKilovolts(Broken):
    def readings(self, now_s: float) -> Any:
        return [
            (name, Reading(r.value / 1000, "kV", r.at_s, r.quality) if r.unit == "V" else r)
            for name, r in self._real.readings(now_s)
        ]


class HasNoDistance(Broken):
    def __init__(self, real: Any) -> None:
        real._frame_spacing_s = 0.0
        super().__init__(real)


def with_stage(defect: type[Broken]) -> Any:
    class Suite(families.TestInfyPower):
        __test__ = False

        def driver(self, plan: GroupPlan) -> Any:
            return defect(super().driver(plan))

    return Suite()


class WithoutGroups(families.TestInfyPower):
    __test__ = False

    def driver(self, plan: GroupPlan) -> Any:
        return super().driver(GroupPlan(plan.addresses))


STAGE_DEFECTS: dict[str, Any] = {
    "test_a_set_point_that_is_not_renewed_ends_after_one_second": with_stage(NeverEnds),
    "test_modules_that_are_found_on_are_switched_off": with_stage(LeavesModulesOn),
    "test_a_set_point_reaches_every_module_and_the_total_is_kept": with_stage(DoublesTheCurrent),
    "test_less_current_arrives_within_a_third_of_a_second": with_stage(DoublesTheCurrent),
    "test_the_total_holds_while_modules_are_lost_and_return": with_stage(DoublesTheCurrent),
    "test_a_module_starts_with_the_set_point_of_now": with_stage(StartsBlind),
    "test_off_goes_before_everything_else": with_stage(SwitchesOffLate),
    "test_a_set_point_that_makes_no_sense_is_refused": with_stage(TakesNonsense),
    "test_readings_have_the_time_of_their_arrival_and_are_in_time": with_stage(Restamps),
    "test_with_no_module_heard_there_are_no_readings": with_stage(Remembers),
    "test_a_faulted_module_shows_and_counts_no_more": with_stage(HidesFaults),
    "test_a_lost_module_makes_values_suspect_and_then_counts_no_more": with_stage(ForgetsNoModule),
    "test_frames_of_another_kind_change_nothing": with_stage(BelievesEveryFrame),
    "test_a_module_that_restarts_follows": with_stage(SaysEverythingThrice),
    "test_readings_of_healthy_modules": with_stage(SpeaksKilovolts),
    "test_two_groups_on_one_line_do_not_disturb_each_other": WithoutGroups(),
    "test_one_frame_at_a_time_with_distance": with_stage(HasNoDistance),
}


# Devices on a line.


class Swapped(Broken):
    def accept(self, result: Any) -> Any:
        return [(name, Reading(not r.value, r.unit, r.at_s, r.quality)) for name, r in self._real.accept(result)]


class StampsWithLater(Broken):
    def accept(self, result: Any) -> Any:
        return [(n, Reading(r.value, r.unit, r.at_s + 0.0005, r.quality)) for n, r in self._real.accept(result)]


class Repeats(Broken):
    last: Any = ()

    def accept(self, result: Any) -> Any:
        self.last = self._real.accept(result) or self.last
        return list(self.last)


class GivesUp(Broken):
    failed = False

    def accept(self, result: Any) -> Any:
        self.failed = self.failed or not result.ok
        return self._real.accept(result)

    def requests(self, now_s: float) -> Any:
        return [] if self.failed else self._real.requests(now_s)


class SaysEverythingTwice(Broken):
    def accept(self, result: Any) -> Any:
        return 2 * self._real.accept(result)


class Writes(Broken):
    def requests(self, now_s: float) -> Any:
        found = self._real.requests(now_s)
        return [*found, Request(self._real.address, 6, 0x4000, values=(1,), tag="w")] if found else []


class AlwaysGood(Broken):
    def accept(self, result: Any) -> Any:
        return [(n, Reading(r.value, r.unit, r.at_s, Quality.GOOD)) for n, r in self._real.accept(result)]


class Scaled(Broken):
    def accept(self, result: Any) -> Any:
        return [(n, Reading(r.value * 2 + 1, r.unit, r.at_s, r.quality)) for n, r in self._real.accept(result)]


class Silent(Broken):
    conditions = ()


def with_driver(suite: Any, defect: type[Broken]) -> Any:
    class Suite(suite):  # type: ignore[misc]  # one of several classes
        __test__ = False

        def line(self) -> Any:
            line = super().line()
            line.driver = defect(line.driver)
            return line

    return Suite()


def device_defects(suite: Any) -> dict[str, Any]:
    return {
        "test_readings_carry_the_time_of_their_arrival": with_driver(suite, StampsWithLater),
        "test_a_silent_device_delivers_nothing_and_is_used_again_when_it_returns": with_driver(suite, GivesUp),
        "test_replies_that_are_spoiled_are_no_values": with_driver(suite, Repeats),
        "test_a_reading_is_not_repeated_with_a_new_time": with_driver(suite, SaysEverythingTwice),
    }


INPUT_DEFECTS = device_defects(devices.TestInputsOfTheRelayBoard) | {
    "test_contacts_follow_their_wiring": with_driver(devices.TestInputsOfTheRelayBoard, Swapped),
    "test_without_wired_outputs_nothing_is_written": with_driver(devices.TestInputsOfTheRelayBoard, Writes),
}
ANALOGUE_DEFECTS = device_defects(devices.TestVoltages) | {
    "test_a_value_within_the_span": with_driver(devices.TestVoltages, Scaled),
    "test_the_ends_of_the_span_are_measurements_and_one_digit_further_is_none": with_driver(
        devices.TestVoltages, AlwaysGood
    ),
    "test_codes_of_a_broken_sensor_are_failed": with_driver(devices.TestTemperatureTransmitter, AlwaysGood),
}
INSULATION_DEFECTS = device_defects(devices.TestBender) | {
    "test_both_poles_in_kohm": with_driver(devices.TestBender, Scaled),
    "test_a_falling_resistance_is_seen": with_driver(devices.TestBender, Scaled),
    "test_what_the_device_calls_no_value_is_failed": with_driver(devices.TestBender, AlwaysGood),
    "test_what_the_device_doubts_is_suspect_and_named": with_driver(devices.TestBender, Silent),
    "test_it_only_reads": with_driver(devices.TestBender, Writes),
}
METER_DEFECTS = device_defects(meters.TestDcm230) | {
    "test_signals_and_units": with_driver(meters.TestDcm230, Scaled),
    "test_energy_is_a_whole_number_and_follows_the_register": with_driver(meters.TestDcm230, Scaled),
    "test_it_only_reads": with_driver(meters.TestDcm230, Writes),
}


# Outputs.


class DropsWrites(Broken):
    """Never writes off."""

    def requests(self, now_s: float) -> Any:
        return [r for r in self._real.requests(now_s) if r.values != (0,)]


class WritesOnce(Broken):
    """Takes every write for done and never looks at the relays."""

    def accept(self, result: Any) -> Any:
        if result.request.values:
            result = msgspec.structs.replace(result, error=None)
        return [] if result.request.tag == "read-back" else self._real.accept(result)


class SendsOnAgain(Broken):
    """Sends an "on" of the past again and again."""

    past: Any = ()

    def requests(self, now_s: float) -> Any:
        found = self._real.requests(now_s)
        self.past = [r for r in found if r.values and r.values != (0,)] or self.past
        return [*found, *self.past]


class SkipsRenewals(Broken):
    count = 0

    def requests(self, now_s: float) -> Any:
        kept = []
        for request in self._real.requests(now_s):
            is_pulse = request.register >= 0x200
            self.count += is_pulse
            if is_pulse and self.count % 6:
                self._real.accept(devices_ok(request, now_s))
            else:
                kept.append(request)
        return kept


class KeepsNothing(Broken):
    def all_off(self, now_s: float, *, keep: Any = ()) -> None:
        self._real.all_off(now_s)


class KnowsEveryName(Broken):
    def set_output(self, name: str, on: bool, now_s: float) -> None:
        if name in self._real.wanted:
            self._real.set_output(name, on, now_s)


def devices_ok(request: Request, now_s: float) -> Any:
    from drivers.line.exchange import Result

    return Result(request, at_s=now_s)


def with_outputs(defect: type[Broken]) -> Any:
    class Suite(devices.TestPulsedOutputs):
        __test__ = False

        def outputs_line(self) -> Any:
            line, driver, device = super().outputs_line()
            line.driver = defect(driver)
            return line, line.driver, device

    return Suite()


class Untimed(devices.TestPulsedOutputs):
    """Closes the timed output as if it were none."""

    __test__ = False

    def outputs_line(self) -> Any:
        self.TIMED = False
        made = super().outputs_line()
        self.TIMED = True
        return made


OUTPUT_DEFECTS: dict[str, Any] = {
    "test_outputs_that_are_found_closed_are_opened_but_for_those_that_are_held": with_outputs(DropsWrites),
    "test_on_and_off_reach_the_board_and_are_read_back": with_outputs(DropsWrites),
    "test_an_output_that_is_wanted_stays_closed_without_a_gap": with_outputs(SkipsRenewals),
    "test_a_timed_output_opens_when_the_driver_stops": Untimed(),
    "test_off_is_repeated_until_the_board_confirms_it": with_outputs(WritesOnce),
    "test_an_on_of_the_past_is_not_sent": with_outputs(SendsOnAgain),
    "test_the_state_that_is_wanted_comes_back_after_a_restart_of_the_board": with_outputs(WritesOnce),
    "test_a_relay_that_is_closed_against_the_command_is_opened": with_outputs(WritesOnce),
    "test_all_off_leaves_what_is_kept": with_outputs(KeepsNothing),
    "test_an_unknown_output_is_an_error": with_outputs(KnowsEveryName),
}

SUITES: dict[type[Any], dict[str, Any]] = {
    PowerStageContract: STAGE_DEFECTS,
    OutputsContract: OUTPUT_DEFECTS,
    InputsContract: INPUT_DEFECTS,
    AnalogueContract: ANALOGUE_DEFECTS,
    InsulationContract: INSULATION_DEFECTS,
    MeterContract: METER_DEFECTS,
}


def names_of(suite: type[Any]) -> set[str]:
    return {name for name, _ in inspect.getmembers(suite, inspect.isfunction) if name.startswith("test_")}


def run(test: Callable[..., None]) -> None:
    """The test, with every set of its parameters."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    for values in marks[0].args[1] if marks else [()]:
        test(values) if marks else test()


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.__name__)
def test_there_is_a_defect_for_every_test_of_a_suite(suite: type[Any]) -> None:
    assert SUITES[suite].keys() == names_of(suite)
    assert issubclass(suite, PowerStageContract | OutputsContract) or names_of(DeviceContract) <= names_of(suite)


@pytest.mark.parametrize(
    ("name", "broken"),
    [(name, broken) for defects in SUITES.values() for name, broken in defects.items()],
    ids=[f"{suite.__name__}-{name.removeprefix('test_')}" for suite, defects in SUITES.items() for name in defects],
)
def test_a_defect_is_found(name: str, broken: Any) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run(getattr(broken, name))
