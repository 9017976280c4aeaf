"""``pile-agent meter scan``, ``read``, ``probe``, ``set-address`` and ``set-serial``: tools for installers.

Everything that only these commands need is imported when they run.
"""

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from agent.cli.complaints import say_error
from agent.cli.context import Context, json_option, print_json
from agent.cli.exits import EXIT_FAILED, EXIT_OK, EXIT_WRONG
from agent.cli.meter.options import target_options
from drivers.text import Text

if TYPE_CHECKING:
    from agent.cli.meter.setting import Change
    from agent.cli.meter.target import Target
    from drivers.meters.sections import MapText


@click.command()
@click.argument("port")
@click.option(
    "--baud", "bauds", type=click.IntRange(300, 115_200), multiple=True, help="Scan only this rate; repeatable."
)
@click.option(
    "--parity", "parities", type=click.Choice(["N", "E", "O"]), multiple=True, help="Scan only this; repeatable."
)
@click.option("--stop-bits", type=click.IntRange(1, 2), multiple=True, help="Scan only this; repeatable.")
@click.option("--addresses", default="1-247", show_default=True, help="Modbus addresses: 1-247, or 1,3,10-20.")
@click.option("--models", help="Scan only for these maps, separated by commas.")
@click.option(
    "--timeout-ms", type=click.IntRange(50, 5000), default=300, show_default=True, help="Time-out of a reply."
)
@click.option("--first", "first_only", is_flag=True, help="Stop at the first meter.")
@json_option
@click.pass_obj
def scan(
    context: Context,
    port: str,
    bauds: tuple[int, ...],
    parities: tuple[str, ...],
    stop_bits: tuple[int, ...],
    addresses: str,
    models: str | None,
    timeout_ms: int,
    first_only: bool,
    as_json: bool,
) -> None:
    """Find meters on a line: baud rate, parity, address and model.

    PORT is a serial port, HOST:PORT of a Modbus TCP gateway, or rtu+tcp://HOST:PORT. Only reads. The likeliest places
    come first; the first meter that is found settles baud rate and parity for the rest. Ctrl-C ends it with what was
    found so far.
    """
    from agent.cli.meter.scan import Scanner
    from agent.cli.meter.scan_plan import Wanted, parse_addresses
    from agent.cli.meter.target import open_bus, port_failed, port_of, shipped_maps
    from agent.cli.meter.view import ScanProgress, scan_document, show_scan
    from agent.cli.screen import Screen
    from drivers.errors import PortError

    try:
        where = parse_addresses(addresses)
    except ValueError:
        raise click.UsageError(f"--addresses {addresses}: write 1-247, or 1,3,10-20") from None
    try:
        url = port_of(port)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    wanted = Wanted(
        tuple(shipped_maps(context, models)), where, bauds, parities, stop_bits, on_network=url.startswith("tcp://")
    )
    progress = ScanProgress(context.language, quiet=as_json)
    scanner = Scanner(
        lambda settings: open_bus(context, url, settings, as_json=as_json),
        wanted,
        progress,
        timeout_s=timeout_ms / 1000,
        first_only=first_only,
    )
    try:
        scanner.run()
    except KeyboardInterrupt:
        pass
    except PortError as error:
        progress.close()
        port_failed(error, as_json=as_json)
    finally:
        progress.close()
    if as_json:
        print_json(scan_document(url, scanner.report))
    else:
        show_scan(Screen(), context.language, url, scanner.report)
    sys.exit(EXIT_OK if scanner.report.meters else EXIT_FAILED)


