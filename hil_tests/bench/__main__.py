"""Command line of the bench: ``python -m hil_tests.bench run`` and ``... do``."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from pathlib import Path

import click

from hil_tests.bench.assembly import (
    GUNS_AT_MOST,
    PARTS,
    Assembly,
    BenchOptions,
    remove_ready_file,
    write_ready_file,
)
from hil_tests.bench.broker import BrokerError
from hil_tests.bench.client import BenchClient, BenchError
from hil_tests.bench.commands import Commands, RefusedError
from hil_tests.bench.connection_table import connection_table
from hil_tests.bench.gun import AssemblyError
from hil_tests.bench.steadiness import take_priority

# The kernel's limit for the path of a local socket, less one for its terminator.
_LONGEST_SOCKET_PATH = 107
_PARENT_POLL_S = 0.5
_folder_option = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder for the files of the bench.",
)


@click.group()
def main() -> None:
    """The simulated surroundings of the pile: vehicle, meter, power stage, inputs and outputs, broker."""


@main.command()
@_folder_option
@click.option("--without", type=click.Choice(PARTS), multiple=True, help="Leave a part out; may be given again.")
@click.option(
    "--vehicle-profile",
    multiple=True,
    default=("demo-car",),
    show_default=True,
    help="Which vehicle to simulate; given twice, the bench has a second gun with that vehicle.",
)
@click.option("--switched", is_flag=True, help="With allocation contactors between groups of modules and guns.")
@click.option("--mqtt-port", type=click.IntRange(0, 65535), default=0, help="Port of the broker, 0 for any free one.")
@click.option("--battery-voltage", type=click.FloatRange(0, 1500), help="Battery voltage of a third-party vehicle, V.")
@click.option("--battery-file", type=click.Path(path_type=Path), help="File with the voltage of a third-party vehicle.")
@click.option("--tap", is_flag=True, help="Add a port for a listener on the vehicle's line.")
@click.option("--parent", type=int, hidden=True, help="End when this process is no longer the parent.")
def run(
    folder: Path,
    without: tuple[str, ...],
    vehicle_profile: tuple[str, ...],
    switched: bool,
    mqtt_port: int,
    battery_voltage: float | None,
    battery_file: Path | None,
    tap: bool,
    parent: int | None,
) -> None:
    """Run the bench until Ctrl-C or SIGTERM."""
    folder = folder.resolve()
    if len(str(folder / "bench.sock")) > _LONGEST_SOCKET_PATH:
        raise click.ClickException(f"the path of {folder} is too long for a local socket; choose a shorter folder")
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(BenchError):
        BenchClient(folder).probe()
        raise click.ClickException(f"a bench already runs in {folder}")
    take_priority()
    if len(vehicle_profile) > GUNS_AT_MOST:
        raise click.ClickException(f"the bench has at most {GUNS_AT_MOST} guns: give --vehicle-profile once for each")
    if switched and len(vehicle_profile) < GUNS_AT_MOST:
        raise click.ClickException("--switched needs two guns: give --vehicle-profile twice")
    first, *more = vehicle_profile
    options = BenchOptions(
        folder, frozenset(without), first, mqtt_port, battery_voltage, battery_file, tap, tuple(more), switched
    )
    try:
        asyncio.run(_run(options, parent))
    except (AssemblyError, BrokerError) as error:
        raise click.ClickException(str(error)) from None


@main.command()
@_folder_option
@click.argument("words", nargs=-1)
def do(folder: Path, words: tuple[str, ...]) -> None:
    """Carry out one physical command, for example `plug` or `press estop`; `help` lists all."""
    try:
        if words == ("probe",):
            click.echo(json.dumps(BenchClient(folder).probe(), indent=1))
        else:
            click.echo(BenchClient(folder).do(" ".join(words)))
    except BenchError as error:
        raise click.ClickException(str(error)) from None


async def _run(options: BenchOptions, parent: int | None) -> None:
    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    remove_ready_file(options.folder)
    assembly = Assembly(options, _say)
    starting = asyncio.create_task(assembly.start())
    ending = asyncio.create_task(end.wait())
    orphaned = asyncio.create_task(_end_without_parent(parent, end)) if parent is not None else None
    try:
        await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            return
        starting.result()
        socket_path = options.folder / "bench.sock"
        server = await _serve_commands(assembly, socket_path)
        write_ready_file(options.folder, assembly.ready_file_content())
        _say(connection_table(assembly))
        _say(f"\nCommands: python -m hil_tests.bench do --folder {options.folder} help")
        await ending
        _say("bench ends")
        server.close()
        socket_path.unlink(missing_ok=True)
    finally:
        remove_ready_file(options.folder)
        ending.cancel()
        if orphaned is not None:
            orphaned.cancel()
        await assembly.stop()


async def _end_without_parent(parent: int, end: asyncio.Event) -> None:
    """End when the process that started this bench is gone, however it went."""
    while os.getppid() == parent and not end.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(end.wait(), _PARENT_POLL_S)
    end.set()


async def _serve_commands(assembly: Assembly, path: Path) -> asyncio.Server:
    """One text line in, one JSON line out, any number of lines a connection."""
    commands = Commands(assembly)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while line := await reader.readline():
                try:
                    answer = {"ok": True, "reply": await commands.run(line.decode(errors="replace").strip())}
                except (RefusedError, BrokerError) as error:
                    answer = {"ok": False, "reply": str(error)}
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        writer.close()

    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # left by a bench that was killed
    return await asyncio.start_unix_server(serve, str(path))


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
