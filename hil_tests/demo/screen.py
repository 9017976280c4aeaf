"""Where the scene is shown: a live picture on a terminal, plain lines elsewhere."""

import sys
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from hil_tests.demo.panel import panel
from hil_tests.demo.plain import PlainTeller
from hil_tests.demo.scene import Scene


class Screen(Protocol):
    """Shows the run. Every method raises BrokenPipeError when the reader has closed."""

    def show(self, scene: Scene) -> None:
        """Bring the scene up to date."""

    def close(self) -> None:
        """Keep the last picture on the screen."""

    def say(self, what: RenderableType) -> None:
        """Write something below the picture, after ``close``."""


def _print(console: Console, what: RenderableType) -> None:
    """Lines of text are never broken: commands are there to be copied. Tables keep to the width."""
    console.print(what, markup=False, soft_wrap=isinstance(what, str | Text))


class LiveScreen:
    """A picture that is drawn over itself."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False)
        self._started = False

    def show(self, scene: Scene) -> None:
        """Draw the scene."""
        if not self._started:
            self._live.start()
            self._started = True
        self._live.update(panel(scene), refresh=True)

    def close(self) -> None:
        """Give the terminal back."""
        if self._started:
            self._live.stop()

    def say(self, what: RenderableType) -> None:
        """Print below the picture."""
        _print(self._console, what)


class PlainScreen:
    """Lines, each written out at once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._teller = PlainTeller()

    def show(self, scene: Scene) -> None:
        """Write the lines that are due."""
        for line in self._teller.lines(scene):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def close(self) -> None:
        """Nothing to give back."""

    def say(self, what: RenderableType) -> None:
        """Print."""
        _print(self._console, what)
        sys.stdout.flush()


def make_screen(*, plain: bool) -> Screen:
    """A live screen on a terminal, a plain one elsewhere or when asked for."""
    if plain or not sys.stdout.isatty():
        # Without a terminal there is no width; wide enough that no row of the summary is cut.
        return PlainScreen(Console(width=120 if not sys.stdout.isatty() else None, highlight=False))
    return LiveScreen(Console(highlight=False))
