"""The last gate for allocation contactors 功率分配接触器的最后一道闸: the only way to their outputs.

It judges by the readings alone and knows nothing of states and requests. Opening always passes.
"""

from collections.abc import Mapping

from agent.control.power.parameters import AllocationContactor, PowerParameters
from agent.control.power.values import PowerInputs, number


class AllocationGate:
    """Lets a closing pass only if no reading contradicts it and none is missing."""

    def __init__(self, parameters: PowerParameters) -> None:
        self._numbers = parameters.numbers
        self._groups = [tuple(parameters.paths(group.id).values()) for group in parameters.groups]
        self._closed = frozenset[str]()

    def passed(
        self, now_s: float, wanted: Mapping[str, bool], inputs: PowerInputs
    ) -> tuple[dict[str, bool], tuple[str, ...]]:
        """Outputs as they may be commanded, and those that were refused."""
        relays = {row.output: wanted.get(row.output, False) for rows in self._groups for row in rows}
        for rows in self._groups:
            asked = [row for row in rows if relays[row.output]]
            for row in asked:
                held = row.output in self._closed
                relays[row.output] = len(asked) == 1 and (held or self._may_close(now_s, row, rows, inputs))
        self._closed = frozenset(output for output, closed in relays.items() if closed)
        refused = tuple(output for output, closed in relays.items() if wanted.get(output, False) and not closed)
        return relays, refused

    def _may_close(
        self, now_s: float, row: AllocationContactor, rows: tuple[AllocationContactor, ...], inputs: PowerInputs
    ) -> bool:
        """Own and other contactors of the group seen open, and the two sides near enough to each other."""
        numbers, group, connector = self._numbers, inputs.groups.get(row.group), inputs.connectors.get(row.connector)
        if group is None or connector is None or connector.faulted:
            return False
        if any(number(group.feedback.get(r.connector), now_s, numbers.feedback_age_limit_s) != 0.0 for r in rows):
            return False
        group_v = number(group.voltage_v, now_s, numbers.value_age_limit_s)
        bus_v = number(connector.bus_voltage_v, now_s, numbers.value_age_limit_s)
        live = number(connector.contactors_closed, now_s, numbers.feedback_age_limit_s)
        if group_v is None or bus_v is None or live is None:
            return False
        if live:
            vehicle_v = number(connector.vehicle_side_voltage_v, now_s, numbers.value_age_limit_s)
            if vehicle_v is None or abs(vehicle_v - bus_v) > numbers.sides_differ_v:
                return False
            return abs(group_v - bus_v) <= numbers.joining_difference_v
        return max(abs(group_v), abs(bus_v)) < numbers.safe_voltage_v
