"""Where the scene is shown: a live picture on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Callable
from typing import Protocol, TypeVar

from rich.console import Console, RenderableType
from rich.live import Live
from rich.text import Text

from hil_tests.demo.scene import Scene

Shown = TypeVar("Shown", bound=Scene)
ShownIn = TypeVar("ShownIn", bound=Scene, contravariant=True)


class Screen(Protocol[ShownIn]):
    """Shows the run. Every method raises BrokenPipeError when the reader has closed."""

    def show(self, scene: ShownIn) -> None:
        """Bring the scene up to date."""

    def close(self) -> None:
        """Keep the last picture on the screen."""

    def say(self, what: RenderableType) -> None:
        """Write something below the picture, after ``close``."""


def _print(console: Console, what: RenderableType) -> None:
    """Lines of text are never broken: commands are there to be copied. Tables keep to the width."""
    console.print(what, markup=False, soft_wrap=isinstance(what, str | Text))


class LiveScreen(Screen[Shown]):
    """A picture that is drawn over itself; ``draw`` makes it of a scene."""

    def __init__(self, console: Console, draw: Callable[[Shown], RenderableType]) -> None:
        self._console = console
        self._draw = draw
        self._live = Live(console=console, auto_refresh=False)
        self._started = False

    def show(self, scene: Shown) -> None:
        """Draw the scene."""
        if not self._started:
            self._live.start()
            self._started = True
        self._live.update(self._draw(scene), refresh=True)

    def close(self) -> None:
        """Give the terminal back."""
        if self._started:
            self._live.stop()

    def say(self, what: RenderableType) -> None:
        """Print below the picture."""
        _print(self._console, what)


class PlainScreen(Screen[Shown]):
    """Lines, each written out at once; ``lines`` decides which are due."""

    def __init__(self, console: Console, lines: Callable[[Shown], list[str]]) -> None:
        self._console = console
        self._lines = lines

    def show(self, scene: Shown) -> None:
        """Write the lines that are due."""
        for line in self._lines(scene):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def close(self) -> None:
        """Nothing to give back."""

    def say(self, what: RenderableType) -> None:
        """Print."""
        _print(self._console, what)
        sys.stdout.flush()


def make_screen(
    draw: Callable[[Shown], RenderableType], lines: Callable[[Shown], list[str]], *, plain: bool
) -> Screen[Shown]:
    """A live screen on a terminal, a plain one elsewhere or when asked for."""
    if plain or not sys.stdout.isatty():
        # Without a terminal there is no width; wide enough that no row of the summary is cut.
        return PlainScreen(Console(width=120 if not sys.stdout.isatty() else None, highlight=False), lines)
    return LiveScreen(Console(highlight=False), draw)
