"""What each number of a listener does, in a charge that it follows."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from listener_world import STEP_S, Bus

from agent.control.listener.parameters import ListenerNumbers

Scene = Callable[[ListenerNumbers, float], Any]
OFF = (0.95, 1.05)
"""Just less and just more than a limit."""


def _trace(bus: Bus, seconds: float) -> list[Any]:
    seen = []
    for _ in range(round(seconds / STEP_S)):
        bus.step()
        seen.append((bus.active(), bus.core.session is None))
    return seen


def _message_age(own: ListenerNumbers, limit_s: float) -> Any:
    """The vehicle demands too much and then sends no more BCL."""
    bus = Bus(listener=own).charge(2.0)
    bus.values["BCL"]["current_a"] = 110.0
    bus.run(1.5)
    bus.talking = ("CCS", "BCS", "BSM")
    return _trace(bus, 5.0)


def _hold(own: ListenerNumbers, limit_s: float) -> Any:
    bus = Bus(listener=own).charge(2.0)
    bus.values["BCS"]["soc_percent"] = 60
    return _trace(bus, 9.0)


def _disagree(key: str, measured: float, allowed: Callable[[ListenerNumbers], float]) -> Scene:
    """Our meter against CCS, apart by just less and just more than the limit as shipped."""

    def scene(own: ListenerNumbers, limit: float) -> Any:
        seen = []
        for share in OFF:
            bus = Bus(listener=own).charge(2.0)
            bus.readings[f"meter_{key}"] = measured
            bus.values["CCS"][key] = measured - share * allowed(ListenerNumbers())
            bus.run(12.0)
            seen.append("measurements_disagree" in bus.active())
        return seen

    return scene


def _energy(measured_wh: int, allowed: Callable[[ListenerNumbers], float]) -> Scene:
    """The register against CSD, whose steps are 100 Wh."""

    def scene(own: ListenerNumbers, limit: float) -> Any:
        seen = []
        for more_wh in (-100.0, 100.0):
            bus = Bus(listener=own).charge(2.0)
            bus.readings["meter_energy_wh"] = 1_000_000 + measured_wh
            bus.run(1.0)
            told_wh = measured_wh + allowed(ListenerNumbers()) + more_wh
            bus.values["CSD"]["energy_kwh"] = round(told_wh / 1000.0, 1)
            bus.say("CST", manual_stop=1)
            bus.finish()
            seen.append(len(bus.log.events("energy_disagrees")))
        return seen

    return scene


def _final_reading(own: ListenerNumbers, limit_s: float) -> Any:
    bus = Bus(listener=own).charge(2.0)
    del bus.readings["meter_energy_wh"]
    bus.run(4.0)
    bus.say("CST", manual_stop=1)
    bus.talking = ()
    bus.say("BSD")
    bus.step()
    bus.say("CSD")
    return _trace(bus, 12.0)


def _recovery(own: ListenerNumbers, limit_s: float) -> Any:
    """A charge is found under way and the recorder says nothing."""
    bus = Bus(listener=own)
    bus.recorder_ready = None
    bus.charge(1.0)
    return _trace(bus, 55.0)


PROBES: Mapping[str, tuple[Scene, float]] = {
    "message_age_s": (_message_age, 0.2),
    "hold_s": (_hold, 0.2),
    "current_share": (_disagree("current_a", 80.0, lambda own: own.current_share * 80.0), 0.2),
    "current_floor_a": (_disagree("current_a", 20.0, lambda own: own.current_floor_a), 0.2),
    "voltage_share": (_disagree("voltage_v", 345.0, lambda own: own.voltage_share * 345.0), 0.2),
    "voltage_floor_v": (_disagree("voltage_v", 100.0, lambda own: own.voltage_floor_v), 0.2),
    "energy_share": (_energy(20_000, lambda own: own.energy_share * 20_000), 0.2),
    "energy_floor_wh": (_energy(1000, lambda own: own.energy_floor_wh), 0.5),
    "final_reading_s": (_final_reading, 0.2),
    "recovery_wait_s": (_recovery, 0.2),
}
"""The scene of each number, and the share by which the number is changed to be seen in it."""


def blind_changes(name: str) -> list[float]:
    """The changes of a number that its scene does not show."""
    value: float = getattr(ListenerNumbers(), name)
    scene, share = PROBES[name]
    before = scene(ListenerNumbers(), value)
    changes = [value * (1.0 - share), value * (1.0 + share)]
    return [each for each in changes if scene(dataclasses.replace(ListenerNumbers(), **{name: each}), value) == before]
