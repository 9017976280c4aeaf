"""``pile-agent bms``: decode the dialogue of a charger and a vehicle.

Everything that only these commands need is imported when they run.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.complaints import say_error
from agent.cli.context import Context, connector_option, json_option, print_json
from agent.cli.exits import EXIT_FAILED, EXIT_WRONG
from drivers.can import CAN_INTERFACES

if TYPE_CHECKING:
    from agent.cli.bms.files import RecordingError
    from drivers.gbt27930.charger.phases import Edition

_EDITIONS: dict[str, "Edition"] = {"2015": "2015", "2023": "2023"}


@click.group()
def bms() -> None:
    """Decode the dialogue of a charger and a vehicle.

    Reads recordings, or listens to a live bus without sending a frame.
    """


@bms.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--channel", help="CAN channel, if the file holds several.")
@click.option(
    "--edition", type=click.Choice(list(_EDITIONS)), default="2015", show_default=True, help="Rules of GB/T 27930."
)
@click.option("--session", "number", type=click.IntRange(1), help="Show only the session with this number.")
@click.option("--frames", "list_frames", is_flag=True, help="First list every message, one per line.")
@click.option("--plot", type=click.Path(path_type=Path, dir_okay=False), help="Plot the charge into a PNG or SVG file.")
@json_option
@click.pass_obj
def decode(
    context: Context,
    file: Path,
    channel: str | None,
    edition: str,
    number: int | None,
    list_frames: bool,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Decode a recording.

    FILE is a log of candump -L, ASC, BLF, TRC or CSV, optionally compressed with gzip. Shows the sessions with
    phases, limits, demand, stop reason, and every violation of period, length, sequence and limits.
    """
    from agent.cli.bms.decode import Wanted, decode_file
    from agent.cli.bms.files import RecordingError

    if as_json and list_frames:
        raise click.UsageError("--frames and --json exclude each other")
    try:
        sys.exit(
            decode_file(
                Wanted(
                    file=file,
                    channel=channel,
                    edition=_EDITIONS[edition],
                    number=number,
                    list_frames=list_frames,
                    plot=plot,
                    as_json=as_json,
                    language=context.language,
                )
            )
        )
    except RecordingError as error:
        _refuse(context, error, as_json)


@bms.command()
@click.option(
    "--interface",
    type=click.Choice(list(CAN_INTERFACES)),
    help="Type of CAN interface, instead of the bus of the site file.",
)
@click.option("--channel", help="With --interface: can0, serial port (slcan), PCAN_USBBUS1 (pcan), or a number from 0.")
@click.option("--bitrate", type=click.IntRange(10_000, 1_000_000), default=250_000, show_default=True, help="bit/s")
@click.option(
    "--edition", type=click.Choice(list(_EDITIONS)), help="Rules of GB/T 27930; else those of the site file, or 2015."
)
@click.option("--frames", "list_frames", is_flag=True, help="Also list every message.")
@click.option(
    "--record",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Record the received frames in the format of candump -L.",
)
@click.option("--seconds", type=click.FloatRange(0.1), help="Stop after this time; default: at Ctrl-C.")
@connector_option
@json_option
@click.pass_obj
def live(
    context: Context,
    connector: int | None,
    interface: str | None,
    channel: str | None,
    bitrate: int,
    edition: str | None,
    list_frames: bool,
    record: Path | None,
    seconds: float | None,
    as_json: bool,
) -> None:
    """Listen to a bus and decode it live.

    Never sends a frame. Without --interface it uses the vehicle bus of the site file; the service must not use
    the same serial adapter. Ctrl-C ends it with a summary.
    """
    from agent.cli.bms.live import Live, run_live, wait_until_ready
    from drivers.can.port import open_can_port
    from drivers.errors import PortError

    if interface is None:
        entry = context.connector(connector).settings
        bus = next(bus for bus in context.site.settings.bus.can if bus.name == entry.vehicle_bus)
        interface, channel, bitrate = bus.interface, bus.channel, bus.bitrate_bps
        # A connector that is only followed has no edition of ours.
        edition = edition or (entry.edition if entry.kind == "charger" else None)
    elif channel is None:
        raise click.UsageError("--interface needs --channel")
    hearing = Live(
        edition=_EDITIONS[edition or "2015"],
        language=context.language,
        list_frames=list_frames,
        quiet=as_json,
    )
    try:
        port = open_can_port(interface, channel, bitrate, listen_only=True)
        try:
            wait_until_ready(port)
            run_live(port, hearing, record=record, name=channel, seconds=seconds)
        finally:
            port.close()
    except PortError as error:
        say_error(f"{error.where}: {error.what}", error.hint)
        if not hearing.observer.frames:
            sys.exit(EXIT_FAILED)
    except OSError as error:
        say_error(str(error))
        sys.exit(EXIT_FAILED)
    hearing.finish()
    if as_json:
        from agent.cli.bms.document import observer_document

        print_json(observer_document(hearing.observer, list(hearing.observer.sessions)))
    else:
        hearing.show_summary()


@bms.command()
@click.argument("name", required=False)
@click.option("--dbc", is_flag=True, help="Print the whole table as a CAN database (DBC) for other tools.")
@json_option
@click.pass_obj
def messages(context: Context, name: str | None, dbc: bool, as_json: bool) -> None:
    """Show the message table, or one message with its fields.

    NAME is that of the standard, for example BCL.
    """
    if dbc:
        from drivers.gbt27930.messages.dbc import dbc_text

        if name is not None or as_json:
            raise click.UsageError("--dbc excludes NAME and --json: a CAN database contains every message")
        click.echo(dbc_text(), nl=False)
        return
    from agent.cli.bms.table import message_document, show_message, show_messages
    from agent.cli.bms.words import BmsSpeaker
    from agent.cli.screen import Screen
    from agent.settings.problems import nearest
    from drivers.gbt27930.messages.table import MESSAGES

    speak = BmsSpeaker(context.language)
    if name is not None and name.upper() not in MESSAGES:
        best = nearest(name.upper(), list(MESSAGES))
        hint = "" if best is None else speak.pick(f";是否为 {best}?", f"; did you mean {best}?")
        say_error(speak.pick(f"未知报文 {name}", f"unknown message {name}") + hint)
        sys.exit(EXIT_WRONG)
    chosen = list(MESSAGES.values()) if name is None else [MESSAGES[name.upper()]]
    if as_json:
        print_json([message_document(message) for message in chosen])
    elif name is None:
        show_messages(Screen(), speak, chosen)
    else:
        show_message(Screen(), speak, chosen[0])


def _refuse(context: Context, error: "RecordingError", as_json: bool) -> None:
    if as_json:
        print_json({"error": "recording", "reason": error.what.in_(context.language)})
    say_error(error.what.in_(context.language), error.hint.in_(context.language))
    sys.exit(EXIT_WRONG)
