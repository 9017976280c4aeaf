"""The adapter end of the slcan protocol: text lines from a computer to CAN frames and back."""

from drivers.can.frame import CanFrame

_BELL = b"\a"
_RETURN = b"\r"
_VERSION = b"V1013\r"
_SERIAL_NUMBER = b"NB001\r"
# Longest legal line is T + 8 + 1 + 16 digits and an optional time stamp of 4.
_LONGEST_LINE = 32


def encode_frame(frame: CanFrame) -> bytes:
    """The line that carries a frame to the computer."""
    head = f"T{frame.identifier:08X}" if frame.extended else f"t{frame.identifier:03X}"
    return f"{head}{len(frame.data):d}{frame.data.hex().upper()}\r".encode("ascii")


def decode_frame(line: str) -> CanFrame | None:
    """The frame in a ``t`` or ``T`` line, or None if the line is malformed."""
    extended = line[:1] == "T"
    digits = 8 if extended else 3
    if line[:1] not in ("t", "T") or len(line) < digits + 2:
        return None
    try:
        identifier = int(line[1 : digits + 1], 16)
        length = int(line[digits + 1])
        data = bytes.fromhex(line[digits + 2 : digits + 2 + 2 * length])
    except ValueError:
        return None
    if len(data) != length or length > 8 or identifier > (0x1FFFFFFF if extended else 0x7FF):
        return None
    return CanFrame(identifier=identifier, data=data, extended=extended)


class SlcanAdapter:
    """State of one adapter: closed, open or listen-only, and the line being received."""

    def __init__(self) -> None:
        self.is_open = False
        self.listen_only = False
        self.status = 0
        """Answer to F: 0x04 error warning, 0x20 error passive (CAN232)."""
        self.refuses: frozenset[str] = frozenset()
        """Commands that are answered with BELL, as an adapter does that does not know them."""
        self.opened_with: list[str] = []
        """How the channel was opened, in sequence: O, or L for listen-only."""
        self.frames_asked = 0
        """Frames that the computer has asked to send, whether or not they went out."""
        self._line = bytearray()

    def hang_up(self) -> None:
        """The computer closed the port: the adapter leaves the bus."""
        self.is_open = False
        self._line.clear()

    def feed(self, data: bytes) -> tuple[list[CanFrame], bytes]:
        """Take bytes from the computer; return the frames to send on the bus and the reply to the computer."""
        frames: list[CanFrame] = []
        replies = bytearray()
        for byte in data:
            if byte != 0x0D:
                self._line.append(byte)
                if len(self._line) > _LONGEST_LINE:
                    self._line.clear()
                    replies += _BELL
                continue
            line = self._line.decode("ascii", errors="replace")
            self._line.clear()
            reply, frame = self._command(line)
            replies += reply
            if frame is not None:
                frames.append(frame)
        return frames, bytes(replies)

    def _command(self, line: str) -> tuple[bytes, CanFrame | None]:
        letter = line[:1]
        if letter and letter in self.refuses:
            return _BELL, None
        if letter == "F":
            # Only an open channel has a status.
            return (f"F{self.status:02X}\r".encode() if self.is_open else _BELL), None
        if letter in ("t", "T"):
            self.frames_asked += 1
            frame = decode_frame(line)
            if frame is None or not self.is_open or self.listen_only:
                return _BELL, None
            return (b"Z\r" if frame.extended else b"z\r"), frame
        if letter in ("O", "L"):
            self.is_open, self.listen_only = True, letter == "L"
            self.opened_with.append(letter)
            return _RETURN, None
        if letter == "C":
            self.is_open = False
            return _RETURN, None
        if letter == "V":
            return _VERSION, None
        if letter == "N":
            return _SERIAL_NUMBER, None
        # The bit rate of the wire is a fact of the bench: any setting is accepted while the port is closed.
        if letter in ("S", "s", "Y", "Z", "M", "m", ""):
            return _RETURN, None
        return _BELL, None
