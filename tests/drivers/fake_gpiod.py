"""A library of the shape of gpiod 2 over chips in memory: what was requested, and levels that a test can move."""

import enum
from types import SimpleNamespace
from typing import Any


class Value(enum.IntEnum):
    INACTIVE = 0
    ACTIVE = 1


class Direction(enum.Enum):
    AS_IS = 1
    INPUT = 2
    OUTPUT = 3


class Edge(enum.Enum):
    BOTH = 4


class Bias(enum.Enum):
    AS_IS = 1
    DISABLED = 3
    PULL_UP = 4
    PULL_DOWN = 5


class Drive(enum.Enum):
    PUSH_PULL = 1
    OPEN_DRAIN = 2
    OPEN_SOURCE = 3


class FakeGpiod:
    """``levels``: active state of each line. ``fault``: what every call raises from now on."""

    def __init__(self, labels: dict[str, str], busy: bool = False) -> None:
        self.labels = labels
        self.busy = busy
        self.levels: dict[int, bool] = {}
        self.config: dict[int, Any] = {}
        self.edges = 0
        self.fault: OSError | None = None
        self.released = False
        self.line = SimpleNamespace(Value=Value, Direction=Direction, Edge=Edge, Bias=Bias, Drive=Drive)

    def is_gpiochip_device(self, path: str) -> bool:
        return path.rsplit("/", 1)[-1] in self.labels

    def Chip(self, path: str) -> Any:  # noqa: N802  # the name of the library
        label = self.labels[path.rsplit("/", 1)[-1]]
        if label == "locked":
            raise PermissionError(13, "Permission denied")
        if label == "gone":
            raise OSError(19, "No such device")
        fake = SimpleNamespace(get_info=lambda: SimpleNamespace(label=label))
        return _Context(fake)

    def LineSettings(self, **settings: Any) -> Any:  # noqa: N802
        return SimpleNamespace(**settings)

    def request_lines(self, path: str, config: dict[int, Any], consumer: str) -> "FakeGpiod":
        if self.busy:
            raise OSError(16, "Device or resource busy")
        self._apply(config)
        return self

    @property
    def fd(self) -> int:
        return 77

    def reconfigure_lines(self, config: dict[int, Any]) -> None:
        self._apply(config)

    def set_value(self, line: int, value: Value) -> None:
        if self.fault is not None:
            raise self.fault
        assert self.config[line].direction is Direction.OUTPUT
        self.levels[line] = value is Value.ACTIVE

    def get_values(self, lines: list[int]) -> list[Value]:
        if self.fault is not None:
            raise self.fault
        return [Value(self.levels.get(line, False)) for line in lines]

    def wait_edge_events(self, timeout: object) -> bool:
        return self.edges > 0

    def read_edge_events(self) -> None:
        self.edges = 0

    def release(self) -> None:
        self.released = True

    def _apply(self, config: dict[int, Any]) -> None:
        self.config = config
        for line, settings in config.items():
            if settings.direction is Direction.OUTPUT:
                self.levels[line] = settings.output_value is Value.ACTIVE


class _Context:
    def __init__(self, chip: Any) -> None:
        self._chip = chip

    def __enter__(self) -> Any:
        return self._chip

    def __exit__(self, *_: object) -> None:
        return None