@click.command()
@target_options
@click.option("--watch", is_flag=True, help="Repeat the reading until Ctrl-C.")
@click.option(
    "--interval",
    type=click.FloatRange(0.2, 3600),
    default=2.0,
    show_default=True,
    help="With --watch: seconds between two readings.",
)
@click.option("--count", type=click.IntRange(1), help="With --watch: stop after N readings.")
@click.option(
    "--display-kwh", type=click.FloatRange(0, min_open=True), help="Energy on the display; proves the unit of energy."
)
@json_option
@click.pass_obj
def read(
    context: Context,
    /,
    watch: bool,
    interval: float,
    count: int | None,
    display_kwh: float | None,
    as_json: bool,
    **named: Any,
) -> None:
    """Show what a meter measures, with the raw registers.

    The meter is that of the site file, or named by --port and --map. With --display-kwh the energy register is compared
    with the display, and the energy_unit_wh for the site file is shown.
    """
    from agent.cli.meter.proof import proof_document, prove, show_proof
    from agent.cli.meter.survey import Surveyor
    from agent.cli.meter.target import open_bus, port_failed, resolve
    from agent.cli.meter.view import show_survey, survey_document
    from agent.cli.screen import Screen
    from drivers.errors import PortError

    target = resolve(context, **named)
    screen, answered, done, proof = Screen(), False, 0, None
    try:
        with open_bus(context, target.port, target.settings, as_json=as_json) as bus:
            surveyor = Surveyor(bus, target.meter_map, target.address, target.channel, target.energy_unit_wh)
            while True:
                survey = surveyor.read()
                answered = answered or survey.answered > 0
                if display_kwh is not None:
                    proof = prove(survey, target.energy_unit_wh, display_kwh)
                if as_json:
                    extra = {} if display_kwh is None else {"proof": proof_document(proof)}
                    print_json({**survey_document(survey), **extra})
                else:
                    screen.heading(f"{target.meter_map.id} @{target.address}, {target.port} {target.settings}")
                    show_survey(screen, context.language, survey)
                    if display_kwh is not None:
                        show_proof(screen, context.language, proof)
                done += 1
                if not watch or done == count:
                    break
                time.sleep(interval)
    except KeyboardInterrupt:
        pass
    except PortError as error:
        port_failed(error, as_json=as_json)
    sys.exit(EXIT_OK if answered and (display_kwh is None or proof is not None) else EXIT_FAILED)


@click.command()
@target_options
@click.option(
    "--requests",
    type=click.IntRange(20, 2000),
    default=200,
    show_default=True,
    help="Number of requests (approximate).",
)
@json_option
@click.pass_obj
def probe(context: Context, /, requests: int, as_json: bool, **named: Any) -> None:
    """Measure response times, errors and the shortest pause that works.

    The meter is that of the site file, or named by --port and --map. Only reads. Shows what to write into the map.
    """
    from agent.cli.meter.probe import probe as run_probe
    from agent.cli.meter.survey import Surveyor
    from agent.cli.meter.target import open_bus, port_failed, resolve
    from agent.cli.meter.view import probe_document, show_probe
    from agent.cli.screen import Screen
    from drivers.errors import PortError

    target = resolve(context, **named)
    meter_map = target.meter_map
    try:
        with open_bus(context, target.port, target.settings, as_json=as_json) as bus:
            surveyor = Surveyor(bus, meter_map, target.address, target.channel)
            report = run_probe(
                bus,
                surveyor.requests(),
                surveyor.brief_requests(),
                latency_s=meter_map.latency_ms / 1000,
                gap_ms=meter_map.minimum_gap_ms,
                most=requests,
            )
    except PortError as error:
        port_failed(error, as_json=as_json)
    if as_json:
        print_json(probe_document(report))
    else:
        show_probe(Screen(), context.language, report, meter_map.minimum_gap_ms, meter_map.latency_ms)
    sys.exit(EXIT_OK if report.gap_ms is not None else EXIT_FAILED)


@click.command("set-address")
@click.argument("new", metavar="NEW", type=click.IntRange(1, 247))
@target_options
@click.option("--confirm", metavar="NEW", help="Repeat the new address here instead of at the prompt.")
@json_option
@click.pass_obj
def set_address(context: Context, /, new: int, confirm: str | None, as_json: bool, **named: Any) -> None:
    """WRITES: set the Modbus address of a meter.

    Only for meters with this setting in their map. The register must hold the present address, the new one must be
    free, and the new address has to be entered a second time. It is read back afterwards.
    """
    from agent.cli.meter.target import resolve

    target = resolve(context, **named)
    _change(context, target, [("address", str(target.address), str(new))], confirm, as_json=as_json)


