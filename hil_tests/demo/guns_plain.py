"""The two-gun story as lines: one when something changes at a gun, and one a gun every two seconds in between."""

from hil_tests.demo import guns_scene as content
from hil_tests.demo.guns_scene import GunsScene
from hil_tests.demo.plain import INTERVAL_S
from hil_tests.demo.scene import number, recorded
from hil_tests.demo.words import text


class GunsTeller:
    """Decides which lines are due."""

    def __init__(self) -> None:
        self._doing = ""
        self._shown: dict[int, str] = {}
        self._groups = ""
        self._limits = ""
        self._next_s = 0.0

    def lines(self, scene: GunsScene) -> list[str]:
        """The lines due at ``scene.elapsed_s``."""
        language = scene.language
        stamp = f"{scene.elapsed_s:6.1f} s  "
        lines: list[str] = []
        if scene.doing != self._doing:
            self._doing = scene.doing
            lines.append(f"{stamp}-- {text(scene.doing, language)}")
        if not scene.status:
            return lines
        lines += [stamp + line for line in self._shared(scene)]
        is_due = scene.elapsed_s >= self._next_s
        if is_due:
            self._next_s = scene.elapsed_s + INTERVAL_S
        for number_, gun in scene.guns.items():
            # Values change with every reading; state, contactors and faults do not.
            switches = f"{content.headline(gun)} · {content.contactors(scene, number_)} · {content.faults(gun)}"
            if is_due or self._shown.get(number_) != switches:
                self._shown[number_] = switches
                lines.append(
                    f"{stamp}{text('gun', language, number=number_)} ({scene.vehicles.get(number_, '-')}) {switches}"
                    f" | {content.electric(gun)} {content.energy(gun)} | SoC {number(gun.soc_percent, '%', 0)}"
                    f" | {text('share', language)} {content.share(scene, number_)}"
                )
        if is_due:
            lines.append(f"{stamp}{text('record', language)} {recorded(scene)}")
        return lines

    def _shared(self, scene: GunsScene) -> list[str]:
        """What all guns share, when it has changed: groups, and who limits whom."""
        language = scene.language
        lines = []
        groups = content.groups(scene)
        if groups != self._groups:
            self._groups = groups
            lines.append(f"{text('groups', language)} {groups}")
        shares = scene.part("power").get("shares", {})
        limits = ", ".join(f"{text('gun', language, number=gun)}: {each.get('by')}" for gun, each in shares.items())
        if limits != self._limits:
            self._limits = limits
            lines.append(f"{text('limit', language)} {limits} | {text('budget', language)} {content.budget(scene)}")
        return lines
