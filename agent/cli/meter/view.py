"""Shows what the commands for installers found: tables for people, documents for machines."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agent.cli.meter.probe import ProbeReport
from agent.cli.meter.scan import Found, Match, Report
from agent.cli.meter.survey import Row, Survey
from agent.cli.meter.words import signal_text
from agent.cli.screen import Screen, is_rich
from drivers.meters.identify import Verdict
from drivers.text import Language, Text

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

VERDICTS = {
    Verdict.CODE: Text("型号代码相符", "model code matches"),
    Verdict.VALUES: Text("数值合理", "the values are plausible"),
    Verdict.WEAK: Text("数值全为零,无法确认", "all values are zero, not conclusive"),
}
_KILO = {"Wh": "kWh", "varh": "kvarh"}


def shown(row: Row) -> str:
    """A value with its unit, for people: energy in kWh."""
    if row.value is None:
        return ""
    if row.unit in _KILO:
        return f"{row.value / 1000:.3f} {_KILO[row.unit]}"
    unit = "" if row.unit == "1" else f" {row.unit.replace('deg', '°')}"
    return f"{row.value:.6g}{unit}" if isinstance(row.value, float) else f"{row.value}{unit}"


class ScanProgress:
    """Progress of a search on standard error: a bar on a terminal, else a line for each device that is found."""

    def __init__(self, language: Language, *, quiet: bool = False) -> None:
        self._language = language
        self._quiet = quiet
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._total_s = 0.0
        if not quiet and is_rich() and sys.stderr.isatty():
            from rich import progress
            from rich.console import Console

            self._bar = progress.Progress(
                progress.TextColumn("{task.description:<26}"),
                progress.BarColumn(),
                progress.TextColumn("{task.fields[left]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()

    def plan(self, seconds: float) -> None:
        """See ``meter_scan.Progress``."""
        self._total_s = max(seconds, 0.001)
        if self._bar is not None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task("", total=self._total_s, left="")
        elif not self._quiet:
            self._say(Text(f"搜索,最多 {_time(seconds)}", f"searching, {_time(seconds)} at most"))

    def step(self, what: str, left_s: float) -> None:
        """See ``meter_scan.Progress``."""
        if self._bar is not None and self._task is not None:
            left = Text(f"剩余 {_time(left_s)}", f"{_time(left_s)} left").in_(self._language)
            self._bar.update(self._task, completed=self._total_s - left_s, description=what, left=left)

    def found(self, meter: Found) -> None:
        """See ``meter_scan.Progress``."""
        if not self._quiet:
            names = ", ".join(match.map_id for match in meter.matches) or "?"
            self._say(Text(f"找到:地址 {meter.address}({names})", f"found: address {meter.address} ({names})"))

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()

    def _say(self, text: Text) -> None:
        line = text.in_(self._language)
        if self._bar is not None:
            self._bar.console.print(line, highlight=False, markup=False)
        else:
            sys.stderr.write(f"{line}\n")


def show_scan(screen: Screen, language: Language, port: str, report: Report) -> None:
    """What a search has found, and what to do where it is not certain."""

    def pick(chinese: str, english: str) -> str:
        return Text(chinese, english).in_(language)

    if not report.meters:
        screen.line(pick(f"{port}:没有找到电表", f"{port}: no meter found"), "bold yellow")
    else:
        screen.line(f"{port}: {report.settings}", "bold green")
        rows = []
        for found in report.meters:
            matches: Sequence[Match | None] = found.matches or (None,)
            for match in matches:
                name = pick("未知型号", "unknown model") if match is None else match.map_id
                why = "" if match is None else VERDICTS[match.verdict].in_(language)
                values = "" if match is None else ", ".join(shown(row) for row in match.rows if row.value is not None)
                rows.append([str(found.address), found.protocol, name, why, values])
        headers = [
            pick("地址", "address"),
            pick("协议", "protocol"),
            pick("电表点表", "map"),
            pick("依据", "because"),
            pick("数值", "values"),
        ]
        screen.table(headers, rows)
    for found in report.meters:
        if len(found.matches) > 1:
            screen.line(_tell_apart(found, language))
    for settings, address, text in report.trouble:
        screen.line(f"{settings} @{address}: {text.in_(language)}", "yellow")
    if not report.complete:
        screen.line(pick("搜索提前结束,可能还有电表", "stopped early: there may be more meters"), "yellow")
    if report.meters:
        screen.line(pick("下一步:", "next: ") + _next_command(port, report))


def _next_command(port: str, report: Report) -> str:
    first, settings = report.meters[0], report.settings
    name = first.matches[0].map_id if len(first.matches) == 1 else "MAP"
    command = f"pile-agent meter read --port {port} --map {name} --address {first.address}"
    if settings is None or "://" in port:
        return command
    return f"{command} --baud {settings.baud} --parity {settings.parity} --stop-bits {settings.stop_bits}"


def _tell_apart(found: Found, language: Language) -> str:
    names = ", ".join(match.map_id for match in found.matches)
    signals = [signal_text(signal).in_(language) for signal in found.tells_apart]
    if language == "zh":
        if signals:
            return f"地址 {found.address}:{names} 都合理;与电表显示比较以下数值即可区分:{'、'.join(signals)}"
        return f"地址 {found.address}:{names} 读数完全相同;以铭牌型号为准"
    if signals:
        return f"address {found.address}: {names} are all plausible; compare with the display: {', '.join(signals)}"
    return f"address {found.address}: {names} have identical values; check the name plate"


def scan_document(port: str, report: Report) -> dict[str, Any]:
    """The same for machines."""
    settings = report.settings
    return {
        "port": port,
        "settings": None
        if settings is None
        else {"baud": settings.baud, "parity": settings.parity, "stop_bits": settings.stop_bits},
        "meters": [
            {
                "address": found.address,
                "protocol": found.protocol,
                "maps": [
                    {
                        "map": match.map_id,
                        "certainty": match.verdict.name.lower(),
                        "values": {row.signal: row.value for row in match.rows},
                    }
                    for match in found.matches
                ],
                "tells_apart": list(found.tells_apart),
            }
            for found in report.meters
        ],
        "trouble": [
            {"settings": str(each), "address": address, "zh": text.zh, "en": text.en}
            for each, address, text in report.trouble
        ],
        "requests": report.requests,
        "complete": report.complete,
    }


def show_survey(screen: Screen, language: Language, survey: Survey) -> None:
    """Every quantity with its value and its raw registers."""

    def pick(chinese: str, english: str) -> str:
        return Text(chinese, english).in_(language)

    rows = []
    for row in survey.rows:
        remark = "" if row.why is None else row.why.in_(language)
        if row.is_energy_disputed:
            doubt = pick("单位有争议,须与显示核对", "unit disputed: check against the display")
            remark = f"{remark}; {doubt}" if remark else doubt
        rows.append([signal_text(row.signal).in_(language), shown(row), row.where, row.raw, remark])
    headers = [
        pick("量", "quantity"),
        pick("数值", "value"),
        pick("寄存器", "register"),
        pick("原始值", "raw"),
        pick("说明", "remark"),
    ]
    screen.table(headers, rows, right=(1,))
    if survey.variants:
        screen.line(pick("固件:", "firmware: ") + ", ".join(survey.variants))
    if survey.answered < survey.asked:
        screen.line(
            pick(
                f"{survey.asked} 次请求中 {survey.answered} 次有应答",
                f"{survey.answered} of {survey.asked} requests were answered",
            ),
            "yellow",
        )


def survey_document(survey: Survey) -> dict[str, Any]:
    """The same for machines."""
    return {
        "variants": list(survey.variants),
        "asked": survey.asked,
        "answered": survey.answered,
        "values": [
            {
                "signal": row.signal,
                "value": row.value,
                "unit": row.unit,
                "register": row.where,
                "raw": row.raw,
                "why": None if row.why is None else row.why.en,
                "disputed": row.is_energy_disputed,
            }
            for row in survey.rows
        ],
    }


def show_probe(screen: Screen, language: Language, report: ProbeReport, gap_ms: int, latency_ms: int) -> None:
    """What was measured, and what to write into the map."""

    def pick(chinese: str, english: str) -> str:
        return Text(chinese, english).in_(language)

    rows = [[pick("请求", "requests"), str(report.requests)]]
    if report.latencies_s:
        figures = " / ".join(
            f"{1000 * seconds:.1f}"
            for seconds in (
                min(report.latencies_s),
                report.quantile_s(0.5),
                report.quantile_s(0.95),
                max(report.latencies_s),
            )
        )
        rows.append([pick("应答时间 最小/中位/95 %/最大", "response time min/median/95 %/max"), f"{figures} ms"])
    errors = ", ".join(f"{name} {count}" for name, count in sorted(report.errors.items()))
    rows.append([pick("失败率", "error rate"), f"{100 * report.error_rate:.1f} %" + (f" ({errors})" if errors else "")])
    for step, asked, failed in report.gaps:
        result = pick("失败", "fails") if failed else pick(f"{asked} 次均成功", f"{asked} of {asked} answered")
        name = pick("间隔", "pause")
        rows.append([f"{name} {step} ms" if step else pick("间隔 3.5 字符", "pause of 3.5 characters"), result])
    screen.table(["", ""], rows)
    if report.unasked_bytes:
        screen.line(
            pick(
                f"收到 {report.unasked_bytes} 个未请求的字节:可能两块电表地址相同或线路有干扰",
                f"{report.unasked_bytes} unsolicited bytes: two meters with one address, or a disturbed line",
            ),
            "yellow",
        )
    _recommend(screen, language, report, gap_ms, latency_ms)


def _recommend(screen: Screen, language: Language, report: ProbeReport, gap_ms: int, latency_ms: int) -> None:
    gap, latency = report.recommended_gap_ms, report.recommended_latency_ms
    if gap is None or latency is None:
        screen.line(
            Text(
                "电表没有可靠应答:检查地址、接线和终端电阻",
                "the meter does not answer reliably: check address, wiring and termination",
            ).in_(language),
            "yellow",
        )
        return
    screen.line(f"minimum_gap_ms = {gap}    # {Text('点表现为', 'the map has').in_(language)} {gap_ms}")
    screen.line(f"latency_ms = {latency}    # {Text('点表现为', 'the map has').in_(language)} {latency_ms}")


def probe_document(report: ProbeReport) -> dict[str, Any]:
    """The same for machines."""
    times = report.latencies_s
    return {
        "requests": report.requests,
        "errors": dict(report.errors),
        "error_rate": report.error_rate,
        "latency_s": None
        if not times
        else {
            "min": min(times),
            "median": report.quantile_s(0.5),
            "p95": report.quantile_s(0.95),
            "max": max(times),
        },
        "gaps": [{"gap_ms": step, "requests": asked, "failures": failed} for step, asked, failed in report.gaps],
        "shortest_gap_ms": report.gap_ms,
        "recommended_gap_ms": report.recommended_gap_ms,
        "recommended_latency_ms": report.recommended_latency_ms,
        "unasked_bytes": report.unasked_bytes,
    }


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
