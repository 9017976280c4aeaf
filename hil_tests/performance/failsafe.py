"""Figure "fail-safe": from SIGKILL of the field process to both contactors open, measured by the bench."""

import time

from hil_tests.harness.pile import Pile
from hil_tests.harness.waiting import WaitError
from hil_tests.performance.footprint import VEHICLE
from hil_tests.performance.report import Figure, not_measured
from hil_tests.performance.samples import median

GROUP = "fail-safe"
LIMIT_S = 2.0
_NAME = "kill -9 of the field process to contactors open, longest"


def _once() -> float:
    with Pile(vehicle_profile=VEHICLE) as pile:
        pile.wait("recorder", lambda status: bool(status["recorder"]["ok"]))
        pile.bench.do("plug")
        pile.start()
        pile.wait_probe("both contactors closed", lambda probe: probe["contactor_k1"] and probe["contactor_k2"], 60.0)
        # Anywhere within the renewal of the pulse: the bench's own time to get here varies by more than that.
        killed_s = pile.kill("field")
        pile.wait_contactors_open()
        return time.monotonic() - killed_s


def measure(*, quick: bool) -> list[Figure]:
    """The longest of several times, each in a session of its own."""
    count = 2 if quick else 5
    times: list[float] = []
    try:
        times.extend(_once() for _ in range(count))
    except (WaitError, OSError, AssertionError) as error:
        return [not_measured(GROUP, _NAME, "s", str(error)[:600])]
    return [
        Figure(
            GROUP,
            _NAME,
            round(max(times), 2),
            "s",
            limit=LIMIT_S,
            samples=len(times),
            detail={"median_s": round(median(times), 2), "min_s": round(min(times), 2)},
        )
    ]
