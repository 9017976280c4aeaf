"""The same for a log file or a pipe: lines when something changes, and one every two seconds in between."""

from hil_tests.demo import scene as content
from hil_tests.demo.scene import Scene
from hil_tests.demo.words import text

INTERVAL_S = 2.0


class PlainTeller:
    """Decides which lines are due."""

    def __init__(self) -> None:
        self._doing = ""
        self._state = ""
        self._guards = ""
        self._next_s = 0.0

    def lines(self, scene: Scene) -> list[str]:
        """The lines due at ``scene.elapsed_s``: new step of the run, new guards or outputs, readings."""
        language = scene.language
        stamp = f"{scene.elapsed_s:6.1f} s  "
        lines: list[str] = []
        if scene.doing != self._doing:
            self._doing = scene.doing
            lines.append(f"{stamp}-- {text(scene.doing, language)}")
        if not scene.status:
            return lines
        guards = f"{text('may', language)} {content.permission(scene)}"
        # Voltages change with every reading; what is open or closed, locked or faulted does not.
        switches = f"{guards} {content.switches(scene)}"
        if switches != self._guards:
            self._guards = switches
            lines.append(f"{stamp}{guards} | {content.outputs(scene)}")
        if scene.state != self._state or scene.elapsed_s >= self._next_s:
            self._state = scene.state
            self._next_s = scene.elapsed_s + INTERVAL_S
            lines.append(
                f"{stamp}{content.headline(scene)}: {content.measured(scene)}"
                f" | {text('vehicle', language)} {content.demand(scene)}"
                f" | SoC {content.number(scene.soc_percent, '%', 0)}"
                f" | {text('record', language)} {content.recorded(scene)}"
                f" | {text('published', language)} {content.published(scene)}"
            )
        return lines
