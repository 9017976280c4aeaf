"""Command line of the simulated vehicle."""

import signal
import sys
from pathlib import Path

import click

from drivers.can import CAN_INTERFACES
from drivers.can.port import open_can_port
from drivers.errors import PortError
from hil_tests.bench.steadiness import take_priority
from hil_tests.bench.vehicle.alone import SourceFile
from hil_tests.bench.vehicle.mischief import help_text
from hil_tests.bench.vehicle.plant_link import PlantError, PlantLink
from hil_tests.bench.vehicle.process import BITRATE_BPS, Process, die_with_parent
from hil_tests.bench.vehicle.profile import ProfileError, load_profile, profile_names
from hil_tests.bench.vehicle.vehicle import Vehicle


@click.command(epilog="\b\nCommands while it runs:\n" + help_text())
@click.option("--interface", default="slcan", show_default=True, type=click.Choice(list(CAN_INTERFACES)))
@click.option(
    "--channel",
    required=True,
    help="Serial port (slcan), network interface (socketcan), or the adapter's name or number.",
)
@click.option("--plant", metavar="SOCKET", help="Unix socket of the bench's plant.")
@click.option("--alone", is_flag=True, help="No plant: always plugged in; commands are read from standard input.")
@click.option(
    "--terminal-voltage-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --alone: keep voltage, resistance and contactors of the inlet in this file (one JSON object).",
)
@click.option("--profile", "profile_name", default="nmc-car", show_default=True, help=", ".join(profile_names()))
@click.option("--soc", type=click.FloatRange(0, 100), metavar="PERCENT", help="State of charge at the start.")
@click.option(
    "--target-soc", type=click.FloatRange(0, 100), metavar="PERCENT", help="State of charge at which the charge ends."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the jitter of the send times.")
@click.option("--verbose", is_flag=True, help="Print every change of phase.")
def main(
    interface: str,
    channel: str,
    plant: str | None,
    alone: bool,
    terminal_voltage_file: Path | None,
    profile_name: str,
    soc: float | None,
    target_soc: float | None,
    seed: int,
    verbose: bool,
) -> None:
    """A vehicle on a CAN interface: battery and BMS (GB/T 27930-2015).

    It ends when its plant leaves, on SIGTERM, and in any case with its parent process.
    """
    if alone == (plant is not None):
        raise click.UsageError("give either --plant SOCKET or --alone")
    if terminal_voltage_file is not None and not alone:
        raise click.UsageError("--terminal-voltage-file goes with --alone; a plant hears it by its socket")
    die_with_parent()
    take_priority()
    try:
        profile = load_profile(profile_name)
        vehicle = Vehicle(profile, soc_percent=soc, target_soc_percent=target_soc, seed=seed)
        say = click.echo if verbose or alone else _nothing
        port = open_can_port(interface, channel, BITRATE_BPS)
        process = Process(vehicle, port, say)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: process.stop())
        if plant is not None:
            process.run_with(PlantLink(plant))
        else:
            process.run_alone(SourceFile(terminal_voltage_file) if terminal_voltage_file is not None else None)
        port.close()
    except (ProfileError, PlantError, PortError) as error:
        click.echo(f"vehicle: {error}", err=True)
        sys.exit(1)


def _nothing(_: str) -> None:
    """Print nothing."""


if __name__ == "__main__":
    main()
