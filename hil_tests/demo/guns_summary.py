"""The final screen of the two-gun story: every session with its connector and bill, and every claim."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil_tests.demo.claims import Claim, Evidence
from hil_tests.demo.observed import Observed
from hil_tests.demo.summary import Outcome, bill_table, cents, kilowatt_hours, stop_reason_text
from hil_tests.demo.words import Language, text


@dataclass(slots=True)
class GunsOutcome(Outcome):
    """Everything that the judgement and the summary of several guns look at."""

    switched: bool = False
    observed: Observed = field(default_factory=Observed)
    sessions: Sequence[Mapping[str, Any]] = ()
    """Ended sessions of the pile's own record, each with ``session`` and ``connector``, oldest first."""
    reported: Sequence[tuple[int, Mapping[str, Any]]] = ()
    """Connector and body of each session's end that the platform received."""

    def evidence(self) -> Evidence:
        """What the claims look at."""
        registers_wh = {
            gun: int(probe["energy_register_wh"]) for gun, probe in self.probes.items() if "energy_register_wh" in probe
        }
        return Evidence(self.observed, self.sessions, self.reported, registers_wh, self.switched)


def guns_summary(
    outcome: GunsOutcome,
    found: Sequence[Claim],
    language: Language,
    *,
    fault_catalogue: Path,
    utc_offset_minutes: int,
    record_folder: str,
) -> RenderableType:
    """Each session in a row with its bill below, then what was observed."""
    parts: list[RenderableType] = [Text(text("guns_summary", language), style="bold underline")]
    for ended in outcome.sessions:
        parts.append(_session_line(ended, language, fault_catalogue))
        if ended.get("slices"):
            parts.append(bill_table(ended, utc_offset_minutes, language))
    parts += [Text(f"{text('where', language)}: {record_folder}"), Text("")]
    parts.append(Text(text("claims", language), style="bold underline"))
    parts.append(_claim_table(found, language))
    return Group(*parts)


def _session_line(ended: Mapping[str, Any], language: Language, fault_catalogue: Path) -> Text:
    reason = stop_reason_text(str(ended.get("stop_reason", "-")), language, fault_catalogue)
    words = [
        f"{text('gun', language, number=ended.get('connector', '-'))}: {ended.get('session', '-')}",
        f"  {ended.get('result', '-')} · {reason} · VIN {ended.get('vin') or '-'}",
    ]
    if "amount_e4" in ended:
        words.append(
            f"  {kilowatt_hours(int(ended.get('energy_wh', 0)))} kWh · {text('to_pay', language)} "
            f"{cents(int(ended['amount_e4']))} {text('yuan', language)}"
        )
    return Text("\n".join(words))  # no markup: stop reasons contain brackets


def _claim_table(found: Sequence[Claim], language: Language) -> Table:
    table = Table(box=SIMPLE_HEAD, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for claim in found:
        sign = Text("✓", style="green") if claim.held else Text("✗", style="bold red")
        table.add_row(sign, Text(text(claim.key, language)), Text(claim.measured))
    return table
