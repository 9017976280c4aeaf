"""A process that writes to a ledger until it is killed: by a signal from outside, or by itself at a given statement.

Arguments: folder, batch size, statement count (0: never). Each durable number is printed on a line of its own.
"""

import os
import signal
import sys
from pathlib import Path

from record_messages import WALL_MS, message

from agent.records.ledger import Ledger


def main() -> None:
    """See the module."""
    folder, batch, fatal = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    ledger = Ledger(folder, WALL_MS)
    seen = 0

    def count(_: str) -> None:
        nonlocal seen
        seen += 1
        if seen == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    number = (ledger.last_number("boot-a") or 0) + 1
    if fatal:
        ledger._connection.set_trace_callback(count)
    while True:
        kinds = ("session_started", "telemetry", "session_ended", "state")
        ledger.append(
            [
                message(n, kinds[n % 4], session=f"s{n // 4}" if kinds[n % 4].startswith("session") else None)
                for n in range(number, number + batch)
            ]
        )
        number += batch
        os.write(1, f"{number - 1}\n".encode())


if __name__ == "__main__":
    main()
