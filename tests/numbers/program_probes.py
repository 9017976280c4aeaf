"""What each number of the DC sequence, of the judge and of the listener does: one probe for each.

A probe is asked with the number changed where the program reads it, looks just below, at and just above the number as
it was, and returns what it saw. Scenes of a whole charge return all that the control core wants at every step.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

import pytest
from control_world import World, parameters_with
from interlock_cases import Case, case
from number_walk import around

from agent.control.dc.plausibility import VehicleWatch
from agent.control.safety.numbers import NUMBERS, TIMES
from agent.control.safety.rules import is_plugged
from drivers.gbt27930.charger.dialogue import EventKind
from drivers.gbt27930.charger.phases import Latest, VehicleData
from drivers.gbt27930.judge.demands import Ceiling, demand_below, demand_beyond
from drivers.gbt27930.judge.lasting import StateOfCharge, Stuck
from drivers.gbt27930.judge.limits import LIMITS, JudgeLimits
from drivers.gbt27930.judge.output import Output
from drivers.gbt27930.judge.status import Difference, battery_beyond

Edition = Literal["2015", "2023"]
Look = Callable[[Edition, float], Any]


@contextmanager
def acting(home: str, edition: Edition, **changes: Any) -> Iterator[None]:
    """Numbers of ``home`` (``safety``, ``times``, ``judge``) with other values for as long as the context lasts."""
    table: Any = {"safety": NUMBERS, "times": TIMES}.get(home)
    with pytest.MonkeyPatch.context() as patch:
        if table is not None:
            patch.setitem(table, edition, dataclasses.replace(table[edition], **changes))
        else:
            judge = {**LIMITS, edition: dataclasses.replace(LIMITS[edition], **changes)}
            patch.setattr("agent.control.dc.parameters.LIMITS", judge)
            patch.setattr("drivers.gbt27930.observer.dialogue.LIMITS", judge)
        yield


# One moment.


def _moment(edition: Edition, readings: Mapping[str, Any], **situation: Any) -> Any:
    made = Case(parameters_with(edition=edition), **situation)
    for name, value in readings.items():
        made[name] = value
    return made.conditions()


def _reading(name: str, *, sign: float = 1.0, more: Mapping[str, Any] | None = None, **situation: Any) -> Look:
    """The faults with the reading around the limit."""

    def look(edition: Edition, limit: float) -> Any:
        return [_moment(edition, {**(more or {}), name: sign * value}, **situation) for value in around(limit)]

    return look


def _plugged(edition: Edition, limit_v: float) -> Any:
    seen = []
    for value in around(limit_v):
        made = case({"cc1_voltage_v": value})
        seen.append(is_plugged(made.image(), 0.0, parameters_with(edition=edition)))
    return seen


def _since(name: str, readings: Mapping[str, Any], **situation: Any) -> Look:
    """The faults when the part of the situation is so many seconds old."""

    def look(edition: Edition, limit_s: float) -> Any:
        return [_moment(edition, readings, **{**situation, name: -value}) for value in around(limit_s)]

    return look


def _inrush_watch(edition: Edition, limit_s: float) -> Any:
    seen = []
    for value in around(limit_s):
        made = Case(parameters_with(edition=edition), contactors_wanted=True, contactors_wanted_since_s=-2.0)
        made["module_current_a"] = 50.0
        made.ages_s["module_current_a"] = 2.0 - value
        seen.append(made.conditions())
    return seen


def _over_voltage(edition: Edition, limit: float) -> Any:
    """Around the voltage that the margins of this moment allow over 400 V."""
    allowed_v = LIMITS[edition].over_maximum_limit_v(400.0)
    values_v = (allowed_v - 0.03, allowed_v - 0.01, allowed_v, allowed_v + 0.01, allowed_v + 0.03)
    return [_moment(edition, {"meter_voltage_v": value}, voltage_ceiling_v=400.0) for value in values_v]


def _over_current(envelope_a: float) -> Look:
    def look(edition: Edition, limit: float) -> Any:
        allowed_a = envelope_a * 1.1 if envelope_a >= 30.0 else envelope_a + 3.0
        values_a = (allowed_a - 0.02, allowed_a + 0.02)
        return [_moment(edition, {"meter_current_a": value}, current_envelope_a=envelope_a) for value in values_a]

    return look


def _small_current_limit(edition: Edition, limit_a: float) -> Any:
    """Around 30 A the allowance is 3 A below and 10 % from there on: equal at 30 A, so looked at with another share."""
    with acting("safety", edition, over_current_small_a=5.0):
        return [
            _moment(edition, {"meter_current_a": value + 4.0}, current_envelope_a=value) for value in around(limit_a)
        ]


# A whole charge.


class Scene(World):
    """A world that keeps all that its core wants, step by step."""

    def __init__(self, *args: Any, **changes: Any) -> None:
        self.trace: list[Any] = []
        super().__init__(*args, **changes)

    def decide(self) -> Any:
        outputs = super().decide()
        wanted = outputs.set_point
        self.trace.append((dict(outputs.relays), wanted.voltage_v, wanted.current_a, wanted.on, self.core.state))
        return outputs

    def until(self, state: str, longest_s: float = 60.0) -> "Scene":
        super().until(state, longest_s)
        return self

    def outcome(self) -> Any:
        return self.trace, self.log.states, self.log.alarms()


def _charge(edition: Edition, limit: float) -> Any:
    world = Scene(edition=edition).until("charging")
    world.run(3.0)
    world.command("stop")
    world.run_to_end()
    return world.outcome()


def _to(state: str, spoil: Callable[[World], object], seconds: float, **changes: Any) -> Look:
    """Into ``state``, then something happens, then so many seconds go by."""

    def look(edition: Edition, limit: float) -> Any:
        world = Scene(edition=edition, **changes)
        world.until(state)
        if state == "charging":
            world.run(2.0)
        spoil(world)
        world.step_s = 0.05
        world.run(seconds)
        return world.outcome()

    return look


def _override(**readings: Any) -> Callable[[World], object]:
    return lambda world: world.override.update(readings)


def _vehicle(*commands: str) -> Callable[[World], object]:
    def spoil(world: World) -> None:
        for command in commands:
            assert world.vehicle.command(command, world.now_s).ok

    return spoil


def _then(*spoils: Callable[[World], object]) -> Callable[[World], object]:
    def spoil(world: World) -> None:
        for each in spoils:
            each(world)

    return spoil


def _stop(world: World) -> None:
    world.command("stop")


def _silent_time_outs(world: World) -> None:
    """The dialogue never gives up by itself: the longest stay of the step is left."""
    charger = world.core.point.charger
    events = charger.events
    world.vehicle_mute = True
    object.__setattr__(charger, "events", lambda: [each for each in events() if each.kind is not EventKind.TIMEOUT])


def _start(world: World) -> None:
    world.start()


def _mute(world: World) -> None:
    world.vehicle_mute = True


def _no_modules(world: World) -> None:
    world.modules_work = False


def _no_record(world: World) -> None:
    world.recorder_there = False


def _leak(share: float) -> Look:
    """Insulation readings just below and just above the limit at the test voltage."""

    def look(edition: Edition, limit: float) -> Any:
        seen = []
        for ohm_per_v in (limit * (1.0 - share), limit * (1.0 + share)):
            world = Scene(edition=edition).until("insulation")
            kohm = ohm_per_v * world.core.point.memory.test_voltage_v / 1000.0
            world.override.update(insulation_plus_kohm=kohm)
            world.run(6.0)
            seen.append(world.log.alarms())
        return seen

    return look


def _test_voltage(edition: Edition, tolerance: float) -> Any:
    seen = []
    for off in (0.9 * tolerance, 1.1 * tolerance):
        world = Scene(edition=edition).until("insulation")
        world.override.update(outside_voltage_v=world.core.point.memory.test_voltage_v * (1.0 - off))
        world.run(6.0)
        seen.append(len(world.log.events("insulation")))
    return seen


def _battery_voltage(edition: Edition, tolerance: float) -> Any:
    """The battery differs from BCP by just less and just more than the tolerance."""
    seen = []
    for off in (0.9 * tolerance, 1.1 * tolerance):
        world = Scene(edition=edition).until("precharge")
        bcp = world.core.point.charger.vehicle.bcp
        assert bcp is not None
        world.override.update(outside_voltage_v=bcp.values["battery_voltage_v"] * (1.0 - off))
        world.run(1.0)
        seen.append(world.trace[-1][3])
    return seen


def _below_battery(edition: Edition, limit_v: float) -> Any:
    """Inside is so far below outside when the contactors are to close."""
    seen = []
    for below_v in (*around(1.0), *around(10.0)):
        world = Scene(edition=edition).until("precharge")
        world.run(0.1)
        world.override.update(outside_voltage_v=350.0, inside_voltage_v=0.0)
        bcp = world.core.point.charger.vehicle.bcp
        assert bcp is not None
        world.override.update(outside_voltage_v=bcp.values["battery_voltage_v"])
        world.run(0.2)
        world.override.update(inside_voltage_v=bcp.values["battery_voltage_v"] - below_v)
        world.run(0.2)
        seen.append(world.trace[-1][0]["contactor_k1"])
    return seen


def _safe_voltage(edition: Edition, limit_v: float) -> Any:
    """After a stop: how the output at this voltage is bled, and when the lock lets go."""
    seen = []
    for value in (0.95 * limit_v, 1.05 * limit_v):
        world = Scene(edition=edition).until("charging")
        world.command("stop")
        world.run(0.5)
        world.override.update(outside_voltage_v=value)
        world.run(6.0)
        seen.append(world.outcome())
    return seen


def _opening_current(edition: Edition, limit_a: float) -> Any:
    seen = []
    for value in (0.95 * limit_a, 1.05 * limit_a):
        world = Scene(edition=edition).until("charging")
        world.run(2.0)
        world.command("stop")
        world.override.update(module_current_a=value)
        world.run(2.0)
        seen.append(world.trace[-1][0]["contactor_k1"])
    return seen


def _current_expected(edition: Edition, limit_a: float) -> Any:
    seen = []
    for demand_a in (limit_a - 0.2, limit_a + 0.2):
        world = Scene(edition=edition, minimum_current_a=1.0).until("charging")
        world.run(2.0)
        _then(_vehicle(f"demand 400 {demand_a:.1f}"), _override(module_current_a=0.0))(world)
        world.step_s = 0.1
        world.run(33.0)
        seen.append("current_absent" in world.log.alarms())
    return seen


def _current_absent(edition: Edition, limit_a: float) -> Any:
    seen = []
    for measured_a in (0.95 * limit_a, 1.05 * limit_a):
        world = Scene(edition=edition).until("charging")
        world.run(2.0)
        _override(module_current_a=measured_a)(world)
        world.step_s = 0.1
        world.run(33.0)
        seen.append("current_absent" in world.log.alarms())
    return seen


def _pause(seconds: float, back_s: float = 0.0) -> Look:
    def look(edition: Edition, limit: float) -> Any:
        world = Scene(edition=edition).until("charging")
        world.run(2.0)
        _vehicle("permit off")(world)
        world.run(4.0)
        if back_s:
            assert world.core.point.memory.paused_since_s is not None
            world.core.point.memory.paused_since_s -= back_s
        world.step_s = 0.1
        world.run(seconds)
        return world.outcome()

    return look


def _statistics(edition: Edition, limit_s: float) -> Any:
    """BSD never comes and CEM goes out for long: the longest stay ends the session."""
    with acting("times", edition, error_message_s=30.0):
        return _to("charging", _then(_vehicle("silence BSD", "silence BEM", "silence BST"), _stop), 20.0)(
            edition, limit_s
        )


_CONTACTORS_OPEN = {"outside_voltage_v": 300.0, "inside_voltage_v": 300.0}

SAFETY: Mapping[str, Look] = {
    "cc1_plugged_minimum_v": _plugged,
    "cc1_plugged_maximum_v": _plugged,
    "cc1_unplugged_minimum_v": _plugged,
    "outside_voltage_before_test_v": _reading("outside_voltage_v", before_insulation_test=True, discharged_side=False),
    "reverse_voltage_v": _reading("meter_voltage_v", sign=-1.0),
    "auxiliary_minimum_v": _reading("auxiliary_voltage_v", auxiliary_wanted_since_s=-100.0),
    "auxiliary_maximum_v": _reading("auxiliary_voltage_v", auxiliary_wanted_since_s=-100.0),
    "auxiliary_rise_s": _since("auxiliary_wanted_since_s", {"auxiliary_voltage_v": 0.0}),
    "insulation_fault_ohm_per_v": _leak(0.01),
    "insulation_warning_ohm_per_v": _leak(0.01),
    "insulation_test_tolerance": _test_voltage,
    "insulation_settling_s": _charge,
    "insulation_test_current_a": _charge,
    "safe_voltage_v": _reading("outside_voltage_v", discharged_side=True),
    "weld_settling_s": _since(
        "output_idle_since_s", _CONTACTORS_OPEN, contactors_wanted_since_s=-100.0, discharged_side=False
    ),
    "weld_difference_v": _reading(
        "inside_voltage_v", more={"outside_voltage_v": 0.0}, output_idle_since_s=-100.0, discharged_side=False
    ),
    "precharge_battery_tolerance": _battery_voltage,
    "precharge_below_battery_minimum_v": _below_battery,
    "precharge_below_battery_maximum_v": _below_battery,
    "precharge_below_battery_target_v": _charge,
    "precharge_current_a": _charge,
    "inrush_limit_a": _reading("module_current_a", contactors_wanted=True, contactors_wanted_since_s=0.0),
    "inrush_watch_s": _inrush_watch,
    "current_rise_a_per_s": _charge,
    "opening_current_a": _opening_current,
    "over_voltage_margin_v": _over_voltage,
    "over_voltage_share": _over_voltage,
    "over_current_share": _over_current(100.0),
    "over_current_small_a": _over_current(20.0),
    "over_current_small_limit_a": _small_current_limit,
    "current_expected_a": _current_expected,
    "current_absent_a": _current_absent,
    "residual_voltage_after_s": _since(
        "contactors_wanted_since_s", {"outside_voltage_v": 100.0}, output_idle_since_s=None
    ),
    "pause_opens_contactors": _pause(1.0),
}


def _weld_difference(edition: Edition, limit_v: float) -> Any:
    return [
        _moment(
            edition,
            {"outside_voltage_v": 300.0, "inside_voltage_v": 300.0 - value},
            output_idle_since_s=-100.0,
            discharged_side=False,
        )
        for value in around(limit_v)
    ]


SAFETY = {**SAFETY, "weld_difference_v": _weld_difference}

TIMES_PROBES: Mapping[str, Look] = {
    "lock_s": _to("locked", _override(lock_locked=False), 8.0),
    "record_s": _to("plugged", _then(_start, _no_record), 8.0),
    "handshake_s": _to("handshake", _silent_time_outs, 16.0),
    "insulation_s": _to("insulation", _then(_no_modules, _mute), 40.0),
    "recognition_s": _to("recognition", _silent_time_outs, 50.0),
    "parameters_s": _to("parameters", _silent_time_outs, 75.0),
    "precharge_s": _to("parameters", _override(outside_voltage_v=200.0), 36.0),
    "ramp_down_s": _to("charging", _then(_stop, _override(module_current_a=50.0)), 5.0),
    "lock_lost_ramp_s": _to("charging", _override(lock_locked=False, module_current_a=50.0), 3.0),
    "discharge_s": _to("charging", _then(_stop, _override(outside_voltage_v=200.0)), 20.0),
    "statistics_s": _statistics,
    "final_reading_s": _to("charging", _then(_stop, lambda world: world.missing.add("meter_energy_wh")), 9.5),
    "pause_s": _pause(15.0, back_s=590.0),
    "reconnect_s": _to("charging", _then(_vehicle("silence BCL"), _override(outside_voltage_v=200.0)), 16.0),
    "error_message_s": _to("charging", _vehicle("silence BCL"), 6.0),
}


# The judge.


def _limits_of(edition: Edition) -> JudgeLimits:
    return parameters_with(edition=edition).judge_limits


def _beyond(edition: Edition, limit: float) -> Any:
    limits = _limits_of(edition)
    return [
        [each.code for each in demand_beyond({"voltage_v": 400.0 + value, "current_a": 100.0 + value}, [most], limits)]
        for value in around(limit)
        for most in [Ceiling("bcp", 400.0, 100.0)]
    ]


def _zero_demand(edition: Edition, limit: float) -> Any:
    return demand_below({"voltage_v": 400.0, "current_a": 0.0}, 200.0, 1.0, _limits_of(edition))


def _soc_jump(edition: Edition, limit: float) -> Any:
    seen = []
    for value in around(limit):
        soc = StateOfCharge()
        soc.take(20.0, _limits_of(edition))
        seen.append(len(soc.take(20.0 + value, _limits_of(edition))))
    return seen


def _soc_present(edition: Edition, limit_s: float) -> Any:
    parameters = parameters_with(edition=edition)
    watch = VehicleWatch()
    for at_s, soc in ((0.0, 20), (1.0, 50)):
        watch.look(at_s, VehicleData(bcp=None, bcs=_bcs(at_s, soc)), parameters, None, None)
    return [sorted(watch.findings(1.0 + value)) for value in around(limit_s)]


def _bcs(at_s: float, soc: int) -> Latest:
    return Latest({"voltage_v": 400.0, "current_a": 50.0, "soc_percent": soc}, at_s)


def _difference(key: str, lasting: bool = False) -> Look:
    def look(edition: Edition, limit: float) -> Any:
        limits, was = _limits_of(edition), LIMITS[edition]
        allowed = was.difference_share * 400.0 + (was.difference_slack_a if key == "current_a" else 0.0)
        seen = []
        for value in (0.999 * allowed, allowed, 1.001 * allowed):
            for after_s in around(was.difference_lasting_s) if lasting else (60.0,):
                difference = Difference()
                for at_s in (0.0, after_s):
                    bcs = {key: 400.0 + value}
                    found = difference.take(
                        bcs, 400.0 if key == "voltage_v" else None, 400.0 if key == "current_a" else None, at_s, limits
                    )
                seen.append(len(found))
        return seen

    return look


def _stuck(edition: Edition, limit: float) -> Any:
    limits, was, seen = _limits_of(edition), LIMITS[edition], []
    for after_s in around(was.stuck_s):
        for current_a in around(was.stuck_current_a):
            stuck = Stuck("BCS")
            stuck.take({"soc": 1}, 0.0, current_a, limits)
            seen.append(len(stuck.take({"soc": 1}, after_s, current_a, limits)))
    return seen


def _battery(edition: Edition, limit: float) -> Any:
    allowed_v = LIMITS[edition].over_maximum_limit_v(400.0)
    said = [
        {"BCP": {"maximum_voltage_v": 400.0}, "BCS": {"voltage_v": value}}
        for value in (allowed_v - 0.03, allowed_v - 0.01, allowed_v, allowed_v + 0.01, allowed_v + 0.03)
    ]
    return [len(battery_beyond(each, _limits_of(edition))) for each in said]


def _output(quantity: str, demand: float, off: Callable[[JudgeLimits], float], after: str, **more: Any) -> Look:
    """CCS off by about the margin for about the time that is allowed."""

    def look(edition: Edition, limit: float) -> Any:
        was, seen = LIMITS[edition], []
        for value in (0.995 * off(was), off(was), 1.005 * off(was), 2.0 * off(was)):
            for after_s in (*around(getattr(was, after)), 60.0):
                output = Output(_limits_of(edition))
                bcl = {} if more else {quantity: demand}
                for at_s in (0.0, after_s):
                    found = output.take({quantity: demand + value, **more}, bcl, {}, at_s)
                seen.append([each.code for each in found])
        return seen

    return look


def _fall(edition: Edition, limit: float) -> Any:
    """100 A too much take the time of their fall."""
    was, seen = LIMITS[edition], []
    for after_s in around((100.0 - was.output_current_share * 100.0) / was.output_fall_a_per_s):
        output = Output(_limits_of(edition))
        for at_s in (0.0, after_s):
            found = output.take({"current_a": 200.0}, {"current_a": 100.0}, {}, at_s)
        seen.append(len(found))
    return seen


def _over_maximum_time(edition: Edition, limit: float) -> Any:
    seen = []
    for after_s in around(limit):
        output = Output(_limits_of(edition))
        for at_s in (0.0, after_s):
            found = output.take({"voltage_v": 450.0}, {}, {"maximum_voltage_v": 400.0}, at_s)
        seen.append(len(found))
    return seen


JUDGE: Mapping[str, Look] = {
    "demand_tolerance_v": _beyond,
    "demand_tolerance_a": _beyond,
    "zero_demand_gets_minimum": _zero_demand,
    "soc_jump_percent": _soc_jump,
    "soc_jump_present_s": _soc_present,
    "difference_share": _difference("voltage_v"),
    "difference_slack_a": _difference("current_a"),
    "difference_lasting_s": _difference("voltage_v", lasting=True),
    "stuck_s": _stuck,
    "stuck_current_a": _stuck,
    "over_maximum_share": _battery,
    "over_maximum_v": _battery,
    "over_maximum_s": _over_maximum_time,
    "output_voltage_share": _output("voltage_v", 900.0, lambda was: 900.0 * was.output_voltage_share, "output_fall_s"),
    "output_voltage_v": _output("voltage_v", 100.0, lambda was: was.output_voltage_v, "output_fall_s"),
    "output_current_share": _output("current_a", 200.0, lambda was: 200.0 * was.output_current_share, "output_fall_s"),
    "output_current_a": _output("current_a", 10.0, lambda was: was.output_current_a, "output_fall_s"),
    "output_fall_a_per_s": _fall,
    "output_fall_s": _output("voltage_v", 100.0, lambda was: was.output_voltage_v, "output_fall_s"),
    "not_permitted_a": _output("current_a", 0.0, lambda was: was.not_permitted_a, "not_permitted_s", permitted=False),
    "not_permitted_s": _output("current_a", 0.0, lambda was: was.not_permitted_a, "not_permitted_s", permitted=False),
}
