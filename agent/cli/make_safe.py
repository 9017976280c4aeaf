"""Opens the outputs directly on the boards, past the field process, when that has died.

It needs as little as possible: the part of the site file with the boards, and the ports. Errors
elsewhere in the file do not keep it from working, and neither does the layout before this one. The electronic lock is
left as it is: the vehicle's side may still be live, and only the field process sees when it no longer is.
"""

import contextlib
import select
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from agent.cli.exits import EXIT_FAILED, EXIT_OK, EXIT_WRONG
from agent.cli.make_safe_plan import NothingToOpenError, PinsTarget, Target, find_targets
from agent.settings.problems import SettingsError
from drivers.errors import PortError
from drivers.modbus import codec
from drivers.modbus.codec import Match, Request
from drivers.text import Language, Text

_ROUNDS = 3
_REPLY_S = 0.15
_PORT_TRIES = 5
_PORT_PAUSE_S = 0.1


class Port(Protocol):
    """What is needed of a serial port."""

    def fileno(self) -> int:
        """File descriptor to wait on."""

    def read(self) -> bytes:
        """All bytes that have arrived."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def close(self) -> None:
        """Give the port back."""


def switch_off(target: Target, port: Port, clock: Callable[[], float] = time.monotonic) -> list[str]:
    """Switch every channel off and return the names of those that the board did not confirm. Raises PortError."""
    waiting = list(target.channels)
    for _ in range(_ROUNDS):
        # Whatever a dying program left on the line is not ours.
        port.read()
        waiting = [
            (name, channel)
            for name, channel in waiting
            if not _ask(
                port,
                Request(target.address, target.function, target.first_register + channel, values=(target.off_value,)),
                clock,
            )
        ]
        if not waiting:
            break
    return [name for name, _ in waiting]


def _ask(port: Port, request: Request, clock: Callable[[], float]) -> bool:
    port.write(codec.encode(request))
    data = b""
    deadline_s = clock() + _REPLY_S
    while (left_s := deadline_s - clock()) > 0:
        select.select([port], [], [], left_s)
        data += port.read()
        found = codec.find_reply(data, request)
        if found.match is Match.REPLY:
            return found.frame[1] == request.function
    return False


def _open(target: Target) -> Port:
    from drivers.line.serial_port import SerialPort

    for last in range(_PORT_TRIES, -1, -1):
        try:
            return SerialPort(target.port, target.baud, target.parity, target.stop_bits)
        except PortError:
            # A process that is being killed may hold the port for another moment.
            if last == 0:
                raise
            time.sleep(_PORT_PAUSE_S)
    raise AssertionError("unreachable")


def run_make_safe(config: Path, language: Language) -> int:
    """Open the outputs of every board and report the result. Returns the exit code: the worst of all boards."""
    from agent.cli.complaints import complaint, say_error

    try:
        plan = find_targets(config)
    except NothingToOpenError:
        say_error(Text("本桩为监听,没有输出可断开", "role listener: there is no output to open").in_(language))
        return EXIT_OK
    except SettingsError as error:
        say_error(*complaint(error, language))
        return EXIT_WRONG
    for problem in plan.problems:
        say_error(problem.line(language))
    # One board after the other, whatever became of the one before: each opens what it can.
    failed = [not _make_board_safe(target, language) for target in plan.targets]
    if any(failed):
        say_error(_fallback(language))
        return EXIT_FAILED
    if plan.problems:
        return EXIT_WRONG
    say_error(Text("输出已断开", "outputs are off").in_(language))
    return EXIT_OK


def _make_board_safe(target: Target | PinsTarget, language: Language) -> bool:
    from agent.cli.complaints import say_error

    where = target.model.chip_label if isinstance(target, PinsTarget) else target.port
    try:
        left = _pins_off(target) if isinstance(target, PinsTarget) else _board_off(target)
    except PortError as error:
        say_error(f"{error.where}: {error.what}", error.hint)
        return False
    if left:
        names = ", ".join(left)
        say_error(
            Text(
                f"{where}:板 {target.name} 未确认断开 {names}",
                f"{where}: the board {target.name} did not confirm off: {names}",
            ).in_(language)
        )
    return not left


def _board_off(target: Target) -> list[str]:
    with contextlib.closing(_open(target)) as port:
        return switch_off(target, port)


def _pins_off(target: PinsTarget) -> list[str]:
    """Set every pin off and return the names of those that read otherwise. Raises PortError."""
    from drivers.inputs_outputs.gpio_port import GpioPort

    with contextlib.closing(GpioPort(target.model, {channel: False for _, channel in target.channels}, ())) as port:
        _, levels = port.read()
    return [name for name, channel in target.channels if levels.get(channel) is not False]


def _fallback(language: Language) -> str:
    return Text(
        "板子在脉冲停止后约 1 s 自行断开接触器", "the board opens timed relays by itself 1 s after the last pulse"
    ).in_(language)
