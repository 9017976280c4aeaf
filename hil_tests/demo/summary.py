"""The final screen: the session, its bill, and the result of the run."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from hil_tests.bench.steadiness import TOO_LONG_STANDSTILL_S
from hil_tests.demo.words import RATES, STOP_REASONS, Language, text, word


@dataclass(slots=True)
class Outcome:
    """Everything that the judgement and the summary look at, gathered while the run ends."""

    ended: Mapping[str, Any] | None = None
    """Body of the session's ``session_ended`` record, as the pile's own record holds it."""
    session_id: str = ""
    records: Mapping[str, Any] = field(default_factory=dict)
    """Last number and acknowledged number of the field process at its last answer."""
    uplink_pending: int | None = None
    published: Mapping[str, int] = field(default_factory=dict)
    guns: Sequence[int] = (1,)
    probes: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """The bench's own view of the contactors of each gun at the end."""
    agent_exit_code: int | None = None
    processes_left: Sequence[str] = ()


def judge(outcome: Outcome, language: Language) -> list[str]:
    """Every reason why the run failed; empty when it passed."""
    reasons: list[str] = []
    ended = outcome.ended
    if ended is None:
        reasons.append(text("no_session", language))
    else:
        if ended.get("result") != "settled":
            reasons.append(text("not_settled", language, result=ended.get("result")))
        if int(ended.get("energy_wh", 0)) <= 0:
            reasons.append(text("no_energy", language))
    return reasons + judge_end(outcome, language)


def judge_end(outcome: Outcome, language: Language) -> list[str]:
    """Every reason why what was left behind is not good: record, platform, contactors, processes."""
    reasons: list[str] = []
    last = int(outcome.records.get("last_number", 0))
    missing = last - int(outcome.records.get("acknowledged", 0))
    if not last:
        reasons.append(text("no_record", language))
    elif missing:
        reasons.append(text("not_durable", language, count=missing))
    if outcome.uplink_pending is None:
        reasons.append(text("uplink_unknown", language))
    elif outcome.uplink_pending:
        reasons.append(text("not_acknowledged", language, count=outcome.uplink_pending))
    closed = not_open(outcome)
    if closed:
        reasons.append(text("contactors_closed", language, what=closed))
    if outcome.agent_exit_code != 0:
        reasons.append(text("agent_exit", language, code=outcome.agent_exit_code))
    reasons += [text("process_left", language, what=what) for what in outcome.processes_left]
    return reasons


def standstill(outcome: Outcome, language: Language) -> str:
    """A hint for a failed run: the bench itself stalled, or an empty text."""
    longest_s = max((float(each["length_s"]) for each in _standstills(outcome)), default=0.0)
    return text("stood_still", language, seconds=f"{longest_s:.1f}") if longest_s >= TOO_LONG_STANDSTILL_S else ""


def contactors_not_open(probe: Mapping[str, Any]) -> str:
    """The contactors that the bench does not report as open, or an empty text. No answer counts as not open."""
    found = [
        f"{name} {'unknown' if probe.get(key) is None else 'closed'}"
        for name, key in (("K1", "contactor_k1"), ("K2", "contactor_k2"))
        if probe.get(key) is not False
    ]
    return ", ".join(found)


def not_open(outcome: Outcome) -> str:
    """The contactors of all guns that the bench does not report as open, or an empty text."""
    found = {gun: contactors_not_open(outcome.probes.get(gun, {})) for gun in outcome.guns}
    if len(found) == 1:
        return next(iter(found.values()))
    return ", ".join(f"gun {gun}: {what}" for gun, what in found.items() if what)


def _standstills(outcome: Outcome) -> Sequence[Mapping[str, Any]]:
    """Those of the bench; one process plays all guns."""
    return next((probe.get("standstills", ()) for probe in outcome.probes.values()), ())


def stop_reason_text(reason: str, language: Language, fault_catalogue: Path) -> str:
    """A stop reason in words, with its identifier. A fault's words come from the fault catalogue."""
    if reason in STOP_REASONS:
        return f"{word(STOP_REASONS, reason, language)} [{reason}]"
    try:
        rows = tomllib.loads(fault_catalogue.read_text())["fault"]
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        rows = []
    for row in rows:
        if row.get("id") == reason:
            return f"{row[f'text_{language}']} [{reason}]"
    return reason


def yuan(amount_e4: int) -> str:
    """An amount in units of 0.0001 yuan as yuan, all four digits."""
    sign = "-" if amount_e4 < 0 else ""
    whole, rest = divmod(abs(amount_e4), 10_000)
    return f"{sign}{whole}.{rest:04d}"


def cents(amount_e4: int) -> str:
    """An amount that is rounded to 0.01 yuan, with two digits; one that is not keeps all four."""
    return yuan(amount_e4)[:-2] if amount_e4 % 100 == 0 else yuan(amount_e4)


