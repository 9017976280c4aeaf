"""The floor of the reaction: a process at the field process's priority that answers bytes with bytes, and does nothing.

``python -m hil_tests.performance.reaction_echo PORT PRIORITY``.
"""

import gc
import selectors
import sys

from agent.field import realtime
from drivers.line.serial_port import SerialPort
from hil_tests.performance.reaction_board import FLOOR_REPLY


def main() -> None:
    """Answer until killed."""
    port = SerialPort(sys.argv[1], 115200)
    selector = selectors.DefaultSelector()
    selector.register(port.fileno(), selectors.EVENT_READ)
    realtime.set_priority(int(sys.argv[2]))
    realtime.lock_memory()
    gc.disable()
    while True:
        selector.select()
        if port.read():
            port.write(FLOOR_REPLY)


if __name__ == "__main__":
    main()
