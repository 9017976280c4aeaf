"""Figure "stop": from the emergency stop pressed on the bench to both contactors open, with one gun and with two.

Whole path on the bench: input board, line, poll, evaluation, line, relay board, travel of the contactors. Two charging
guns beside one in the same run; of two guns the later one counts.
"""

from collections.abc import Sequence

from hil_tests.harness.guns import charge, leave
from hil_tests.harness.pile import Pile
from hil_tests.harness.waiting import WaitError
from hil_tests.performance.footprint import SECOND_VEHICLE, VEHICLE
from hil_tests.performance.report import Figure, not_measured
from hil_tests.performance.samples import median

GROUP = "stop"
_NAME = "emergency stop pressed to contactors open on the bench, two guns charging, median"


def _times_ms(pile: Pile, guns: Sequence[int], count: int) -> list[float]:
    """Charge at these guns and stop them, ``count`` times; milliseconds to the last opened contactor."""
    times = []
    for _ in range(count):
        charge(pile, guns)
        # The plant's time just before the command: the figure holds the way of the command as well.
        pressed_at_s = pile.bench.probe()["time_s"]
        pile.bench.do("press estop")
        opened = [pile.wait_contactors_open(gun=gun)["contactors_opened_at_s"] for gun in guns]
        times.append((max(opened) - pressed_at_s) * 1000.0)
        pile.bench.do("release estop")
        for gun in guns:
            pile.wait_no_session(connector=gun)
            leave(pile, gun)
        for gun in guns:
            pile.wait(
                "only the latch holds",
                lambda status: all(item["latched"] for item in status["faults"]),
                connector=gun,
            )
            pile.command("reset", gun)
    return times


def measure(*, quick: bool) -> list[Figure]:
    """Median and longest of several stops, two guns with one gun beside."""
    count = 2 if quick else 5
    try:
        with Pile(vehicle_profile=VEHICLE) as pile:
            one = _times_ms(pile, (1,), count)
        with Pile(vehicle_profile=VEHICLE, more_vehicles=(SECOND_VEHICLE,)) as pile:
            two = _times_ms(pile, (1, 2), count)
    except (WaitError, OSError, AssertionError) as error:
        return [not_measured(GROUP, _NAME, "ms", str(error)[:600])]
    return [
        Figure(
            GROUP,
            _NAME,
            round(median(two), 1),
            "ms",
            rival="one gun in the same run",
            samples=len(two),
            detail={
                "two_max_ms": round(max(two), 1),
                "one_median_ms": round(median(one), 1),
                "one_max_ms": round(max(one), 1),
            },
        )
    ]
