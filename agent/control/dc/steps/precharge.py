"""Precharge: battery voltage against BCP, output raised to just below it, K1/K2 closed."""

from agent.control.dc.actions import OutputReady
from agent.control.dc.steps import closing
from agent.control.dc.view import View
from agent.control.dc.wants import Wants


def precharge(view: View) -> Wants:
    """Sub-steps: battery, raise, close."""
    wants, parameters, now_s = view.wants(), view.parameters, view.now_s
    memory, bcp, outside_v = wants.memory, view.dialogue.bcp, view.value("outside_voltage_v")
    if view.elapsed_s() > parameters.times.precharge_s or bcp is None:
        wants.fail("precharge_failed")
        return wants
    if outside_v is None:
        return wants
    if memory.sub_step != "close":
        announced_v = bcp.values["battery_voltage_v"]
        if abs(outside_v - announced_v) > parameters.numbers.precharge_battery_tolerance * announced_v:
            # The vehicle has not closed its side, or has opened it again: nothing is raised, nothing is closed.
            wants.no_set_point()
            memory.go("", now_s)
            return wants
        if memory.sub_step == "":
            if closing.separated(view):
                memory.go("raise", now_s)
            return wants
    highest_v = bcp.values["maximum_voltage_v"]
    if memory.sub_step == "raise":
        if closing.raise_output(view, wants, outside_v, min(highest_v, parameters.maximum_voltage_v)):
            memory.go("close", now_s)
    elif closing.closed(view, wants, highest_v):
        wants.tell.append(OutputReady())
        wants.move = "precharged"
    return wants
