"""Opens the outputs directly on the relay board, past the field process, when that has died.

It needs as little as possible: the part of the site file that says where the board is, and one serial port. Mistakes
elsewhere in the file do not keep it from working. The electronic lock is left as it is: the vehicle's side may still
stand under voltage, and only the field process sees when it no longer does.
"""

import contextlib
import select
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from agent.cli.exits import EXIT_FAILED, EXIT_OK, EXIT_WRONG
from agent.settings.cross import at
from agent.settings.files import data_folder, find_data_file, load_board, read_toml
from agent.settings.problems import SettingsError
from drivers.errors import PortError
from drivers.modbus import codec
from drivers.modbus.codec import Match, Request
from drivers.text import Language

LEFT_ALONE = "electronic_lock"
_FIRST = ("contactor_k1", "contactor_k2")
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


@dataclass(frozen=True, slots=True)
class Target:
    """The relay board of a pile and the channels to switch off, most important first."""

    port: str
    baud: int
    parity: str
    stop_bits: int
    address: int
    channels: tuple[tuple[str, int], ...]


class NothingToOpenError(Exception):
    """The pile only listens: it has no output, and nothing may be written to a board on its lines."""


def find_target(config: Path) -> Target:
    """Where the relay board is.

    Raises SettingsError if the file cannot be read, NothingToOpenError if the pile only listens, LookupError if the
    file does not say.
    """
    tree = read_toml(config)
    if at(tree, "connector.role") == "monitor":
        raise NothingToOpenError
    bus = at(tree, "connector.inputs_outputs.bus")
    buses = at(tree, "bus.modbus")
    for entry in buses if isinstance(buses, list) else []:
        if isinstance(entry, Mapping) and entry.get("name") == bus and isinstance(entry.get("port"), str):
            return Target(
                port=entry["port"],
                baud=int(entry.get("baud", 9600)),
                parity=str(entry.get("parity", "N")),
                stop_bits=int(entry.get("stop_bits", 1)),
                address=int(at(tree, "connector.inputs_outputs.relay_address") or 1),
                channels=_channels(config, tree),
            )
    raise LookupError("connector.inputs_outputs.bus")


def _channels(config: Path, tree: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    name = at(tree, "connector.inputs_outputs.board") or "waveshare-rs485"
    path, _ = find_data_file("boards", str(name), (config.resolve().parent, data_folder()))
    try:
        if path is not None:
            outputs = load_board(path).outputs
            names = sorted(outputs, key=lambda output: (output not in _FIRST, outputs[output].channel))
            return tuple((output, outputs[output].channel) for output in names if output != LEFT_ALONE)
    except SettingsError:
        pass
    # Without a wiring all relays go off, the lock too: open contactors matter more.
    return tuple((f"channel {channel}", channel) for channel in range(8))


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
                Request(target.address, codec.WRITE_COIL, channel, values=(codec.COIL_OFF,)),
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
    """Open the outputs and say what came of it. Returns the exit code."""
    from agent.cli.complaints import complaint, say_error

    try:
        target = find_target(config)
    except NothingToOpenError:
        say_error(
            "本桩只监听,没有输出可断开" if language == "zh" else "this pile only listens: there is no output to open"
        )
        return EXIT_OK
    except SettingsError as error:
        say_error(*complaint(error, language))
        return EXIT_WRONG
    except (LookupError, ValueError) as error:
        say_error(
            f"{config}:没有说明继电器板在哪里({error})"
            if language == "zh"
            else f"{config}: does not say where the relay board is ({error})"
        )
        return EXIT_WRONG
    try:
        with contextlib.closing(_open(target)) as port:
            left = switch_off(target, port)
    except PortError as error:
        say_error(f"{error.where}: {error.what}", error.hint, _fallback(language))
        return EXIT_FAILED
    if left:
        names = ", ".join(left)
        say_error(
            f"{target.port}:继电器板未确认断开 {names}"
            if language == "zh"
            else f"{target.port}: the relay board did not confirm off: {names}",
            _fallback(language),
        )
        return EXIT_FAILED
    say_error("输出已断开" if language == "zh" else "outputs are off")
    return EXIT_OK


def _fallback(language: Language) -> str:
    return (
        "板子在脉冲停止后约 1 s 自行断开接触器"
        if language == "zh"
        else "the board opens timed relays by itself 1 s after the last pulse"
    )
