"""The commands of ``pile-agent`` and their options."""

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import click

from agent.cli.bms.commands import bms
from agent.cli.client import FieldClient, NotRunningError
from agent.cli.complaints import complaint, say_error
from agent.cli.context import Context, connector_option, json_option, print_json, reading
from agent.cli.exits import (
    CONFIG_VARIABLE,
    DEFAULT_CONFIG,
    EXIT_FAILED,
    EXIT_OK,
    EXIT_WRONG,
    default_language,
)
from agent.cli.limits import limit_arguments
from agent.cli.meter.commands import meter
from agent.cli.screen import Screen
from agent.cli.service import run_service, version
from agent.cli.words import Speaker
from agent.link.messages import CommandReply
from agent.settings.load import load_site
from agent.settings.problems import Problem, SettingsError
from agent.vocabulary import reasons
from drivers.text import Language

_SESSION_END_S = 90.0
"""A normal stop is over within this time: ramp, discharge, statistics, last reading."""
_FOLLOW_S = 1.0


def _show_version(context: click.Context, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        click.echo(f"pile-agent {version()}")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--config",
    metavar="FILE",
    default=DEFAULT_CONFIG,
    show_default=True,
    envvar=CONFIG_VARIABLE,
    show_envvar=True,
    help="The site file.",
)
@click.option(
    "--lang",
    type=click.Choice(["zh", "en"]),
    default=None,
    help="Language of texts; by default that of the locale ($LANG).",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda context, _, value: _show_version(context, value),
    help="Show the version and exit.",
)
@click.pass_context
def app(context: click.Context, config: str, lang: Language | None) -> None:
    """The agent inside a charging pile.

    Exit codes: 0 success, 1 failed, 2 wrong configuration or usage, 3 the service is not running.
    """
    language: Language = lang or ("zh" if default_language() == "zh" else "en")
    context.obj = Context(config, language)


app.add_command(bms)
app.add_command(meter)


@app.command()
@click.pass_obj
def run(context: Context) -> None:
    """Run both processes; Ctrl-C stops the charge normally.

    A process that dies is started again. When the field process dies, the outputs are opened first.
    """
    from agent.cli.supervisor import supervise

    _ = context.site
    sys.exit(supervise(context.config, context.language))


@app.command()
@click.pass_obj
def field(context: Context) -> None:
    """Run the field process: meter, vehicle, interlocks, contactors."""
    sys.exit(run_service("field", context.config, context.language))


@app.command()
@click.pass_obj
def north(context: Context) -> None:
    """Run the north process: record and platform."""
    sys.exit(run_service("north", context.config, context.language))


@app.command(hidden=True)
@click.pass_context
def control(context: click.Context) -> None:
    """Run the field process; former name of `field`."""
    context.forward(field)


@app.command(hidden=True)
@click.pass_context
def agent(context: click.Context) -> None:
    """Run the north process; former name of `north`."""
    context.forward(north)


@app.command("make-safe")
@click.pass_obj
def make_safe(context: Context) -> None:
    """Open the outputs when the field process is dead.

    Writes directly to the relay board, so the field process must not be running. The electronic lock stays as it is:
    only the field process sees when the output is no longer live.
    """
    sys.exit(run_service("make-safe", context.config, context.language))


def _as_json(problems: Sequence[Problem], language: Language) -> list[dict[str, str]]:
    return [
        {
            "place": problem.place,
            "what": problem.what.in_(language),
            "hint": problem.hint.in_(language),
        }
        for problem in problems
    ]


