"""The page of a run: one file without anything from outside, Chinese and English, made to be printed as well."""

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from hil_tests.conformance.evidence import Finding, Text, Verdict
from hil_tests.conformance.run import Result
from hil_tests.conformance.timeline import picture

_STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
_SCRIPT = """
const b=document.body;function choose(l){b.dataset.lang=l;document.documentElement.lang=l}
choose((navigator.language||'zh').startsWith('zh')?'zh':'en');
if(location.hash=='#en'||location.hash=='#zh')choose(location.hash.slice(1));
document.getElementById('language').onclick=()=>choose(b.dataset.lang=='zh'?'en':'zh');
"""
_VERDICTS = {
    Verdict.PASS: Text("通过", "pass"),
    Verdict.FAIL: Text("不通过", "fail"),
    Verdict.INCONCLUSIVE: Text("未能判定", "inconclusive"),
}
_GROUPS: tuple[tuple[str, Text], ...] = (
    ("1", Text("握手与辨识", "Handshake and recognition")),
    ("2", Text("参数配置", "Parameters")),
    ("3", Text("充电", "Charging")),
    ("4", Text("结束", "End")),
    (
        "",
        Text(
            "补充项目(2023 版、重连、实车行为)", "Additional cases (2023 edition, reconnection, behaviour of vehicles)"
        ),
    ),
)


def both(text: Text) -> str:
    """A text in both languages; the style sheet shows one."""
    return f'<span class="zh">{escape(text.zh)}</span><span class="en">{escape(text.en)}</span>'


def render(head: Mapping[str, Any], results: Sequence[Result]) -> str:
    """The whole page."""
    body = [_head(head, results)]
    for digit, title in _GROUPS:
        chosen = [result for result in results if _group_of(result) == digit]
        if chosen:
            body.append(f"<h2>{both(title)}</h2>{_table(chosen)}")
    body.append(_notes(head))
    name = "GB/T 34658-2017 · GB/T 27930"
    return (
        f'<!doctype html><html lang="zh"><head><meta charset="utf-8"><title>{name}</title>'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{_STYLE}</style></head>'
        f'<body data-lang="zh"><main>{"".join(body)}</main><script>{_SCRIPT}</script></body></html>\n'
    )


def _group_of(result: Result) -> str:
    item = result.case.item
    return item[3] if item[:3] in ("DP.", "DN.") else ""


def _head(head: Mapping[str, Any], results: Sequence[Result]) -> str:
    counts = head["verdicts"]
    cards = [
        f'<div class="card {verdict.value}"><b>{counts.get(verdict.value, 0)}</b>{both(words)}</div>'
        for verdict, words in _VERDICTS.items()
    ]
    if head["explained"]:
        cards.append(
            f'<div class="card"><b>{head["explained"]}</b>{both(Text("其中已解释", "of these explained"))}</div>'
        )
    took = f"{head['took_s'] / 60:.1f} min"
    cards.append(f'<div class="card"><b>{took}</b>{both(Text("用时", "duration"))}</div>')
    repeated = sum(result.repeated for result in results)
    cards.append(f'<div class="card"><b>{repeated}</b>{both(Text("重测", "repeated"))}</div>')
    title = Text("充电机通信协议一致性试验", "Conformance of the charger's communication protocol")
    lead = Text(
        f"GB/T 34658-2017 充电机侧各项及补充项目,对真实的控制进程(pile-agent field {head['version']})"
        f"在 CAN 接口上测得。{head['begun']},{head['machine']}。",
        "All charger items of GB/T 34658-2017 and additional cases, measured on a CAN interface against the real "
        f"field process (pile-agent field {head['version']}). {head['begun']}, {head['machine']}.",
    )
    return (
        f'<button id="language">中文 / English</button><h1>{both(title)}</h1><p class="lead">{both(lead)}</p>'
        f'<div class="cards">{"".join(cards)}</div>'
    )


def _table(results: Sequence[Result]) -> str:
    heads = (
        Text("项目", "Case"),
        Text("测试内容", "What was sent"),
        Text("期望与实测", "Expected and measured"),
        Text("结论", "Verdict"),
    )
    head = "".join(f"<th>{both(each)}</th>" for each in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(_row(result) for result in results)}</tbody></table>"


