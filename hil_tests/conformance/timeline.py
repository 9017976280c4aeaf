"""A small picture of one case: when each message was sent, what switched, and the output current. Inline SVG."""

from collections.abc import Callable, Sequence
from html import escape

from hil_tests.conformance.evidence import Evidence
from hil_tests.conformance.wire import Seen

_ORDER = (
    "CHM", "BHM", "CRM-00", "BRM", "CRM-AA", "BCP", "CML", "CTS", "BRO-00", "BRO-AA", "CRO-00", "CRO-AA",
    "BCL", "BCS", "BSM", "BMV", "BMT", "BSP", "CCS", "BST", "CST", "BSD", "CSD", "BEM", "CEM",
)  # fmt: skip
_SWITCHES = (("lock", "lock"), ("auxiliary", "K3K4"), ("contactors", "K1K2"), ("vehicle_contactors", "K5K6"))
_WIDTH, _LEFT, _ROW = 760.0, 62.0, 13.0
_SOME_CURRENT_A = 1.0
_PAUSE_S = 1.2
"""A message that stays away for longer ends its bar; BCP and CTS come every 0.5 s."""


def _runs(found: Sequence[Seen], pause_s: float) -> list[tuple[float, float]]:
    runs: list[tuple[float, float]] = []
    for each in found:
        if runs and each.at_s - runs[-1][1] <= pause_s:
            runs[-1] = (runs[-1][0], each.at_s)
        else:
            runs.append((each.at_s, each.at_s))
    return runs


def _positions(evidence: Evidence, key: str) -> list[tuple[float, float]]:
    runs: list[tuple[float, float]] = []
    since_s: float | None = None
    for row in evidence.rows:
        if row.values[key] and since_s is None:
            since_s = row.at_s
        elif not row.values[key] and since_s is not None:
            runs.append((since_s, row.at_s))
            since_s = None
    if since_s is not None and evidence.rows:
        runs.append((since_s, evidence.rows[-1].at_s))
    return runs


def picture(evidence: Evidence) -> str:
    """The picture as SVG text; empty without a recording."""
    if not evidence.rows:
        return ""
    end_s = max(evidence.rows[-1].at_s, evidence.seen[-1].at_s if evidence.seen else 0.0, 1.0)
    scale = (_WIDTH - _LEFT - 8) / end_s

    def x(at_s: float) -> float:
        return round(_LEFT + max(0.0, at_s) * scale, 1)

    lanes: list[tuple[str, str, list[tuple[float, float]]]] = []
    for sign in _ORDER:
        found = [each for each in evidence.seen if each.sign == sign]
        if found:
            pause_s = 12.0 if sign in ("BMV", "BMT", "BSP") else _PAUSE_S
            lanes.append((sign, "charger" if found[0].from_charger else "vehicle", _runs(found, pause_s)))
    lanes += [(name, "switch", _positions(evidence, key)) for key, name in _SWITCHES]
    flows = any(float(row.values["current_a"]) >= _SOME_CURRENT_A for row in evidence.rows)
    height = (len(lanes) + (4 if flows else 0)) * _ROW + 18
    parts = [f'<svg class="timeline" viewBox="0 0 {_WIDTH:g} {height:g}" role="img">']
    step_s = next(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if end_s / step <= 14)
    for number in range(int(end_s / step_s) + 1):
        at = x(number * step_s)
        parts.append(f'<line class="grid" x1="{at}" y1="0" x2="{at}" y2="{height - 12:g}"/>')
        parts.append(f'<text class="tick" x="{at}" y="{height - 2:g}">{number * step_s} s</text>')
    for row, (name, kind, runs) in enumerate(lanes):
        top = row * _ROW + 2
        parts.append(f'<text class="lane" x="{_LEFT - 4:g}" y="{top + 8:g}">{escape(name)}</text>')
        for begin_s, stop_s in runs:
            width = max(1.2, x(stop_s) - x(begin_s))
            parts.append(f'<rect class="{kind}" x="{x(begin_s)}" y="{top:g}" width="{width:.1f}" height="9"/>')
    if flows:
        parts += _current(evidence, x, len(lanes) * _ROW + 4)
    for name, at_s in evidence.marks.items():
        parts.append(
            f'<line class="mark" x1="{x(at_s)}" y1="0" x2="{x(at_s)}" y2="{height - 12:g}">'
            f"<title>{escape(name)} {at_s:.3f} s</title></line>"
        )
    return "".join([*parts, "</svg>"])


def _current(evidence: Evidence, x: Callable[[float], float], top: float) -> list[str]:
    highest_a = max(float(row.values["current_a"]) for row in evidence.rows)
    bottom = top + 4 * _ROW - 6
    words = [f'<text class="lane" x="{_LEFT - 4:g}" y="{top + 8:g}">{highest_a:.0f} A</text>']
    points, last_x = [], -1.0
    for row in evidence.rows:
        at = x(row.at_s)
        if at - last_x >= 0.7:
            points.append(f"{at},{bottom - float(row.values['current_a']) / highest_a * (bottom - top):.1f}")
            last_x = at
    return [*words, f'<polyline class="current" points="{" ".join(points)}"/>']