@app.command()
@click.argument("file", required=False, type=click.Path())
@json_option
@click.pass_obj
def check(context: Context, file: str | None, as_json: bool) -> None:
    """Check the site file and all it refers to.

    FILE, or else the file of --config. One message per error, or what would run. Bit rate and state of the CAN
    interfaces that this machine has are compared with the file.
    """
    from agent.cli.kernel_links import link_problems
    from agent.cli.views.check import show_check

    path = Path(file or context.config)
    try:
        site = load_site(path)
        wrong, notes = link_problems(site.settings.bus.can)
        if wrong:
            raise SettingsError(str(path), wrong)
    except SettingsError as error:
        if as_json:
            print_json({"file": str(path), "ok": False, "problems": _as_json(error.problems, context.language)})
        else:
            for line in complaint(error, context.language):
                click.echo(line)
        sys.exit(EXIT_WRONG)
    if as_json:
        print_json({"file": str(path), "ok": True, "problems": [], "notes": _as_json(notes, context.language)})
    else:
        show_check(Screen(), Speaker(context.language, site.faults), site)
        for note in notes:
            click.echo(note.line(context.language))


@app.command()
@click.argument("file", required=False, type=click.Path())
@click.option("--write", is_flag=True, help="Write it; what is replaced stays beside it as FILE.schema1.")
@click.pass_obj
def migrate(context: Context, file: str | None, write: bool) -> None:
    """Convert a site file of layout 1 (`schema = 1`) to layout 2.

    FILE, or else the file of --config. Shows the new file and changes nothing; own boards and profiles beside it are
    converted as well. A file that is wrong is left as it is.
    """
    from agent.cli.views.migrate import run_migrate

    sys.exit(run_migrate(Path(file or context.config), context.language, write=write))


@app.command()
@json_option
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """Show what the pile does now."""
    from agent.cli.views.status import show_status

    try:
        with context.client() as client:
            snapshot = client.status()
    except NotRunningError as error:
        context.not_running(error, as_json)
    if as_json:
        print_json(snapshot)
    else:
        show_status(Screen(), context.speak, snapshot)


@app.command()
@click.option("--energy-kwh", type=click.FloatRange(0.001, 10_000), help="End after this energy, kWh.")
@click.option("--minutes", type=click.IntRange(1, 10_080), help="End after this time, minutes.")
@click.option("--amount", type=click.FloatRange(0.01, 100_000), help="End at this amount, yuan.")
@click.option("--soc", type=click.IntRange(1, 100), help="End at this state of charge, percent.")
@click.option("--wait", is_flag=True, help="Follow the charge until it is settled.")
@connector_option
@json_option
@click.pass_obj
def start(
    context: Context,
    energy_kwh: float | None,
    minutes: int | None,
    amount: float | None,
    soc: int | None,
    wait: bool,
    connector: int | None,
    as_json: bool,
) -> None:
    """Start a charge at the pile and print the number of its session."""
    wishes = {
        "energy_wh": None if energy_kwh is None else round(energy_kwh * 1000),
        "duration_s": None if minutes is None else minutes * 60,
        "amount_e4": None if amount is None else round(amount * 10_000),
        "soc_percent": soc,
    }
    arguments = {name: value for name, value in wishes.items() if value is not None}
    try:
        with context.client() as client:
            reply = client.command(reasons.START, arguments, connector)
            if as_json and not wait:
                print_json(_reply_document(reply))
            elif not as_json:
                _tell_reply(context, reasons.START, reply)
            if reply.result == reasons.REJECTED or reply.session is None:
                if as_json and wait:
                    print_json(_reply_document(reply))
                sys.exit(EXIT_FAILED)
            if wait:
                _follow(context, client, reply.session, as_json)
    except NotRunningError as error:
        context.not_running(error, as_json)


