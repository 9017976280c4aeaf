"""The picture for a terminal."""

from rich.box import ROUNDED
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hil_tests.demo import scene as content
from hil_tests.demo.scene import Scene
from hil_tests.demo.words import text

STATE_STYLES = {"charging": "bold green", "settled": "bold cyan", "faulted": "bold red", "stopping": "bold yellow"}
MAXIMUM_WIDTH = 100


def panel(scene: Scene) -> RenderableType:
    """The scene as a frame with a heading, a progress bar on the state of charge and one row for each subject."""
    language = scene.language
    rows = Table.grid(padding=(0, 2))
    rows.add_column(justify="right", style="dim", no_wrap=True)
    rows.add_column(ratio=1)
    rows.add_row(text("now", language), text(scene.doing, language))
    rows.add_row(text("phase", language), Text(content.headline(scene), style=STATE_STYLES.get(scene.state, "bold")))
    rows.add_row("SoC", _progress(scene))
    rows.add_row(text("meter", language), Text(content.measured(scene), style="bold"))
    rows.add_row(text("vehicle", language), content.demand(scene))
    rows.add_row(text("limit", language), content.limits(scene))
    rows.add_row(text("battery", language), content.battery(scene))
    rows.add_row(text("may", language), _permission(scene))
    rows.add_row(text("outputs", language), content.outputs(scene))
    rows.add_row(text("record", language), content.recorded(scene))
    rows.add_row(text("published", language), content.published(scene))
    rows.add_row(text("timeline", language), Text(content.timeline(scene), style="dim"))
    minutes, seconds = divmod(int(scene.elapsed_s), 60)
    return Panel(
        Group(rows),
        box=ROUNDED,
        title=text("title", language),
        title_align="left",
        subtitle=f"{minutes}:{seconds:02d}",
        subtitle_align="right",
        width=MAXIMUM_WIDTH,
        border_style=STATE_STYLES.get(scene.state, "blue"),
    )


def _progress(scene: Scene) -> RenderableType:
    soc = scene.soc_percent
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        content.number(soc, "%", 0),
        ProgressBar(total=1.0, completed=scene.soc_share, width=40, complete_style="green", finished_style="green"),
        Text(
            f"{content.number(scene.soc_from_percent, '%', 0)} → {content.number(scene.soc_to_percent, '%', 0)}",
            style="dim",
        ),
    )
    return bar


def _permission(scene: Scene) -> Text:
    style = "bold red" if scene.status.get("faults") else "green" if scene.status.get("may_energise") else ""
    return Text(content.permission(scene), style=style)