@click.command("set-serial")
@target_options
@click.option("--new-baud", type=click.IntRange(300, 115_200), help="New baud rate.")
@click.option("--new-frame", metavar="8N1|8E1|8O1|8N2", help="New data bits, parity, stop bits.")
@click.option("--confirm", metavar="NEW", help="Repeat the new setting here instead of at the prompt.")
@json_option
@click.pass_obj
def set_serial(
    context: Context, /, new_baud: int | None, new_frame: str | None, confirm: str | None, as_json: bool, **named: Any
) -> None:
    """WRITES: set the baud rate or the frame of a meter, one at a time.

    Only for meters with this setting in their map. The register must hold the present setting, and the new one has to
    be entered a second time. It is read back afterwards.
    """
    from agent.cli.meter.target import resolve

    if (new_baud is None) == (new_frame is None):
        raise click.UsageError("give either --new-baud or --new-frame: one setting is written at a time")
    target = resolve(context, **named)
    if target.is_modbus_tcp:
        raise click.UsageError("behind a gateway a meter with a new baud rate is unreachable; use a serial port")
    settings = target.settings
    if new_baud is not None:
        wish = ("baud", str(settings.baud), str(new_baud))
    else:
        wish = ("frame", f"8{settings.parity}{settings.stop_bits}", str(new_frame).upper())
    _change(context, target, [wish], confirm, as_json=as_json)


def _change(
    context: Context, target: "Target", wishes: list[tuple[str, str, str]], confirm: str | None, *, as_json: bool
) -> None:
    """Check, ask, write, read back; ends the command."""
    from agent.cli.meter.setting import RefusedError, Writer, plan_change
    from agent.cli.meter.target import open_bus, port_failed
    from drivers.errors import PortError
    from drivers.meters.modbus_map import RegisterMap

    language = context.language
    (name, old, new), meter_map = wishes[0], target.meter_map
    if not isinstance(meter_map, RegisterMap) or not isinstance(target.address, int):
        raise click.UsageError("a DL/T 645 meter must be set at its keys: writing needs its password")
    try:
        change = plan_change(meter_map, name, old, new)
        writer = Writer(
            lambda settings: open_bus(context, target.port, settings, as_json=as_json),
            target.settings,
            meter_map,
            target.address + meter_map.channel_address_step * (target.channel - 1),
        )
        writer.check(change)
        note = None if meter_map.settings is None else meter_map.settings.note
        if not _confirmed(context, target, change, confirm, note):
            say_error(_pick(context, "未确认,未写入", "not confirmed; nothing was written"))
            sys.exit(EXIT_FAILED)
        outcome = writer.carry_out(change)
    except RefusedError as error:
        if as_json:
            print_json({"error": "refused", "reason": error.why.in_(language)})
        lines = [error.why.in_(language), error.hint.in_(language)]
        say_error(*[line for line in lines if line])
        sys.exit(EXIT_WRONG)
    except PortError as error:
        port_failed(error, as_json=as_json)
    if as_json:
        print_json(
            {
                "setting": name,
                "old": old,
                "new": new,
                "confirmed": outcome.confirmed,
                "restart": outcome.restart,
                "what": outcome.what.in_(language),
            }
        )
    else:
        click.echo(f"{old} -> {new}: {outcome.what.in_(language)}")
    sys.exit(EXIT_OK if outcome.confirmed else EXIT_FAILED)


def _confirmed(
    context: Context, target: "Target", change: "Change", confirm: str | None, note: "MapText | None"
) -> bool:
    """Whether the person has confirmed the new setting."""
    from agent.cli.meter.setting import NAMES

    if confirm is not None:
        return confirm == change.new
    what = NAMES[change.name].in_(context.language)
    lines = [
        _pick(
            context,
            f"将把 {target.meter_map.id}({target.port},地址 {target.address})的{what}由 {change.old} 改为 {change.new}",
            f"about to change the {what} of {target.meter_map.id} ({target.port}, address {target.address}) "
            f"from {change.old} to {change.new}",
        )
    ]
    if note is not None:
        lines.append(note.in_(context.language))
    for line in lines:
        click.echo(line, err=True)
    try:
        typed = click.prompt(
            _pick(context, f"输入 {change.new} 确认", f"type {change.new} to confirm"),
            err=True,
            default="",
            show_default=False,
        )
    except click.Abort:
        return False
    return str(typed).strip().upper() == change.new


def _pick(context: Context, chinese: str, english: str) -> str:
    """A sentence in the reader's language."""
    return Text(chinese, english).in_(context.language)


TOOLS = (scan, read, probe, set_address, set_serial)
