"""Draws the course of a recording: voltage, current, state of charge, demand and limits, with the phases above."""

from pathlib import Path
from typing import Any

from agent.cli.bms.files import RecordingError
from agent.cli.bms.plot_data import Course
from agent.cli.bms.words import OUTCOMES, STAGES, BmsSpeaker
from agent.cli.screen import width_of
from drivers.gbt27930.observer.observer import Session, Severity, Stage
from drivers.text import Language, Text

_ENDINGS = (".png", ".svg")
_CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "Droid Sans Fallback",
    "Noto Sans CJK JP",  # how matplotlib names the collection that holds all of them
    "Noto Serif CJK SC",
    "Noto Serif CJK JP",
)

_COLOURS = {
    Stage.HANDSHAKE: "#c6dbef",
    Stage.INSULATION: "#9ecae1",
    Stage.RECOGNITION: "#dadaeb",
    Stage.RECOGNISED: "#bcbddc",
    Stage.PARAMETERS: "#9e9ac8",
    Stage.WAIT_READY: "#fdd49e",
    Stage.READY: "#fdae6b",
    Stage.CHARGING: "#a1d99b",
    Stage.STOPPING: "#fc9272",
    Stage.ENDING: "#d9d9d9",
    Stage.TIMED_OUT: "#de2d26",
}
_OUTPUT, _MEASURED, _DEMAND, _VEHICLE_LIMIT, _CHARGER_LIMIT = "#08519c", "#6baed6", "#e6550d", "#a50f15", "#636363"
_COLUMN_SHARE = 0.0085
"""Share of the width that one column of a label takes; a phase is labelled in its band when the label fits."""
_MARKED_AT_MOST = 400


def check_drawing(path: Path) -> None:
    """Raises RecordingError when the file cannot be drawn: its ending, its folder, or matplotlib missing."""
    if path.suffix.lower() not in _ENDINGS:
        raise RecordingError(
            Text(f"{path}:不支持的图片格式", f"{path}: unsupported picture format"),
            Text("使用 .png 或 .svg", "use .png or .svg"),
        )
    if not path.absolute().parent.is_dir():
        raise RecordingError(
            Text(f"{path}:文件夹不存在", f"{path}: its folder does not exist"),
            Text("请先创建文件夹", "create it first"),
        )
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise RecordingError(
            Text("绘图需要 matplotlib", "plotting needs matplotlib"),
            Text('安装:pip install "pile-agent[tools]"', 'install it: pip install "pile-agent[tools]"'),
        ) from error


