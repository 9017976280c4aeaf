"""A meter on paper: registers by number, answers as strict as the strictest meter."""

import math
import struct
from collections.abc import Iterable, Mapping

from drivers.line.owner import Result
from drivers.meters.meter import Meter
from drivers.modbus.codec import Request
from drivers.reading import Reading


class Image:
    """Registers of one meter, by function code. What is not there is refused with exception 2."""

    def __init__(self, words: Mapping[int, int] | None = None, *, functions: Iterable[int] = (3,), most: int = 125):
        self.words = dict(words or {})
        self.functions = set(functions)
        self.most = most
        self.asked: list[Request] = []

    def put(self, register: int, *words: int) -> "Image":
        self.words.update({register + index: word for index, word in enumerate(words)})
        return self

    def put_packed(self, register: int, layout: str, *values: float, low_first: bool = False) -> "Image":
        """Values one after the other, each as struct packs it, high byte first."""
        for value in values:
            data = struct.pack(f">{layout}", value)
            words = struct.unpack(f">{len(data) // 2}H", data)
            self.put(register, *(words[::-1] if low_first else words))
            register += len(words)
        return self

    def answer(self, request: Request, at_s: float) -> Result:
        self.asked.append(request)
        if request.function not in self.functions:
            return Result(request, error="exception", exception_code=1, at_s=at_s)
        if request.count > self.most:
            return Result(request, error="exception", exception_code=3, at_s=at_s)
        wanted = range(request.register, request.register + request.count)
        if any(register not in self.words for register in wanted):
            return Result(request, error="exception", exception_code=2, at_s=at_s)
        return Result(request, tuple(self.words[register] for register in wanted), at_s=at_s)


def poll(meter: Meter, image: Image, at_s: float = 0.0) -> dict[str, Reading]:
    """All that is due now, answered; the readings by signal."""
    return dict(pair for request in meter.requests(at_s) for pair in meter.accept(image.answer(request, at_s)))


def poll_for(meter: Meter, image: Image, polls: int, at_s: float = 0.0) -> dict[str, Reading]:
    """Several polls one second apart; the newest reading of each signal."""
    readings: dict[str, Reading] = {}
    for number in range(polls):
        readings |= poll(meter, image, at_s + number)
    return readings


def close(value: float, wanted: float) -> bool:
    """Equal but for the last digits of a float."""
    return math.isclose(value, wanted, rel_tol=1e-6, abs_tol=1e-9)
