"""Serves meters for people and tests: ``python -m hil_tests.bench.meters --map acrel-djsf1352-rn --pty /tmp/meter``.

Commands are read from standard input, one a line; ``help`` lists them.
"""

import asyncio
import contextlib
import signal
import sys
import threading
from pathlib import Path

import click

from hil_tests.bench.meters.commands import MeterCommands, RefusedError
from hil_tests.bench.meters.line import BenchError, MeterLine, MeterSpec


@click.command()
@click.option("--map", "maps", multiple=True, required=True, help="Register map: its id in config/meters, or a file.")
@click.option(
    "--address", "addresses", multiple=True, help="Address (or number of DL/T 645) of each --map, in the same sequence."
)
@click.option("--pty", type=click.Path(path_type=Path), help="Serial line: path of the link to its port.")
@click.option(
    "--tcp", "tcp_port", type=click.IntRange(0, 65535), help="Modbus TCP port on loopback, 0 for any free one."
)
@click.option("--baud", type=click.IntRange(300, 115200), help="Baud rate; default: that of the first map.")
@click.option("--parity", type=click.Choice(["N", "E", "O"]), help="Parity; default: that of the first map.")
@click.option("--stop-bits", type=click.IntRange(1, 2), help="Stop bits; default: those of the first map.")
@click.option(
    "--latency-ms", type=click.FloatRange(0, 60000), default=5.0, show_default=True, help="Response time of the meter."
)
@click.option("--any-settings", is_flag=True, help="Answer also at other serial settings.")
def main(
    maps: tuple[str, ...],
    addresses: tuple[str, ...],
    pty: Path | None,
    tcp_port: int | None,
    baud: int | None,
    parity: str | None,
    stop_bits: int | None,
    latency_ms: float,
    any_settings: bool,
) -> None:
    """Serve one or several meters until the end of standard input, `quit` or Ctrl-C."""
    if pty is None and tcp_port is None:
        raise click.UsageError("name --pty, --tcp or both")
    if len(addresses) > len(maps):
        raise click.UsageError("there are more --address than --map")
    given = [*addresses, *[None] * (len(maps) - len(addresses))]
    try:
        specs = [
            MeterSpec.of(name, address, latency_s=latency_ms / 1000.0)
            for name, address in zip(maps, given, strict=True)
        ]
        asyncio.run(_serve(specs, pty, tcp_port, (baud, parity, stop_bits), checks_settings=not any_settings))
    except (BenchError, OSError) as error:
        raise click.ClickException(str(error)) from None


async def _serve(
    specs: list[MeterSpec],
    pty: Path | None,
    tcp_port: int | None,
    settings: tuple[int | None, str | None, int | None],
    *,
    checks_settings: bool,
) -> None:
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lines.put_nowait, None)
    baud, parity, stop_bits = settings
    line = MeterLine(specs, pty, baud, parity, stop_bits, checks_settings=checks_settings)
    try:
        if tcp_port is not None:
            await line.start_tcp(tcp_port)
        for row in line.description():
            _say(row)
        commands = MeterCommands(line.meters, line.wire)
        threading.Thread(target=_read_lines, args=(loop, lines), daemon=True).start()
        while (text := await lines.get()) is not None and text != "quit":
            if text:
                try:
                    _say(commands.run(text))
                except RefusedError as error:
                    _say(f"refused: {error}")
    finally:
        await line.stop()


def _read_lines(loop: asyncio.AbstractEventLoop, lines: "asyncio.Queue[str | None]") -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended before the input
        for text in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, text.strip())
        loop.call_soon_threadsafe(lines.put_nowait, None)


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
