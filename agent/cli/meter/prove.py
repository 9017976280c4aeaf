"""``pile-agent meter prove``: the unit of the energy register, proven against the display."""

from decimal import Decimal

import click

from agent.cli.context import Context, json_option
from agent.cli.meter.work import UNITS, Energy, in_mwh, send
from agent.vocabulary import reasons


@click.command()
@click.option(
    "--display", type=Energy(), prompt="Energy on the display", help="Energy on the display, with all digits."
)
@click.option("--unit", type=click.Choice(UNITS), default="kWh", show_default=True, help="Unit on the display.")
@click.option("--by", default="", metavar="NAME", help="Name of the person who reads the display.")
@json_option
@click.pass_obj
def prove(context: Context, display: Decimal, unit: str, by: str, as_json: bool) -> None:
    """Prove the unit of the energy register against the display.

    Read the forward energy from the meter's display, without a charge, and type it with all its decimals. It must agree
    with the register to the last digit; then an audit record is written. Sessions record whether there is such a proof.
    """
    display_mwh, display_step_mwh = in_mwh(display, unit)
    arguments = {"display_mwh": display_mwh, "display_step_mwh": display_step_mwh, "by": by}
    send(context, reasons.METER_PROVE, arguments, as_json)
