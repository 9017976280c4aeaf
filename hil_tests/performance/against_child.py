"""One side of the comparison with another commit: evaluates in virtual time, so many times for each line it reads.

Runs as a script with the tree under test first on ``PYTHONPATH``, of this commit or of another one, and so uses only
what both have: ``VirtualPile`` and ``reference_site``. Writes one line of JSON for each line read: the costs of idle
and charging evaluations in nanoseconds, and the folder that the code came from.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import agent.control as control
from hil_tests.performance.virtual_pile import VirtualPile, reference_site


def prepared(folder: Path) -> dict[str, Any]:
    """A pile that is idle and one that is charging."""
    idle, charging = VirtualPile(reference_site(folder)), VirtualPile(reference_site(folder))
    idle.run_for(1.0)
    charging.plug_and_start()
    charging.run_until("charging")
    charging.run_for(2.0)
    return {"idle": idle, "charging": charging}


def costs_ns(pile: Any, count: int) -> list[int]:
    """Evaluate so many times."""
    # Commits before the narrow core call it step.
    evaluate = getattr(pile.core, "evaluate", None) or pile.core.step
    costs = []
    for _ in range(count):
        pile.feed()
        begin_ns = time.perf_counter_ns()
        outputs = evaluate(pile.now_s, pile.wall_ms, "synced")
        costs.append(time.perf_counter_ns() - begin_ns)
        pile.obey(outputs)
    return costs


def main() -> None:
    """Answer lines until there are no more."""
    with tempfile.TemporaryDirectory(prefix="pile-") as name:
        piles = prepared(Path(name))
        for line in sys.stdin:
            found: dict[str, Any] = {state: costs_ns(pile, int(line)) for state, pile in piles.items()}
            found["tree"] = str(Path(control.__file__).resolve().parents[2])
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
