import io

from rich.console import Console
from rich.text import Text

from hil_tests.demo.panel import panel
from hil_tests.demo.plain import PlainTeller
from hil_tests.demo.screen import LiveScreen, PlainScreen

COMMAND = "  .venv/bin/pile-agent --config build/run/0504-120000/pile.toml session SX-DEMO-0001-1-1777878000000-a1b2001"


def test_a_command_to_copy_is_never_broken() -> None:
    for on_terminal in (True, False):
        console = Console(width=80, file=io.StringIO(), record=True, color_system=None)
        screen = LiveScreen(console, panel) if on_terminal else PlainScreen(console, PlainTeller().lines)
        screen.say(Text(COMMAND, style="bold"))
        assert console.export_text() == COMMAND + "\n"


def test_brackets_are_text() -> None:
    console = Console(width=80, file=io.StringIO(), record=True, color_system=None)
    PlainScreen(console, PlainTeller().lines).say("ended because [vehicle]")
    assert "[vehicle]" in console.export_text()