def _follow(context: Context, client: FieldClient, session: str, as_json: bool) -> NoReturn:
    """Write the state when it changes, until the session is over; then how it ended."""
    from agent.cli.words import STATES

    last = ""
    while True:
        found = [entry for entry in client.status()["connectors"] if entry.get("session") == session]
        if not found:
            break
        snapshot = found[0]
        if snapshot["state"] != last and not as_json:
            last = snapshot["state"]
            click.echo(context.speak.word(STATES, last))
        time.sleep(_FOLLOW_S)
    ended = _ended(context, session)
    if as_json:
        print_json(ended or {"session": session})
    elif ended is None:
        click.echo(context.speak.pick("充电已结束,记录尚未写完", "the session is over, its record is not yet written"))
    else:
        from agent.cli.views.record import show_sessions

        show_sessions(Screen(), context.speak, [ended], context.utc_offset_minutes)
    sys.exit(EXIT_OK if ended is not None and ended["result"] == reasons.SETTLED else EXIT_FAILED)


def _ended(context: Context, session: str) -> Mapping[str, Any] | None:
    """The session from the record once it is closed there; the record follows within moments."""
    from agent.records.errors import LedgerError
    from agent.records.reader import LedgerReader

    for _ in range(20):
        try:
            with LedgerReader(Path(context.site.settings.paths.state)) as reader:
                found = reader.session(session)
        except LedgerError:
            found = None
        if found is not None and found["status"] == "closed":
            return {name: value for name, value in found.items() if name not in ("records", "alarms")}
        time.sleep(0.25)
    return None


@app.command()
@connector_option
@json_option
@click.pass_obj
def stop(context: Context, connector: int | None, as_json: bool) -> None:
    """Stop the charge normally and wait until it is over."""
    try:
        with context.client() as client:
            reply = client.command(reasons.STOP, connector=connector)
            if reply.result not in reasons.FINAL_RESULTS:
                reply = client.reply(reply.id, _SESSION_END_S)
    except NotRunningError as error:
        context.not_running(error, as_json)
    if as_json:
        print_json(_reply_document(reply))
    else:
        _tell_reply(context, reasons.STOP, reply)
    sys.exit(EXIT_OK if reply.result == reasons.DONE else EXIT_FAILED)


@app.command()
@connector_option
@json_option
@click.pass_obj
def reset(context: Context, connector: int | None, as_json: bool) -> None:
    """Reset the faults that wait for a person at the pile.

    Emergency stop, smoke, welded contactor and the like: find the cause first.
    """
    try:
        with context.client() as client:
            reply = client.command(reasons.RESET, connector=connector)
    except NotRunningError as error:
        context.not_running(error, as_json)
    if as_json:
        print_json(_reply_document(reply))
    else:
        _tell_reply(context, reasons.RESET, reply)
    sys.exit(EXIT_FAILED if reply.result in (reasons.REJECTED, reasons.FAILED) else EXIT_OK)


@app.command()
@click.argument("off", required=False, type=click.Choice(["off"]))
@click.option("--power-kw", type=click.FloatRange(0, 4_000), help="Most that all connectors may draw, kW, DC side.")
@click.option("--until", "until", type=click.DateTime(), help="Until this local time of the pile.")
@click.option("--for", "minutes", type=click.IntRange(1, 1440), help="For so many minutes.")
@json_option
@click.pass_obj
def limit(
    context: Context,
    off: str | None,
    power_kw: float | None,
    until: datetime | None,
    minutes: int | None,
    as_json: bool,
) -> None:
    """Limit the power of the pile, or end the limit with `off`.

    A limit that lowers the power needs no end; one that raises it needs --until or --for, at most a day ahead.
    """
    arguments = limit_arguments(context, off is not None, power_kw, until, minutes, time.time())
    try:
        with context.client() as client:
            reply = client.command(reasons.LIMIT, arguments)
    except NotRunningError as error:
        context.not_running(error, as_json)
    if as_json:
        print_json(_reply_document(reply))
    else:
        _tell_reply(context, reasons.LIMIT, reply)
    sys.exit(EXIT_OK if reply.result == reasons.ACCEPTED else EXIT_FAILED)


def _reply_document(reply: CommandReply) -> dict[str, Any]:
    return {"id": reply.id, "result": reply.result, "reason": reply.reason, "session": reply.session}


