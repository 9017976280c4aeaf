"""Readings and a situation in which everything is permitted, to be spoilt one by one."""

from typing import Any

import msgspec
from control_world import FAULTS, HARMLESS_CONTACTS, parameters_with, texts

from agent.control.chassis.image import ProcessImage
from agent.control.dc.parameters import ControlParameters
from agent.control.safety.fault_register import ActiveFault
from agent.control.safety.permission import Permission, permission
from agent.control.safety.rules import conditions
from agent.control.safety.situation import Situation
from agent.vocabulary.signals import SIGNALS
from drivers.reading import Quality, Reading

__all__ = ["texts"]

NOW_S = 0.0
"""Zero, so that an age at its limit is exactly at its limit."""

GOOD: dict[str, float | int | bool] = {
    **HARMLESS_CONTACTS,
    "emergency_stop_pressed": False,
    "door_open": False,
    "smoke_detected": False,
    "contactor_k1_closed": False,
    "contactor_k2_closed": False,
    "lock_locked": True,
    "cc1_voltage_v": 4.0,
    "outside_voltage_v": 0.0,
    "inside_voltage_v": 0.0,
    "auxiliary_voltage_v": 12.0,
    "connector_temperature_plus_c": 25.0,
    "connector_temperature_minus_c": 25.0,
    "meter_voltage_v": 0.0,
    "meter_current_a": 0.0,
    "meter_power_w": 0.0,
    "meter_energy_wh": 1000,
    "insulation_plus_kohm": 5000.0,
    "insulation_minus_kohm": 5000.0,
    "module_count": 2,
    "module_voltage_v": 0.0,
    "module_current_a": 0.0,
    "module_fault": False,
    "module_maximum_current_a": 200.0,
    "module_temperature_c": 25.0,
    "recorder_ready": True,
}


class Case:
    """One moment: readings (with ages and qualities) and a situation."""

    def __init__(self, parameters: ControlParameters | None = None, **situation: Any) -> None:
        self.parameters = parameters or parameters_with()
        self.values: dict[str, float | int | bool] = dict(GOOD)
        self.ages_s: dict[str, float] = dict.fromkeys(GOOD, 0.0)
        self.qualities: dict[str, Quality] = {}
        known = {
            "in_session": True,
            "record_durable": True,
            "recorder_ready_at_s": NOW_S,
            "contactors_wanted_since_s": NOW_S - 100.0,
        }
        self.situation = Situation(**{"now_s": NOW_S, "started_at_s": NOW_S - 1000.0, **known, **situation})
        self.active: list[ActiveFault] = []

    def let(self, **changes: Any) -> None:
        """Another situation: some of its fields replaced."""
        self.situation = msgspec.structs.replace(self.situation, **changes)

    def __setitem__(self, name: str, value: float | int | bool | None) -> None:
        if value is None:
            self.values.pop(name, None)
        else:
            self.values[name] = value

    def force(self, *fault_ids: str) -> "Case":
        """Faults in force."""
        self.active = [ActiveFault(FAULTS[fault_id], NOW_S - 1.0, True) for fault_id in fault_ids]
        return self

    def image(self) -> ProcessImage:
        image = ProcessImage()
        for name, value in self.values.items():
            quality = self.qualities.get(name, Quality.GOOD)
            image.put(name, Reading(value, SIGNALS[name].unit, NOW_S - self.ages_s[name], quality))
        return image

    def conditions(self) -> tuple[str, ...]:
        return conditions(self.image(), self.situation, self.parameters)

    def permission(self) -> Permission:
        image = self.image()
        present = conditions(image, self.situation, self.parameters)
        return permission(image, self.situation, present, self.active, self.parameters)


def case(readings: dict[str, Any] | None = None, **situation: Any) -> Case:
    """The good moment with some readings replaced (None: missing) and some of the situation."""
    made = Case(**situation)
    for name, value in (readings or {}).items():
        made[name] = value
    return made
