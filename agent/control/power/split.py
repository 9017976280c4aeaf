"""A connector's set point divided over its groups: one voltage, the current by rating 均流."""

from collections.abc import Mapping

from agent.control.power.values import SetPoint


def split(order: SetPoint, limit_a: float, able_a: Mapping[str, float]) -> dict[str, SetPoint]:
    """Set points of the groups of one connector.

    ``able_a`` is what each group can give now. The current is the least of order, ``limit_a`` (the share) and what
    all groups together can give, divided in proportion to it: no group is asked for more than it can.
    """
    total_a = sum(able_a.values())
    if not order.on or total_a <= 0.0:
        return {group: SetPoint() for group in able_a}
    part = min(order.current_a, limit_a, total_a) / total_a
    return {group: SetPoint(True, order.voltage_v, max(0.0, part * each_a)) for group, each_a in able_a.items()}
