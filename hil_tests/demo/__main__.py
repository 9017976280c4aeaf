"""``python -m hil_tests.demo``: charging shown live. Exit code 0 only if everything that it shows was observed."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

from rich.console import RenderableType
from rich.text import Text

from hil_tests.demo.children import adopt_orphans
from hil_tests.demo.claims import claims, missed
from hil_tests.demo.folder import FolderError, make_run_folder, use_folder
from hil_tests.demo.guns_panel import guns_panel
from hil_tests.demo.guns_plain import GunsTeller
from hil_tests.demo.guns_scene import GunsScene
from hil_tests.demo.guns_story import GunsStory
from hil_tests.demo.guns_summary import guns_summary
from hil_tests.demo.interrupts import Interrupts
from hil_tests.demo.panel import panel
from hil_tests.demo.plain import PlainTeller
from hil_tests.demo.run import InterruptedRunError, PileRun, StoryError
from hil_tests.demo.scene import Scene
from hil_tests.demo.screen import Screen, make_screen
from hil_tests.demo.story import Story
from hil_tests.demo.summary import judge, judge_end, not_open, standstill, summary
from hil_tests.demo.words import Language, text

CHECKOUT = Path(__file__).resolve().parents[2]
EXIT_GOOD, EXIT_BAD, EXIT_INTERRUPTED = 0, 1, 130
TARIFF_UTC_OFFSET_MINUTES = 480
"""Local time of the bill on the screen: the site file's default."""
ONE_GUN, TWO_GUNS = "dc-60kw", "dc-120kw-two-guns"
PILES = (ONE_GUN, TWO_GUNS)
"""Pile profiles that have a story; the first one is the default."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run has come to: its summary (None: there is nothing to show), and every reason why it failed."""

    shown: RenderableType | None
    reasons: Sequence[str]
    passed: str
    failed: str


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
    screen, story = _make_story(options, folder, interrupts)
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
    parser.add_argument("--pile", choices=PILES, default=ONE_GUN, help="profile of the pile, with a story of its own")
    parser.add_argument(
        "--switched", action="store_true", help=f"allocation contactors between modules and guns ({TWO_GUNS} only)"
    )
    parser.add_argument("--plain", action="store_true", help="plain lines also on a terminal")
    parser.add_argument("--lang", choices=get_args(Language), default="en", help="language of the screen")
    parser.add_argument("--folder", type=Path, help="empty folder for this run, instead of one below build/run")
    options = parser.parse_args(arguments)
    if options.switched and options.pile != TWO_GUNS:
        parser.error(f"--switched needs a pile with groups to switch: --pile {TWO_GUNS}")
    return options


def _make_story(
    options: argparse.Namespace, folder: Path, interrupts: Interrupts
) -> tuple[Screen[Any], Story | GunsStory]:
    if options.pile == ONE_GUN:
        screen = make_screen(panel, PlainTeller().lines, plain=options.plain)
        return screen, Story(folder, screen, interrupts, Scene(language=options.lang))
    guns_screen = make_screen(guns_panel, GunsTeller().lines, plain=options.plain)
    scene = GunsScene(language=options.lang)
    return guns_screen, GunsStory(folder, guns_screen, interrupts, scene, switched=options.switched)


def verdict_of(story: Story | GunsStory, language: Language) -> Verdict:
    """Summary and reasons of a run that has ended."""
    catalogue, record_folder = CHECKOUT / "config" / "faults.toml", _short(story.folder / "state")
    outcome = story.outcome
    if isinstance(story, GunsStory):
        found = claims(story.outcome.evidence())
        return Verdict(
            guns_summary(
                story.outcome,
                found,
                language,
                fault_catalogue=catalogue,
                utc_offset_minutes=TARIFF_UTC_OFFSET_MINUTES,
                record_folder=record_folder,
            ),
            [*missed(found, language), *judge_end(outcome, language)],
            "guns_passed",
            "guns_failed",
        )
    shown = None
    if outcome.ended is not None:
        shown = summary(
            outcome,
            language,
            fault_catalogue=catalogue,
            utc_offset_minutes=TARIFF_UTC_OFFSET_MINUTES,
            record_folder=record_folder,
        )
    return Verdict(shown, judge(outcome, language), "passed", "failed")


def _conclude(
    story: Story | GunsStory, screen: Screen[Any], language: Language, *, trouble: str, interrupted: bool
) -> int:
    """Write the summary and the verdict; returns the exit code."""
    outcome = story.outcome
    verdict = verdict_of(story, language)
    if verdict.shown is not None:
        screen.say("")
        screen.say(verdict.shown)
    if outcome.session_id:
        screen.say("")
        screen.say(f"{text('look', language)}:")
        for command in look_commands(story):
            screen.say(Text(f"  {command}", style="bold"))
        screen.say("")
    unsafe = not_open(outcome) if outcome.probes else ""
    if interrupted:
        screen.say(text("stopped_in_order", language))
        for reason in (unsafe and text("contactors_closed", language, what=unsafe), *outcome.processes_left):
            if reason:
                screen.say(Text(f"  {reason}", style="bold red"))
        return EXIT_INTERRUPTED
    reasons = ([trouble] if trouble else []) + list(verdict.reasons)
    if not reasons:
        screen.say(Text(text(verdict.passed, language), style="bold green"))
        return EXIT_GOOD
    # What follows from the first cause is not worth a line of its own.
    shown = reasons[:1] if trouble else reasons
    screen.say(Text(text(verdict.failed, language), style="bold red"))
    for reason in (*shown, standstill(outcome, language)):
        if reason:
            screen.say(Text(f"  {reason}"))
    screen.say(f"{text('logs', language)}: {_short(story.folder)}")
    return EXIT_BAD


def look_commands(story: PileRun) -> list[str]:
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
