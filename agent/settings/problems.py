"""Errors in a file that a person wrote: where, what, and what to do about it, in Chinese and English."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drivers.text import NO_TEXT, Language, Text


@dataclass(frozen=True, slots=True)
class Problem:
    """One error. ``place`` is a dotted key (``connector.meter.address``) or a line of the file."""

    place: str
    what: Text
    hint: Text = NO_TEXT

    def line(self, language: Language = "en") -> str:
        """The message: place, what is wrong, what to do."""
        hint = self.hint.in_(language)
        sign = ":" if language == "zh" else ": "
        end = "" if not hint else f";{hint}" if language == "zh" else f"; {hint}"
        return f"{self.place}{sign}{self.what.in_(language)}{end}"


class SettingsError(Exception):
    """A file cannot be used. ``problems`` holds every error that was found, at least one."""

    def __init__(self, path: str, problems: Sequence[Problem]) -> None:
        super().__init__(f"{path}: " + " | ".join(problem.line() for problem in problems))
        self.path = path
        self.problems = list(problems)


def nearest(name: str, legal: Iterable[str]) -> str | None:
    """The legal name that looks most like ``name``, None if none does."""
    # Only ever needed when something is wrong; the service starts without it.
    import difflib

    folded = {candidate.casefold(): candidate for candidate in legal}
    found = difflib.get_close_matches(name.casefold(), folded, 1, 0.6)
    return folded[found[0]] if found else None


def did_you_mean(name: str, legal: Sequence[str]) -> Text:
    """A hint that names the nearest legal name, or all of them when none is near and they are few."""
    legal = list(dict.fromkeys(legal))
    best = nearest(name, legal)
    if best is not None:
        return Text(f"是否应为 {best}?", f"did you mean {best}?")
    if legal and len(legal) <= 8:
        return Text(f"可用:{'、'.join(legal)}", f"there is: {', '.join(legal)}")
    return NO_TEXT


def legal_names(name: str, legal: Sequence[str]) -> Text:
    """A hint that names the nearest legal name and then all of them."""
    if not legal:
        return NO_TEXT
    best = nearest(name, legal)
    everything = Text(f"可用:{'、'.join(legal)}", f"there is: {', '.join(legal)}")
    if best is None:
        return everything
    return Text(f"是否应为 {best}?{everything.zh}", f"did you mean {best}? {everything.en}")
