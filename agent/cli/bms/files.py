"""Reads recordings of a CAN bus through python-can: candump, ASC, BLF, TRC, CSV."""

import contextlib
import io
import logging
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

from drivers.can.frame import CanFrame
from drivers.gbt27930.messages.table import CHARGER_ADDRESS, VEHICLE_ADDRESS
from drivers.text import Text

if TYPE_CHECKING:
    import can

_EPOCH_S = 1_000_000_000.0
"""Larger times are seconds since 1970; smaller ones count from the start of the recording."""

_CANDUMP = re.compile(
    r"\(\d+\.\d+\)\s+\S+\s+[0-9A-Fa-f]{3,8}#(?:R\d?|(?:[0-9A-Fa-f]{2}){0,8}|#[0-9A-Fa-f]+)(?:\s+[RT])?\s*"
)
_CANDUMP_SCREEN = re.compile(r"^\s*(?:\(\S+( \S+)?\)\s+)?\S+\s+(?:[RT]X\s.*)?[0-9A-Fa-f]{3,8}\s+\[\d+\]")
_DIRECTIONS = {CHARGER_ADDRESS << 8 | VEHICLE_ADDRESS, VEHICLE_ADDRESS << 8 | CHARGER_ADDRESS}
ENDINGS = (".log", ".asc", ".blf", ".trc", ".csv")
"""Endings that are read; each may be packed with gzip (.log.gz)."""
_LARGEST_IDENTIFIER = 0x1FFFFFFF


class RecordingError(Exception):
    """A file that cannot be decoded at all; what is wrong and what to do, in both languages."""

    def __init__(self, what: Text, hint: Text) -> None:
        super().__init__(what.en)
        self.what = what
        self.hint = hint


@dataclass(slots=True)
class Recording:
    """A recording as far as it has been read.

    ``begin_s`` is the time of the first frame as in the file, ``damage`` the reason why reading ended early.
    ``ignored`` counts frames that are no classic data frames. Frames come with their seconds since ``begin_s``.
    """

    path: Path
    channel: str | None = None
    channels: Counter[str] = field(default_factory=Counter)
    begin_s: float | None = None
    end_s: float = 0.0
    frames: int = 0
    damage: str | None = None
    bad_lines: int = 0
    ignored: Counter[str] = field(default_factory=Counter)

    @property
    def begin_unix_s(self) -> float | None:
        """Time of the first frame since 1970, or None when the file does not contain it."""
        return self.begin_s if self.begin_s is not None and self.begin_s >= _EPOCH_S else None

    @property
    def duration_s(self) -> float:
        """From first to last frame."""
        return 0.0 if self.begin_s is None else self.end_s

    def read(self) -> Iterator[tuple[float, CanFrame]]:
        """The frames of the chosen channel with their time. Does not raise for damage: see ``damage``."""
        for message in self._messages():
            if self.channel is not None and channel_of(message) != self.channel:
                continue
            if message.is_error_frame or message.is_remote_frame or message.is_fd:
                kind = "error" if message.is_error_frame else "remote" if message.is_remote_frame else "fd"
                self.ignored[kind] += 1
                continue
            if not 0 <= message.arbitration_id <= _LARGEST_IDENTIFIER or not math.isfinite(message.timestamp):
                self.ignored["damaged"] += 1
                continue
            if self.begin_s is None:
                self.begin_s = message.timestamp
            at_s = message.timestamp - self.begin_s
            self.end_s = max(self.end_s, at_s)
            self.frames += 1
            yield at_s, CanFrame(message.arbitration_id, bytes(message.data), at_s, message.is_extended_id)

    def _messages(self) -> Iterator["can.Message"]:
        self.damage, self.bad_lines = None, 0
        try:
            with _complaints(self), _reader(self) as reader:
                yield from reader
                told = getattr(reader, "file_size", 0)  # the header of a BLF file holds its size
                if isinstance(told, int) and told > (size := self.path.stat().st_size):
                    self.damage = f"{size} of {told} bytes"
        except RecordingError:
            raise
        except Exception as error:  # what a reader raises on a damaged file is nowhere laid down
            self.damage = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def open_recording(path: Path, channel: str | None) -> Recording:
    """A recording, its channel chosen. Raises RecordingError."""
    if not path.is_file():
        raise RecordingError(
            Text(f"{path}:文件不存在", f"{path}: file not found"),
            Text("检查文件名", "check the file name"),
        )
    recording = Recording(path)
    dialogues: Counter[str] = Counter()
    for message in recording._messages():
        name = channel_of(message)
        recording.channels[name] += 1
        if message.is_extended_id and message.arbitration_id & 0xFFFF in _DIRECTIONS:
            dialogues[name] += 1
    if not recording.channels:
        reason = recording.damage or "no frames"
        raise RecordingError(
            Text(f"{path}:文件中没有可读的报文（{reason}）", f"{path}: no readable frame ({reason})"),
            Text(
                "文件可能损坏,或内容与扩展名不符",
                "the file may be damaged, or its content does not match its extension",
            ),
        )
    recording.channel = _chosen(recording, dialogues, channel)
    return recording


