"""Errors of the configuration and of the environment, on standard error."""

import sys

from agent.settings.problems import SettingsError
from drivers.text import Language


def complaint(error: SettingsError, language: Language) -> list[str]:
    """The errors of a file: one line per error, then their number."""
    lines = [problem.line(language) for problem in error.problems]
    count = len(lines)
    if language == "zh":
        return [*lines, f"{error.path}:{count} 处错误,未启动任何进程"]
    return [*lines, f"{error.path}: {count} {'error' if count == 1 else 'errors'}; nothing was started"]


def say_error(*lines: str) -> None:
    """Write lines to standard error; a closed one is no reason to fail."""
    try:
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        sys.stderr.flush()
    except OSError:
        pass