def price(price_e5: int) -> str:
    """A price in units of 0.00001 yuan per kWh as yuan per kWh."""
    whole, rest = divmod(price_e5, 100_000)
    return f"{whole}.{rest:05d}"


def kilowatt_hours(energy_wh: int) -> str:
    """Whole watt-hours as kilowatt-hours, all three digits."""
    whole, rest = divmod(energy_wh, 1000)
    return f"{whole}.{rest:03d}"


def bill_table(ended: Mapping[str, Any], utc_offset_minutes: int, language: Language) -> Table:
    """The bill: one row for each tariff period, and the total before the amount to pay is rounded to 0.01 yuan."""
    table = Table(box=SIMPLE_HEAD, show_footer=True, pad_edge=False)
    total_wh = int(ended.get("energy_wh", 0))
    slices = list(ended.get("slices", ()))
    electricity_e4 = sum(int(part["electricity_e4"]) for part in slices)
    service_e4 = sum(int(part["service_e4"]) for part in slices)
    table.add_column(text("period", language), footer=text("total", language))
    table.add_column(text("rate", language))
    table.add_column("kWh", justify="right", footer=kilowatt_hours(total_wh))
    table.add_column(text("price", language), justify="right")
    table.add_column(text("electricity", language), justify="right", footer=yuan(electricity_e4))
    table.add_column(text("service", language), justify="right", footer=yuan(service_e4))
    table.add_column(text("yuan", language), justify="right", footer=yuan(electricity_e4 + service_e4))
    for part in slices:
        begin = _local(int(part["start_wall_ms"]), utc_offset_minutes)
        end = _local(int(part["end_wall_ms"]), utc_offset_minutes)
        table.add_row(
            f"{begin:%H:%M:%S}-{end:%H:%M:%S}",
            word(RATES, str(part["rate"]), language),
            kilowatt_hours(int(part["energy_wh"])),
            f"{price(int(part['price_electricity_e5']))} + {price(int(part['price_service_e5']))}",
            yuan(int(part["electricity_e4"])),
            yuan(int(part["service_e4"])),
            yuan(int(part["electricity_e4"]) + int(part["service_e4"])),
        )
    return table


def summary(
    outcome: Outcome,
    language: Language,
    *,
    fault_catalogue: Path,
    utc_offset_minutes: int,
    record_folder: str,
) -> RenderableType:
    """The session in rows, and its bill."""
    ended = outcome.ended or {}
    rows = Table.grid(padding=(0, 2))
    rows.add_column(justify="right", style="dim", no_wrap=True)
    rows.add_column(overflow="fold")

    def row(key: str, value: str) -> None:
        rows.add_row(text(key, language), Text(value))  # no markup: stop reasons contain brackets

    row("session", outcome.session_id or "-")
    row("result", str(ended.get("result", "-")))
    row("stop_reason", stop_reason_text(str(ended.get("stop_reason", "-")), language, fault_catalogue))
    if "register_start_wh" in ended and "register_end_wh" in ended:
        row("energy", f"{kilowatt_hours(int(ended['energy_wh']))} kWh")
        start_kwh = kilowatt_hours(int(ended["register_start_wh"]))
        row("registers", f"{start_kwh} → {kilowatt_hours(int(ended['register_end_wh']))} kWh")
    if "amount_e4" in ended:
        row("to_pay", f"{cents(int(ended['amount_e4']))} {text('yuan', language)}")
    if "duration_s" in ended:
        minutes, seconds = divmod(int(ended["duration_s"]), 60)
        row("duration", f"{minutes}:{seconds:02d}")
    if "soc_start_percent" in ended and "soc_end_percent" in ended:
        row("soc", f"{ended['soc_start_percent']} % → {ended['soc_end_percent']} %")
    row("records", str(outcome.records.get("last_number", "-")))
    total = sum(outcome.published.values())
    classes = ", ".join(f"{name} {count}" for name, count in sorted(outcome.published.items()))
    row("messages", f"{total} ({classes})" if classes else str(total))
    row("where", record_folder)
    parts: list[RenderableType] = [Text(text("summary", language), style="bold underline"), rows]
    if ended.get("slices"):
        parts += [Text(""), bill_table(ended, utc_offset_minutes, language)]
    return Group(*parts)


def _local(wall_ms: int, utc_offset_minutes: int) -> datetime:
    return datetime.fromtimestamp(wall_ms / 1000, UTC) + timedelta(minutes=utc_offset_minutes)


__all__ = [
    "Outcome",
    "bill_table",
    "cents",
    "contactors_not_open",
    "judge",
    "judge_end",
    "kilowatt_hours",
    "not_open",
    "price",
    "standstill",
    "stop_reason_text",
    "summary",
    "yuan",
]
