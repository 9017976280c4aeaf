"""``pile-agent meter``: meter tools for installers.

Everything that only these commands need is imported when they run.
"""

import sys
from pathlib import Path

import click

from agent.cli.context import Context, json_option
from agent.cli.meter.exchange import exchange
from agent.cli.meter.prove import prove
from agent.cli.meter.tools import TOOLS


@click.group()
def meter() -> None:
    """Scan, read, check and set up meters.

    No command writes to a meter unless its help states it.
    """


@meter.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--baud", type=click.IntRange(300, 115_200), help="Baud rate of the line; default: that of the meter.")
@click.option(
    "--interval-ms",
    type=click.IntRange(100, 60_000),
    default=1000,
    show_default=True,
    help="Interval of the readings.",
)
@click.option("--channel", type=click.IntRange(1, 4), default=1, show_default=True, help="Measuring channel.")
@click.option("--signal", "signals", multiple=True, metavar="NAME", help="Only this signal; repeatable.")
@json_option
@click.pass_obj
def check(
    context: Context,
    file: Path,
    baud: int | None,
    interval_ms: int,
    channel: int,
    signals: tuple[str, ...],
    as_json: bool,
) -> None:
    """Check a meter map and show how the meter would be read.

    FILE is a map, or the name of a shipped one. One message per error, or the requests with their bytes and their time
    on the wire.
    """
    from agent.cli.meter.check import Wanted, check_map

    sys.exit(
        check_map(
            Wanted(
                file=file,
                baud=baud,
                interval_ms=interval_ms,
                channel=channel,
                signals=signals or None,
                as_json=as_json,
                language=context.language,
            )
        )
    )


meter.add_command(exchange)
meter.add_command(prove)
for tool in TOOLS:
    meter.add_command(tool)
