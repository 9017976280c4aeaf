"""The options by which a command names a meter. Light: the command line loads it with every command."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def target_options(command: F) -> F:
    """The options that name a meter."""
    for option in reversed(
        (
            click.option(
                "--port", help="Serial port, HOST:PORT of Modbus TCP, or rtu+tcp://HOST:PORT; default: site file."
            ),
            click.option(
                "--connector", type=click.IntRange(1, 4), help="Connector of the site file; needed if it has several."
            ),
            click.option("--map", "map_name", help="Meter map: id of a shipped map, or a file; default: site file."),
            click.option("--address", help="Address 1-247, or the twelve digits of a DL/T 645 meter."),
            click.option(
                "--channel", type=click.IntRange(1, 4), default=1, show_default=True, help="Measuring channel."
            ),
            click.option("--baud", type=click.IntRange(300, 115_200), help="Baud rate; default: that of the map."),
            click.option("--parity", type=click.Choice(["N", "E", "O"]), help="Parity; default: that of the map."),
            click.option("--stop-bits", type=click.IntRange(1, 2), help="Stop bits; default: those of the map."),
        )
    ):
        command = option(command)
    return command
