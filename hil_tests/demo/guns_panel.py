"""The picture of the two-gun story for a terminal of 80 columns and more: one column a gun."""

from rich.box import ROUNDED
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from hil_tests.demo import guns_scene as content
from hil_tests.demo.guns_scene import GunsScene
from hil_tests.demo.panel import MAXIMUM_WIDTH, STATE_STYLES
from hil_tests.demo.scene import number, published, recorded
from hil_tests.demo.words import text


def guns_panel(scene: GunsScene) -> RenderableType:
    """The scene as a frame: a table with one column a gun, and below it what all guns share."""
    language = scene.language
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right", style="dim", no_wrap=True)
    for _ in scene.guns:
        table.add_column(ratio=1, no_wrap=True, overflow="ellipsis")
    numbers = list(scene.guns)

    def row(name: str, cells: list[Text]) -> None:
        table.add_row(name, *cells)

    def plain(cells: list[str], style: str = "") -> list[Text]:
        return [Text(cell, style=style) for cell in cells]

    each = list(scene.guns.values())
    row("", plain([text("gun", language, number=gun) for gun in numbers], "bold underline"))
    row(text("vehicle_kind", language), plain([scene.vehicles.get(gun, "-") for gun in numbers]))
    row(
        text("phase", language),
        [Text(content.headline(gun), style=STATE_STYLES.get(gun.state, "bold")) for gun in each],
    )
    row("SoC", plain([number(gun.soc_percent, "%", 0) for gun in each]))
    row(text("meter", language), plain([content.electric(gun) for gun in each], "bold"))
    row(text("energy", language), plain([content.energy(gun) for gun in each]))
    row(text("vehicle", language), plain([content.demand(gun) for gun in each]))
    row(text("share", language), plain([content.share(scene, gun) for gun in numbers]))
    row(text("contactors", language), plain([content.contactors(scene, gun) for gun in numbers]))
    row(
        text("faults", language),
        [Text(content.faults(gun), style="bold red" if gun.status.get("faults") else "green") for gun in each],
    )
    below = Table.grid(padding=(0, 2))
    below.add_column(justify="right", style="dim", no_wrap=True)
    below.add_column(ratio=1)
    below.add_row(text("now", language), Text(text(scene.doing, language)))
    below.add_row(text("budget", language), Text(content.budget(scene)))
    below.add_row(text("groups", language), Text(content.groups(scene)))
    below.add_row(text("record", language), Text(recorded(scene)))
    below.add_row(text("published", language), Text(published(scene)))
    minutes, seconds = divmod(int(scene.elapsed_s), 60)
    return Panel(
        Group(table, Text(""), below),
        box=ROUNDED,
        title=text("guns_title", language),
        title_align="left",
        subtitle=f"{minutes}:{seconds:02d}",
        subtitle_align="right",
        width=MAXIMUM_WIDTH,
        border_style="red" if any(gun.status.get("faults") for gun in each) else "blue",
    )