def _tell_reply(context: Context, name: str, reply: CommandReply) -> None:
    pick = context.speak.pick
    from agent.cli.words import ANSWERS

    result = context.speak.word(ANSWERS, reply.result)
    parts = [f"{name}: {result}"]
    if reply.reason:
        parts.append(context.speak.reason(reply.reason))
    if reply.session:
        parts.append(f"{pick('充电', 'session')} {reply.session}")
    click.echo(", ".join(parts))
    if reply.result in (reasons.REJECTED, reasons.FAILED):
        for hint in context.speak.hints(reply.reason):
            click.echo(f"  {hint}")


@app.command()
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many at most.")
@json_option
@click.pass_obj
def sessions(context: Context, limit: int, as_json: bool) -> None:
    """List the sessions of the record, newest first."""
    from agent.cli.views.record import show_sessions

    with reading(context) as reader:
        found = reader.sessions(limit)
    if as_json:
        print_json(found)
    else:
        show_sessions(Screen(), context.speak, found, context.utc_offset_minutes)


@app.command()
@click.argument("session_id", metavar="ID")
@json_option
@click.pass_obj
def session(context: Context, session_id: str, as_json: bool) -> None:
    """Show one session with its bill and time line.

    ID is the number of the session, or `last` for the newest.
    """
    from agent.cli.views.record import show_session, verdict_of
    from agent.settings.problems import nearest

    with reading(context) as reader:
        newest = reader.sessions(200)
        if session_id == "last" and newest:
            session_id = newest[0]["session"]
        found = reader.session(session_id)
        verification = reader.verify() if found is not None else None
    if found is None or verification is None:
        best = nearest(session_id, [entry["session"] for entry in newest])
        pick = context.speak.pick
        hint = "" if best is None else pick(f";是否为 {best}?", f"; did you mean {best}?")
        say_error(pick(f"记录中没有充电 {session_id}", f"there is no session {session_id} in the record") + hint)
        sys.exit(EXIT_FAILED)
    if as_json:
        problems = verification.problems
        print_json({**(found["ended"] or {}), **found, "chain_ok": not problems, "problems": problems})
    else:
        verdict = verdict_of(context.speak, found, verification)
        show_session(Screen(), context.speak, found, verdict, context.utc_offset_minutes)


@app.command()
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many at most.")
@json_option
@click.pass_obj
def faults(context: Context, limit: int, as_json: bool) -> None:
    """Show the faults in force and those of the record.

    Each fault in force comes with what to look at.
    """
    from agent.cli.views.record import show_alarms
    from agent.cli.views.status import show_active_faults
    from agent.records.errors import LedgerError
    from agent.records.reader import LedgerReader

    active: list[Mapping[str, Any]] | None = None
    try:
        with context.client() as client:
            active = [
                {**fault, "connector": entry["connector"]}
                for entry in client.status()["connectors"]
                for fault in entry["faults"]
            ]
    except NotRunningError as error:
        reason = str(error)
    trouble = ""
    alarms: list[dict[str, Any]] = []
    try:
        with LedgerReader(Path(context.site.settings.paths.state)) as reader:
            alarms = reader.faults(limit)
    except LedgerError as error:
        trouble = str(error)
    if as_json:
        print_json({"running": active is not None, "active": active or [], "recorded": alarms, "trouble": trouble})
        sys.exit(EXIT_OK if not trouble else EXIT_FAILED)
    screen, pick = Screen(), context.speak.pick
    if active is None:
        screen.line(f"{pick('控制进程没有运行', 'the field process is not running')} ({reason})")
    elif not active:
        screen.line(pick("当前没有故障", "no fault in force"))
    else:
        show_active_faults(screen, context.speak, active)
    screen.heading(pick("历史", "recorded"))
    if trouble:
        say_error(trouble)
        sys.exit(EXIT_FAILED)
    show_alarms(screen, context.speak, alarms, context.utc_offset_minutes)