def channel_of(message: Any) -> str:
    """Name of the channel of a message, ``-`` when the file has none."""
    return "-" if message.channel is None else str(message.channel)


def _chosen(recording: Recording, dialogues: Counter[str], channel: str | None) -> str | None:
    listed = ", ".join(f"{name} ({count})" for name, count in sorted(recording.channels.items()))
    if channel is not None:
        if channel not in recording.channels:
            raise RecordingError(
                Text(f"{recording.path}:没有通道 {channel}", f"{recording.path}: no channel {channel}"),
                Text(f"通道（帧数）:{listed}", f"channels (frames): {listed}"),
            )
        return channel
    if len(recording.channels) == 1:
        return next(iter(recording.channels))
    if len(dialogues) == 1:
        return next(iter(dialogues))
    raise RecordingError(
        Text(f"{recording.path}:有多个通道", f"{recording.path}: the file has several channels"),
        Text(f"用 --channel 指定;通道（帧数）:{listed}", f"select one with --channel; channels (frames): {listed}"),
    )


def _reader(recording: Recording) -> Any:
    """A reader for the file, by its ending, and by its content where that is candump's."""
    import can

    path = recording.path
    with path.open("rb") as file:
        head = file.read(4096).decode("ascii", "replace").splitlines()
    if any(_CANDUMP.fullmatch(line) for line in head):
        return can.CanutilsLogReader(cast(TextIO, _GoodLines(recording)))
    ending = path.with_suffix("").suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if ending not in (*ENDINGS[1:], ".log" if path.suffix.lower() == ".gz" else ""):
        if any(_CANDUMP_SCREEN.match(line) for line in head):
            raise RecordingError(
                Text(f"{path}:这是 candump 的屏幕格式", f"{path}: this is the screen format of candump"),
                Text("录制命令:candump -L can0 > 文件", "record with: candump -L can0 > FILE"),
            )
        known = " ".join(ENDINGS)
        raise RecordingError(
            Text(f"{path}:不支持的录制格式", f"{path}: unknown type of recording"),
            Text(f"支持:candump -L 的录制文件、{known}", f"supported: logs of candump -L, {known}"),
        )
    # The times of an ASC file count from its start; its header holds that time.
    return can.LogReader(path, **({"relative_timestamp": False} if ending == ".asc" else {}))


class _Complaints(logging.Handler):
    """Takes what a reader of python-can has to complain about instead of the screen."""

    def __init__(self, recording: Recording) -> None:
        super().__init__(logging.WARNING)
        self._recording = recording

    def emit(self, record: logging.LogRecord) -> None:
        """Count it, and keep the first."""
        self._recording.bad_lines += 1
        self._recording.damage = self._recording.damage or record.getMessage()


@contextlib.contextmanager
def _complaints(recording: Recording) -> Iterator[None]:
    logger, handler = logging.getLogger("can"), _Complaints(recording)
    propagate, logger.propagate = logger.propagate, False
    # The ports of the field process silence this logger (drivers/can/messages.py).
    level = logger.level
    logger.setLevel(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


class _GoodLines(io.TextIOBase):
    """The lines of a candump recording that are whole: one bad line does not end the reading."""

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self._file = recording.path.open(encoding="ascii", errors="replace")

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]
        for number, line in enumerate(self._file, 1):
            if _CANDUMP.fullmatch(line):
                yield line
            elif line.strip():
                self._recording.bad_lines += 1
                self._recording.damage = self._recording.damage or f"line {number}: {line.strip()[:60]!r}"

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def candump_line(at_s: float, frame: CanFrame, channel: str) -> str:
    """One line as ``candump -L`` writes it; ``at_s`` is seconds since 1970."""
    identifier = f"{frame.identifier:08X}" if frame.extended else f"{frame.identifier:03X}"
    return f"({at_s:017.6f}) {channel} {identifier}#{frame.data.hex().upper()}\n"
