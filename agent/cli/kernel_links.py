"""Compares the CAN interfaces of this machine's kernel with the site file, for ``pile-agent check``."""

from collections.abc import Sequence

from agent.settings.problems import Problem
from agent.settings.schema import CanBus
from drivers.can.kernel_link import KernelLinkError, check_kernel_link, kernel_link


def link_problems(buses: Sequence[CanBus]) -> tuple[list[Problem], list[Problem]]:
    """What is wrong with the kernel interfaces that the site file names, and what is only to be noted.

    Skips an interface that this machine does not have (a site file may be checked anywhere; a missing
    interface is an error when it is opened) or of which the kernel gives no state (vcan).
    """
    wrong: list[Problem] = []
    notes: list[Problem] = []
    for index, bus in enumerate(buses):
        if bus.interface != "socketcan":
            continue
        try:
            link = kernel_link(bus.channel)
        except KernelLinkError:
            continue
        for finding in check_kernel_link(link, bus.bitrate_bps):
            problem = Problem(f"bus.can[{index}]", finding.what, finding.cure)
            (wrong if finding.wrong else notes).append(problem)
    return wrong, notes
