"""``python -m hil_tests.demo``: one whole charge, shown live. Exit code 0 only if it passed every check."""

import argparse
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import get_args

from rich.text import Text

from hil_tests.demo.children import adopt_orphans
from hil_tests.demo.folder import FolderError, make_run_folder, use_folder
from hil_tests.demo.interrupts import Interrupts
from hil_tests.demo.scene import Scene
from hil_tests.demo.screen import Screen, make_screen
from hil_tests.demo.story import InterruptedRunError, Story, StoryError
from hil_tests.demo.summary import contactors_not_open, judge, standstill, summary
from hil_tests.demo.words import Language, text

CHECKOUT = Path(__file__).resolve().parents[2]
EXIT_GOOD, EXIT_BAD, EXIT_INTERRUPTED = 0, 1, 130
TARIFF_UTC_OFFSET_MINUTES = 480
"""Local time of the bill on the screen: the site file's default."""


def main(arguments: list[str] | None = None) -> int:
    """Run it and return the exit code."""
    options = _options(arguments)
    language: Language = options.lang
    interrupts = Interrupts()
    interrupts.install()
    adopt_orphans()
    try:
        folder = use_folder(options.folder) if options.folder else make_run_folder(CHECKOUT, datetime.now())
    except FolderError as error:
        print(error, file=sys.stderr)
        return EXIT_BAD
    screen = make_screen(plain=options.plain)
    story = Story(folder, screen, interrupts, Scene(language=language))
    trouble = ""
    interrupted = False
    try:
        story.tell()
    except InterruptedRunError:
        interrupted = True
    except StoryError as error:
        trouble = str(error)
    finally:
        story.close("interrupted" if interrupted else "closing")
    interrupted = interrupted or interrupts.asked
    try:
        return _conclude(story, screen, language, trouble=trouble, interrupted=interrupted)
    except BrokenPipeError:
        # The summary is no longer read; the interpreter must not try again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_INTERRUPTED


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m hil_tests.demo", description=__doc__)
    parser.add_argument("--plain", action="store_true", help="plain lines also on a terminal")
    parser.add_argument("--lang", choices=get_args(Language), default="en", help="language of the screen")
    parser.add_argument("--folder", type=Path, help="empty folder for this run, instead of one below build/run")
    return parser.parse_args(arguments)


def _conclude(story: Story, screen: Screen, language: Language, *, trouble: str, interrupted: bool) -> int:
    """Write the summary and the verdict; returns the exit code."""
    outcome = story.outcome
    if outcome.ended is not None:
        screen.say("")
        screen.say(
            summary(
                outcome,
                language,
                fault_catalogue=CHECKOUT / "config" / "faults.toml",
                utc_offset_minutes=TARIFF_UTC_OFFSET_MINUTES,
                record_folder=_short(story.folder / "state"),
            )
        )
        screen.say("")
        screen.say(f"{text('look', language)}:")
        for command in look_commands(story):
            screen.say(Text(f"  {command}", style="bold"))
        screen.say("")
    unsafe = contactors_not_open(outcome.probe) if outcome.probe else ""
    if interrupted:
        screen.say(text("stopped_in_order", language))
        for reason in (unsafe and text("contactors_closed", language, what=unsafe), *outcome.processes_left):
            if reason:
                screen.say(Text(f"  {reason}", style="bold red"))
        return EXIT_INTERRUPTED
    reasons = ([trouble] if trouble else []) + judge(outcome, language)
    if not reasons:
        screen.say(Text(text("passed", language), style="bold green"))
        return EXIT_GOOD
    # What follows from the first cause is not worth a line of its own.
    shown = reasons[:1] if trouble else reasons
    screen.say(Text(text("failed", language), style="bold red"))
    for reason in (*shown, standstill(outcome, language)):
        if reason:
            screen.say(Text(f"  {reason}"))
    screen.say(f"{text('logs', language)}: {_short(story.folder)}")
    return EXIT_BAD


def look_commands(story: Story) -> list[str]:
    """What to type to see the record again, from the checkout."""
    program = Path(sys.executable).with_name("pile-agent")
    base = f"{_short(program)} --config {_short(story.site_file)}"
    return [f"{base} sessions", f"{base} session {story.outcome.session_id}"]


def _short(path: Path) -> str:
    """The path as seen from the current folder, where that is shorter."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


if __name__ == "__main__":
    sys.exit(main())
