"""Decodes one recording: reads it, lets an observer follow it, and shows the requested parts."""

import sys
from dataclasses import dataclass
from pathlib import Path

from agent.cli import amounts
from agent.cli.bms.files import Recording, RecordingError, open_recording
from agent.cli.bms.plot_data import Course
from agent.cli.bms.view import begin_text, heard_line, observation_line, show_foreign, show_session
from agent.cli.bms.words import BmsSpeaker
from agent.cli.complaints import say_error
from agent.cli.exits import EXIT_OK
from agent.cli.screen import Screen
from drivers.gbt27930.charger.phases import Edition
from drivers.gbt27930.observer.observer import Observer, Session, Severity
from drivers.text import Language, Text

SESSIONS_AT_MOST = 1000
"""Sessions shown of one recording; of more, the first are left out with a notice."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of the command."""

    file: Path
    channel: str | None
    edition: Edition
    number: int | None
    list_frames: bool
    plot: Path | None
    as_json: bool
    language: Language


def decode_file(wanted: Wanted) -> int:
    """Decode and show. Returns the exit code; raises RecordingError when there is nothing to decode."""
    if wanted.plot is not None:
        from agent.cli.bms.plot import check_drawing

        check_drawing(wanted.plot)  # better before the reading than after it
    speak = BmsSpeaker(wanted.language)
    recording = open_recording(wanted.file, wanted.channel)
    observer = Observer(wanted.edition, sessions_at_most=SESSIONS_AT_MOST)
    course = Course()
    for at_s, frame in recording.read():
        observations = observer.receive(frame, at_s)
        for heard in observer.heard:
            course.take(heard)
            if wanted.list_frames:
                sys.stdout.write(heard_line(speak, heard) + "\n")
        if wanted.list_frames:
            for observation in observations:
                if observation.severity is not Severity.NOTE or observation.code == "stage":
                    sys.stdout.write(observation_line(speak, observation) + "\n")
    observer.poll(recording.end_s)
    observer.finish()
    sessions = _chosen(observer, wanted)
    if wanted.plot is not None:
        from agent.cli.bms.plot import draw

        for line in draw(wanted.plot, course, sessions, wanted.file.name, wanted.language):
            say_error(line)
    if wanted.as_json:
        from agent.cli.bms.document import recording_document
        from agent.cli.context import print_json

        print_json(recording_document(recording, observer, sessions))
    else:
        _show(speak, recording, observer, sessions)
    if recording.damage is not None:
        say_error(*_damage_text(speak, recording))
    return EXIT_OK


def _chosen(observer: Observer, wanted: Wanted) -> list[Session]:
    sessions = list(observer.sessions)
    if wanted.number is None:
        return sessions
    found = [session for session in sessions if session.number == wanted.number]
    if not found:
        raise RecordingError(
            Text(f"{wanted.file}:没有第 {wanted.number} 次充电", f"{wanted.file}: no session {wanted.number}"),
            Text(f"共 {len(sessions)} 次充电", f"the file has {len(sessions)} sessions"),
        )
    return found


def _show(speak: BmsSpeaker, recording: Recording, observer: Observer, sessions: list[Session]) -> None:
    screen, pick = Screen(), speak.pick
    parts = [
        f"{recording.path.name}: {recording.frames} {pick('帧', 'frames')}",
        amounts.duration(recording.duration_s),
    ]
    begin = begin_text(recording.begin_unix_s)
    if begin is not None:
        parts.append(pick(f"始于 {begin}", f"from {begin}"))
    if len(recording.channels) > 1:
        parts.append(pick(f"通道 {recording.channel}", f"channel {recording.channel}"))
    screen.line(", ".join(parts), "bold")
    if recording.ignored:
        listed = ", ".join(f"{name} {count}" for name, count in recording.ignored.items())
        screen.line(pick(f"未解码的帧:{listed}", f"frames not decoded: {listed}"))
    if not sessions:
        screen.line(pick("没有充电机与车辆的报文", "no message of a charger or a vehicle"))
    for session in sessions:
        show_session(screen, speak, session)
    if sessions and sessions[0].number > 1 and len(sessions) == SESSIONS_AT_MOST:
        screen.line(pick("较早的充电过程未列出", "earlier sessions are not listed"))
    show_foreign(screen, speak, observer)


def _damage_text(speak: BmsSpeaker, recording: Recording) -> list[str]:
    pick, damage = speak.pick, recording.damage
    if recording.bad_lines:
        count = recording.bad_lines
        return [
            pick(
                f"{recording.path}:{count} 处不可读,已跳过（首处:{damage}）",
                f"{recording.path}: {count} {'line' if count == 1 else 'lines'} cannot be read and "
                f"{'was' if count == 1 else 'were'} skipped (first: {damage})",
            )
        ]
    return [
        pick(
            f"{recording.path}:文件不完整,解码到 {recording.duration_s:.3f} s 为止（{damage}）",
            f"{recording.path}: the file is damaged; decoded up to {recording.duration_s:.3f} s ({damage})",
        )
    ]
