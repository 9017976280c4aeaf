"""What the commands share that record work on the billing meter."""

import sys
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

import click

from agent.cli.client import NotRunningError
from agent.cli.context import Context, print_json
from agent.cli.exits import EXIT_FAILED, EXIT_OK
from agent.vocabulary import reasons

_UNITS_MWH = {"Wh": 1_000, "kWh": 1_000_000, "MWh": 1_000_000_000}
"""Thousandths of a Wh."""
UNITS = tuple(_UNITS_MWH)


class Energy(click.ParamType[Decimal]):
    """A number as a display shows it; how many decimals it has matters."""

    name = "energy"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        """The exact number. Ends the command with a message if it is none, negative or beyond any meter."""
        try:
            number = Decimal(str(value).strip().replace(",", "."))
        except InvalidOperation:
            self.fail(f"{value!r} is not a number", param, ctx)
        if not number.is_finite() or not 0 <= number < 10**12 or number.as_tuple().exponent < -9:  # type: ignore[operator]
            self.fail(f"{value!r} is not a valid meter register", param, ctx)
        return number


def in_mwh(number: Decimal, unit: str) -> tuple[int, int]:
    """(value, value of its last digit) in thousandths of a Wh, the value rounded down, the digit at least 1."""
    factor = _UNITS_MWH[unit]
    step = Decimal(1).scaleb(int(number.as_tuple().exponent))
    return int(number * factor), max(1, int(step * factor))


def send(context: Context, name: str, arguments: Mapping[str, Any], as_json: bool) -> NoReturn:
    """Send the command to the field process, print the reply, and end with the exit code for it."""
    try:
        with context.client() as client:
            reply = client.command(name, arguments)
    except NotRunningError as error:
        context.not_running(error, as_json)
    speak = context.speak
    recorded = reply.result == reasons.ACCEPTED
    if as_json:
        print_json({"id": reply.id, "result": reply.result, "reason": reply.reason})
    elif recorded:
        click.echo(speak.pick("已记入记录", "recorded"))
    else:
        click.echo(speak.pick(f"未记录:{speak.reason(reply.reason)}", f"not recorded: {speak.reason(reply.reason)}"))
    sys.exit(EXIT_OK if recorded else EXIT_FAILED)