def _row(result: Result) -> str:
    case, evidence = result.case, result.evidence
    checks = "".join(_check(finding) for finding in result.findings)
    extra = []
    if result.error:
        extra.append(f'<div class="error">{both(Text("未到达起点:", "not reached: "))}{escape(result.error)}</div>')
    if result.explained:
        extra.append(f'<div class="explained">{both(Text("解释:", "explained: "))}{escape(result.explained)}</div>')
    if case.uncertain is not None:
        extra.append(f'<div class="uncertain">{both(case.uncertain)}</div>')
    drawn = picture(evidence)
    if drawn:
        extra.append(f"<details><summary>{both(Text('时间轴', 'time line'))}</summary>{drawn}</details>")
    stall = max(result.stalls_ms, default=0.0)
    meta = Text(
        f"{result.took_s:.0f} s,时标平均迟 {evidence.resolution_ms:.2f} ms,台架停顿 ≤ {stall:.0f} ms"
        + (",已重测一次" if result.repeated else ""),
        f"{result.took_s:.0f} s, stamps late {evidence.resolution_ms:.2f} ms on average, bench stalls ≤ {stall:.0f} ms"
        + (", repeated once" if result.repeated else ""),
    )
    log = f'<a href="{escape(result.log)}">candump</a>' if result.log else ""
    return (
        f'<tr id="{escape(case.id)}"><td class="id"><a href="#{escape(case.id)}">{escape(case.id)}</a>'
        f'<div class="edition">{case.edition}<br>{both(case.source)}</div></td>'
        f'<td style="width:24%"><b>{both(case.title)}</b><br>{both(case.sent)}</td>'
        f'<td><ul class="checks">{checks}</ul>{"".join(extra)}</td>'
        f'<td><span class="badge {result.verdict.value}">{both(_VERDICTS[result.verdict])}</span>'
        f'<div class="meta">{both(meta)}<br>{log}</div></td></tr>'
    )


def _check(finding: Finding) -> str:
    note = f'<div class="note">{both(finding.note)}</div>' if finding.note is not None else ""
    return (
        f'<li class="{finding.verdict.value}">{both(finding.expected)} '
        f'<span class="measured">→ {both(finding.measured)}</span>{note}</li>'
    )


def _notes(head: Mapping[str, Any]) -> str:
    limits = head["tolerances"]
    lines = (
        Text(
            f"周期:50 ms 及以上 ±{limits['period_share']:.0%},10 ms ±{limits['period_10_ms_tolerance_ms']:g} ms;"
            f"中位数须在范围内,超差的单个周期不多于 {limits['periods_allowed_outside_share']:.0%}。",
            f"Periods: ±{limits['period_share']:.0%} from 50 ms on, ±{limits['period_10_ms_tolerance_ms']:g} ms at "
            "10 ms; the median must be within, and at most "
            f"{limits['periods_allowed_outside_share']:.0%} of the single periods outside.",
        ),
        Text(
            f"超时:1 s +{limits['time_out_1_s_late_s']:g} s,5 s +{limits['time_out_5_s_late_s']:g} s,"
            f"10 s 及以上 +{limits['time_out_10_s_late_s']:g} s。",
            f"Time-outs: 1 s +{limits['time_out_1_s_late_s']:g} s, 5 s +{limits['time_out_5_s_late_s']:g} s, "
            f"from 10 s on +{limits['time_out_10_s_late_s']:g} s.",
        ),
        Text(
            "时标在总线上以单调时钟取得;“时标平均迟”为字节经过台架线路的平均时间,“台架停顿”为台架、车辆或线路的最长停顿。"
            f"停顿超过 {limits['repeated_from_stall_ms']:g} ms 的项目重测一次。",
            "Times are taken at the wire with the monotonic clock; “stamps late” is how long a byte takes "
            "through a wire of the bench, “bench stalls” the longest stop of bench, vehicle or wire. A case with a "
            f"stall above {limits['repeated_from_stall_ms']:g} ms is repeated once.",
        ),
        Text(
            "时间轴:蓝 充电机,橙 车辆,绿 开关量,紫 输出电流,红色虚线 试验动作;每项附 candump 记录。",
            "Time lines: blue charger, orange vehicle, green switches, violet output current, red dashes what the "
            "tester did. Each case comes with its candump recording.",
        ),
    )
    items = "".join(f"<li>{both(line)}</li>" for line in lines)
    return f"<h2>{both(Text('说明', 'Notes'))}</h2><ul>{items}</ul>"
