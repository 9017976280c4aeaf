"""Transfer frames by hand, and two transports that talk to each other in virtual time."""

from typing import Any

from drivers.can.frame import CanFrame
from drivers.gbt27930.transport.transport import Received, Transport

CONTROL = 0x1CEC56F4
DATA = 0x1CEB56F4
REPLY = 0x1CECF456

BRM, BCP, BCS, BMV, BMT, BSP = 0x0200, 0x0600, 0x1100, 0x1500, 0x1600, 0x1700

SIZES = {BRM: 49, BCP: 13, BCS: 9, BMV: 252, BMT: 128, BSP: 16}


def payload_of(pgn: int, size: int = 0) -> bytes:
    """A payload in which no packet looks like one of another message."""
    return bytes((index * 7 + (pgn >> 8) * 31) % 251 for index in range(size or SIZES[pgn]))


def charger(**more: Any) -> Transport:
    return Transport(0x56, 0xF4, **more)


def vehicle(**more: Any) -> Transport:
    return Transport(0xF4, 0x56, **more)


def frame(identifier: int, text: str) -> CanFrame:
    return CanFrame(identifier, bytes.fromhex(text))


def control(text: str) -> CanFrame:
    return frame(CONTROL, text)


def little(number: int, size: int) -> str:
    return number.to_bytes(size, "little").hex()


def rts(pgn: int, size: int = 0, grant: int = 0xFF) -> CanFrame:
    size = size or SIZES[pgn]
    return control(f"10{little(size, 2)}{-(-size // 7):02x}{grant:02x}{little(pgn, 3)}")


def cts(pgn: int, count: int, first: int) -> str:
    return f"11{count:02x}{first:02x}ffff{little(pgn, 3)}"


def hold(pgn: int) -> str:
    return cts(pgn, 0, 0xFF)


def end(pgn: int, size: int = 0) -> str:
    size = size or SIZES[pgn]
    return f"13{little(size, 2)}{-(-size // 7):02x}ff{little(pgn, 3)}"


def abort(pgn: int, reason: int) -> str:
    return f"ff{reason:02x}ffffff{little(pgn, 3)}"


def data(pgn: int, *numbers: int, size: int = 0) -> list[CanFrame]:
    payload = payload_of(pgn, size)
    return [packet(number, payload) for number in numbers]


def packet(number: int, payload: bytes) -> CanFrame:
    return CanFrame(DATA, bytes((number,)) + payload[(number - 1) * 7 : number * 7].ljust(7, b"\xff"))


def give(transport: Transport, now_s: float, *frames: CanFrame) -> list[Received]:
    received: list[Received] = []
    for each in frames:
        received += transport.receive(each, now_s)
    return received


def replies(transport: Transport, now_s: float) -> list[str]:
    frames = transport.poll(now_s)
    assert all(each.identifier == REPLY for each in frames)
    return [each.data.hex() for each in frames]


class Line:
    """Two transports on one line; frames with the numbers in ``lost`` never arrive, those in ``twice`` arrive twice."""

    def __init__(
        self, one: Transport, other: Transport, lost: frozenset[int] = frozenset(), twice: frozenset[int] = frozenset()
    ) -> None:
        self.sides = (one, other)
        self.received: tuple[list[Received], list[Received]] = ([], [])
        self.lost = lost
        self.twice = twice
        self.frames = 0
        self.now_s = 0.0

    def step(self, seconds: float = 0.0) -> None:
        """Lets time pass, then carries frames until both sides are quiet."""
        self.now_s += seconds
        busy = True
        while busy:
            busy = False
            for at, source in enumerate(self.sides):
                for each in source.poll(self.now_s):
                    busy = True
                    self.frames += 1
                    if self.frames in self.lost:
                        continue
                    for _ in range(2 if self.frames in self.twice else 1):
                        self.received[1 - at].extend(self.sides[1 - at].receive(each, self.now_s))

    def run(self, seconds: float, step_s: float = 0.005) -> None:
        for _ in range(round(seconds / step_s)):
            self.step(step_s)