def draw(path: Path, course: Course, sessions: list[Session], title: str, language: Language) -> list[str]:
    """Draw and write the plot; returns lines to print. Raises RecordingError when the file cannot be written."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    told = []
    fonts = ["DejaVu Sans"]
    if language == "zh":
        found = _chinese_font()
        if found is None:
            language = "en"
            told.append("图中文字为英文:没有中文字体（例如安装 fonts-noto-cjk）")
        else:
            fonts.insert(0, found)
    if not sessions:
        return [*told, BmsSpeaker(language).pick("没有充电过程,未绘图", "no session; nothing was plotted")]
    # SVG keeps its letters as outlines, so that it looks the same without the font.
    with mpl.rc_context({"font.family": fonts, "font.size": 10, "axes.unicode_minus": False}):
        figure = Figure(figsize=(13, 8), layout="constrained")
        _Picture(figure, course, sessions, BmsSpeaker(language)).draw(title)
        try:
            figure.savefig(path, dpi=110)
        except OSError as error:
            raise RecordingError(
                Text(f"{path}:无法写入（{error.strerror}）", f"{path}: cannot be written ({error.strerror})"),
                Text("检查权限和空间", "check permissions and space"),
            ) from error
    return told


def _chinese_font() -> str | None:
    from matplotlib import font_manager

    known = {font.name for font in font_manager.fontManager.ttflist}
    return next((name for name in _CHINESE_FONTS if name in known), None)


class _Picture:
    """Four panels over one time axis: phases, voltage, current, state of charge."""

    def __init__(self, figure: Any, course: Course, sessions: list[Session], speak: BmsSpeaker) -> None:
        self._figure = figure
        self._course = course
        self._sessions = sessions
        self._speak = speak
        self._from_s = sessions[0].started_s
        last = sessions[-1]
        self._to_s = max(last.last_frame_s if last.ended_s is None else last.ended_s, self._from_s + 1.0)
        width_s = self._to_s - self._from_s
        self._phases_legend: list[Any] = []
        self._unit_s, self._unit = (1.0, "s") if width_s <= 600 else (60.0, "min")

    def draw(self, title: str) -> None:
        """Everything."""
        bands, volts, amperes, soc = self._figure.subplots(
            4, 1, sharex=True, gridspec_kw={"height_ratios": [0.45, 3.2, 3.2, 1.5], "hspace": 0.02}
        )
        pick = self._speak.pick
        self._figure.suptitle(self._title(title), fontsize=11, x=0.01, ha="left")
        self._bands(bands)
        self._panel(volts, "v", pick("电压 (V)", "voltage (V)"))
        self._panel(amperes, "a", pick("电流 (A)", "current (A)"))
        self._soc(soc)
        for axes in (volts, amperes, soc):
            self._shade(axes)
            axes.grid(visible=True, color="#e0e0e0", linewidth=0.6)
            axes.set_axisbelow(True)
        soc.set_xlim(self._x(self._from_s), self._x(self._to_s))
        soc.set_xlabel(
            pick(f"录制开始后的时间 ({self._unit})", f"time since the start of the recording ({self._unit})")
        )

    def _title(self, title: str) -> str:
        speak, session = self._speak, self._sessions[0]
        if len(self._sessions) > 1:
            return f"{title}: {speak.pick(f'{len(self._sessions)} 次充电', f'{len(self._sessions)} sessions')}"
        vin = f", VIN {session.vin}" if session.vin else ""
        outcome = speak.word(OUTCOMES, session.outcome.value)
        count = session.violations
        violations = speak.pick(f"{count} 处违规", f"{count} violation{'' if count == 1 else 's'}")
        return f"{title}{vin}, {outcome}, {violations}"

    def _bands(self, axes: Any) -> None:
        from matplotlib.patches import Patch

        width_s = self._to_s - self._from_s
        shown: list[Stage] = []
        for stage, from_s, to_s in self._spans():
            axes.axvspan(self._x(from_s), self._x(to_s), color=_COLOURS[stage], linewidth=0)
            if stage not in shown:
                shown.append(stage)
            label = self._speak.word(STAGES, stage.value)
            if (to_s - from_s) / width_s >= _COLUMN_SHARE * (width_of(label) + 1):
                axes.text(self._x((from_s + to_s) / 2), 0.5, label, ha="center", va="center", fontsize=9, clip_on=True)
        marks = self._marks()
        if marks:
            axes.plot([self._x(at_s) for at_s in marks], [0.0] * len(marks), "v", color="#a50f15", ms=5, clip_on=False)
        axes.set_ylim(0, 1)
        axes.set_yticks([])
        axes.tick_params(bottom=False)
        for side in ("top", "left", "right", "bottom"):
            axes.spines[side].set_visible(False)
        handles: list[Any] = [
            Patch(color=_COLOURS[stage], label=self._speak.word(STAGES, stage.value)) for stage in shown
        ]
        if marks:
            from matplotlib.lines import Line2D

            label = self._speak.pick("违规（首次）", "violation (first of its kind)")
            handles.append(Line2D([], [], marker="v", color="#a50f15", linestyle="", ms=5, label=label))
        self._phases_legend = handles

    def _panel(self, axes: Any, quantity: str, label: str) -> None:
        pick = self._speak.pick
        lines = (
            ("charger_limit", pick("充电机上限 CML", "charger limit (CML)"), _CHARGER_LIMIT, "--", 1.0, "limit"),
            ("vehicle_limit", pick("车辆上限 BCP", "vehicle limit (BCP)"), _VEHICLE_LIMIT, "--", 1.0, "limit"),
            ("demand", pick("需求 BCL", "demand (BCL)"), _DEMAND, "-", 1.3, ""),
            ("measured", pick("车辆测量 BCS", "measured by the vehicle (BCS)"), _MEASURED, "-", 2.6, ""),
            ("output", pick("充电机输出 CCS", "charger output (CCS)"), _OUTPUT, "-", 1.2, ""),
        )
        for name, text, colour, style, width, kind in lines:
            line = self._course.lines[f"{name}_{quantity}"]
            if kind == "limit":
                times_s, values = self._limit(line.between(self._from_s, self._to_s))
            else:
                times_s, values = line.between(self._from_s, self._to_s)
            if times_s:
                axes.plot([self._x(at_s) for at_s in times_s], values, style, color=colour, linewidth=width, label=text)
        axes.set_ylabel(label)
        axes.margins(y=0.08)
        axes.set_ylim(bottom=min(axes.dataLim.y0, -0.02 * axes.get_ylim()[1]))
        # Both panels have the same lines; the place beside the lower one is for the phases.
        if quantity == "a":
            _legend(axes, self._phases_legend)
        else:
            _legend(axes, axes.get_legend_handles_labels()[0])

    def _limit(self, points: tuple[list[float], list[float]]) -> tuple[list[float], list[float]]:
        """A limit holds until the next one of its kind, or until its session is over."""
        times_s: list[float] = []
        values: list[float] = []
        pairs = [(at_s, value) for at_s, value in zip(*points, strict=True) if value == value]
        for session in self._sessions:
            end_s = self._to_s if session.ended_s is None else session.ended_s
            own = [pair for pair in pairs if session.started_s <= pair[0] <= end_s]
            for (at_s, value), (until_s, _) in zip(own, [*own[1:], (end_s, 0.0)], strict=True):
                times_s += [at_s, until_s]
                values += [value, value]
            if own:
                times_s.append(end_s)
                values.append(float("nan"))
        return times_s, values

    def _soc(self, axes: Any) -> None:
        times_s, values = self._course.lines["soc"].between(self._from_s, self._to_s)
        if times_s:
            axes.plot([self._x(at_s) for at_s in times_s], values, color="#31a354", linewidth=1.8, label="SoC (BCS)")
        axes.set_ylim(0, 100)
        axes.set_yticks([0, 25, 50, 75, 100])
        axes.set_ylabel("SoC (%)")
        _legend(axes, axes.get_legend_handles_labels()[0])

    def _shade(self, axes: Any) -> None:
        for stage, from_s, to_s in self._spans():
            axes.axvspan(self._x(from_s), self._x(to_s), color=_COLOURS[stage], alpha=0.16, linewidth=0)
        for session in self._sessions:
            for pause in session.pauses:
                until_s = self._to_s if pause.until_s is None else pause.until_s
                axes.axvspan(self._x(pause.from_s), self._x(until_s), facecolor="none", edgecolor="#bdbdbd", hatch="//")

    def _spans(self) -> list[tuple[Stage, float, float]]:
        spans = []
        for session in self._sessions:
            changes = session.timeline
            ends = [
                *(change.at_s for change in changes[1:]),
                self._to_s if session.ended_s is None else session.ended_s,
            ]
            for change, end_s in zip(changes, ends, strict=True):
                if change.stage in _COLOURS:
                    spans.append((change.stage, change.at_s, end_s))
        return spans

    def _marks(self) -> list[float]:
        marks = [
            group.first.at_s
            for session in self._sessions
            for group in session.groups.values()
            if group.first.severity is Severity.VIOLATION
        ]
        return sorted(marks)[:_MARKED_AT_MOST]

    def _x(self, at_s: float) -> float:
        return at_s / self._unit_s


def _legend(axes: Any, handles: list[Any]) -> None:
    """A legend beside the panel, outside the curves."""
    if handles:
        axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1.02), frameon=False, fontsize=9)
