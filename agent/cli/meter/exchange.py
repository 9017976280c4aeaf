"""``pile-agent meter exchange``: a meter was exchanged in service."""

import click

from agent.cli.context import Context, json_option
from agent.cli.meter.work import send
from agent.vocabulary import reasons

_REGISTER = click.IntRange(0, 10**15)


@click.command()
@click.option("--old-serial", required=True, metavar="NUMBER", help="Serial number of the removed meter.")
@click.option(
    "--old-end", type=_REGISTER, required=True, metavar="WH", help="Its last register in Wh, from the display."
)
@click.option("--serial", required=True, metavar="NUMBER", help="Serial number of the new meter.")
@click.option("--new-start", type=_REGISTER, required=True, metavar="WH", help="Its first register in Wh.")
@click.option("--by", default="", metavar="NAME", help="Name of the person who exchanged it.")
@click.option("--reason", default="", metavar="TEXT", help="Reason of the exchange.")
@json_option
@click.pass_obj
def exchange(
    context: Context, old_serial: str, old_end: int, serial: str, new_start: int, by: str, reason: str, as_json: bool
) -> None:
    """Record that the billing meter was exchanged.

    First enter the new meter in the site file (serial_number, certificate_number, verification_due) and restart the
    service. The registers go into the record as they are given, so that totals have no gap; what contradicts the meter
    or the record is refused. Only without a session.
    """
    arguments = {
        "old_serial": old_serial,
        "old_end_wh": old_end,
        "serial": serial,
        "new_start_wh": new_start,
        "by": by,
        "reason": reason,
    }
    send(context, reasons.METER_EXCHANGE, arguments, as_json)
