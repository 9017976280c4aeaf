"""Figure "start": from starting ``pile-agent control`` to its first evaluated cycle with every output off."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from hil_tests.bench.site import write_site_file
from hil_tests.performance.report import Figure, not_measured
from hil_tests.performance.samples import median
from hil_tests.performance.spawn import spawn

GROUP = "start"
LIMIT_S = 0.5
MARK = b"first cycle evaluated, outputs off"
"""What the field process logs when its first evaluation is done, before it opens any port."""

_TIMEOUT_S = 20.0


def start_once(config: Path) -> float:
    """Seconds until the mark arrives here. Raises OSError if it does not come."""
    command = [sys.executable, "-m", "agent.cli.main", "--config", str(config), "control"]
    begin_s = time.monotonic()
    with spawn(command, errors=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = []
        try:
            for line in process.stderr:
                if MARK in line:
                    return time.monotonic() - begin_s
                said.append(line.decode(errors="replace"))
                if time.monotonic() - begin_s > _TIMEOUT_S:
                    break
        finally:
            # Nothing is wired to it: no orderly stop is needed.
            process.kill()
    raise OSError(f"the field process did not report its first cycle: {''.join(said)[-500:]}")


def measure(*, quick: bool) -> list[Figure]:
    """Median of several starts against the limit, the slowest one beside it."""
    count = 4 if quick else 11
    times: list[float] = []
    for _ in range(count):
        with tempfile.TemporaryDirectory(prefix="pile-") as name:
            config = write_site_file(Path(name), mqtt_port=1883)
            try:
                times.append(start_once(config))
            except OSError as error:
                return [not_measured(GROUP, "exec to first evaluated cycle", "s", str(error))]
    # The first start may have to compile the sources; it counts, but is reported separately.
    return [
        Figure(
            GROUP,
            "exec to first evaluated cycle, outputs off, median",
            round(median(times), 3),
            "s",
            limit=LIMIT_S,
            samples=len(times),
            detail={"max_s": round(max(times), 3), "first_s": round(times[0], 3), "min_s": round(min(times), 3)},
        )
    ]
