"""Brings a running agent back to the moment before an edge, so that twenty thousand edges fit into minutes.

A state is kept as a deep copy of the attributes of the objects that an edge changes. To restore it, a fresh copy is
made in which every moment (a float near the time of the copy) is moved on by the time that has passed: for the
agent it is as if the charge had been running until now. This happens between two edges; what runs from the edge to
the open command is the product's own code on the product's own objects, untouched.
"""

import copy
import enum
import types
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from agent.control.dc.core import ControlCore
from agent.field.assembly import Hardware
from agent.field.lines import ModbusLine
from agent.field.loop import FieldLoop
from hil_tests.performance.virtual_pile import VirtualPile

_NEAR_S = 600.0
"""A float this near to the time of the copy is a moment. No duration, limit or value of the kept objects is."""
_PLAIN = (int, str, bytes, bool, type(None), enum.Enum, type, types.FunctionType, types.MappingProxyType, range)


class _Copier:
    """Copies a graph of objects with its moments moved. ``shared`` objects are used as they are."""

    def __init__(self, origin_s: float, delta_s: float, shared: Iterable[object]) -> None:
        self._low_s, self._high_s = origin_s - _NEAR_S, origin_s + _NEAR_S
        self._delta_s = delta_s
        self._done: dict[int, Any] = {id(item): item for item in shared}

    def copy(self, value: Any) -> Any:
        """The copy of one value."""
        kind = type(value)
        if kind is float:
            return value + self._delta_s if self._low_s < value < self._high_s else value
        if isinstance(value, _PLAIN):
            return value
        done = self._done.get(id(value))
        if done is not None:
            return done
        if kind is tuple:
            return tuple(self.copy(item) for item in value)
        if kind is frozenset:
            return frozenset(self.copy(item) for item in value)
        return self._copy_object(value, kind)

    def _copy_object(self, value: Any, kind: type) -> Any:
        fresh: Any
        if kind is dict:
            fresh = self._done[id(value)] = {}
            fresh.update((self.copy(key), self.copy(item)) for key, item in value.items())
        elif kind in (list, set, deque):
            fresh = self._done[id(value)] = kind() if kind is not deque else deque(maxlen=value.maxlen)
            for item in value:
                (fresh.add if kind is set else fresh.append)(self.copy(item))
        elif kind is types.MethodType:
            fresh = types.MethodType(value.__func__, self.copy(value.__self__))
        elif isinstance(value, msgspec.Struct):
            fresh = self._done[id(value)] = copy.copy(value)
            for name in value.__struct_fields__:
                msgspec.structs.force_setattr(fresh, name, self.copy(getattr(value, name)))
        elif kind.__module__.split(".")[0] in ("agent", "drivers"):
            fresh = self._done[id(value)] = object.__new__(kind)
            for name, item in attributes(value).items():
                object.__setattr__(fresh, name, self.copy(item))
        else:
            fresh = self._done[id(value)] = copy.deepcopy(value)
        return fresh


def attributes(value: object) -> dict[str, Any]:
    """All attributes that an instance holds, with and without slots."""
    found = dict(getattr(value, "__dict__", {}))
    for base in type(value).__mro__:
        slots = base.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                found[name] = getattr(value, name)
    return found


class Moment:
    """The state of some objects at one time; ``restore`` puts it back into the very same objects."""

    def __init__(
        self, objects: Iterable[object], now_s: float, *, shared: Iterable[object], leave: frozenset[str]
    ) -> None:
        """Keep the attributes of ``objects`` except those named in ``leave``."""
        self._origin_s = now_s
        self._objects = list(objects)
        self._shared = [*shared, *self._objects]
        self._leave = leave
        copier = _Copier(now_s, 0.0, self._shared)
        self._kept = [self._copy(copier, attributes(item)) for item in self._objects]

    def _copy(self, copier: _Copier, values: Mapping[str, Any]) -> dict[str, Any]:
        return {name: copier.copy(value) for name, value in values.items() if name not in self._leave}

    def restore(self, now_s: float) -> None:
        """As if the kept time were ``now_s``."""
        copier = _Copier(self._origin_s, now_s - self._origin_s, self._shared)
        for item, kept in zip(self._objects, self._kept, strict=True):
            for name, value in self._copy(copier, kept).items():
                object.__setattr__(item, name, value)


_CORE_LEAVES = frozenset({"parameters", "backlog", "answers", "sequence", "uplink_state", "wall_ms", "wall_quality"})
"""What goes on in core, chassis and charge point: settings, record numbers, the state machine (its state is kept)."""


class ChargingCore:
    """The charging state of a core that a virtual pile has brought there."""

    def __init__(self, pile: VirtualPile) -> None:
        self._core: ControlCore = pile.core
        self._state = pile.core.state
        shared = (pile.parameters, pile.parameters.faults, pile.parameters.tariff, pile.parameters.numbers)
        self._moment = Moment(
            [pile.core, pile.core.chassis, pile.core.point], pile.now_s, shared=shared, leave=_CORE_LEAVES
        )

    def restore(self, now_s: float) -> None:
        """The core is charging, and all its readings are as fresh as they were."""
        self._core.point.sequence.state = self._state
        self._moment.restore(now_s)


class QuietLine:
    """The line of the boards while nothing is on it, and what the loop remembers of it."""

    def __init__(self, loop: FieldLoop, hardware: Hardware, line: ModbusLine, now_s: float) -> None:
        self._loop = loop
        self._board = hardware.connectors[0].outputs
        devices = list(line.devices.values())
        self._due_s = min(device.next_due(now_s) for device in devices)
        self._moment = Moment(
            [line.master, *devices],
            now_s,
            shared=[wiring for device in devices if (wiring := getattr(device, "_wiring", None)) is not None],
            leave=frozenset(),
        )
        self._line = line
        self._origin_s = now_s

    def restore(self, now_s: float) -> None:
        """Nothing is on the line, every output is confirmed, and the next poll is due at once."""
        self._moment.restore(now_s - max(0.0, self._due_s - self._origin_s))
        put(self._line, _device_due_s=float("-inf"))
        self._loop._line_due_s.clear()
        self._loop._delivery.bool_values["emergency_stop_pressed"] = False
        wanted = {name: on for name, on in self._board.wanted.items() if on is not None}
        put(self._loop, _next_request_s=now_s, _edge=False)
        put(self._loop._delivery, edge=False)
        put(self._loop._ends[1], relays=wanted)


def put(item: object, **values: Any) -> None:
    """Set attributes that must exist: if the product has renamed one, a measurement must not go on without it.

    Raises AttributeError.
    """
    for name, value in values.items():
        getattr(item, name)
        setattr(item, name, value)


class Rearming:
    """Called between two turns of an agent; restores it when the board has measured an edge."""

    def __init__(
        self, charging: ChargingCore, quiet: Callable[[float], QuietLine | None], *, stays_s: float = 0.2
    ) -> None:
        self._charging = charging
        self._quiet = quiet
        self._line: QuietLine | None = None
        self._stays_s = stays_s
        self._restored_at_s = float("-inf")

    @property
    def ready(self) -> bool:
        """Edges may begin."""
        return self._line is not None

    def keep_charging(self, now_s: float) -> bool:
        """Before the first edge: hold the core in charging. Returns whether line and record have settled."""
        if now_s - self._restored_at_s > self._stays_s:
            self._charging.restore(now_s)
            self._restored_at_s = now_s
        self._line = self._quiet(now_s)
        return self.ready

    def restore(self, now_s: float) -> None:
        """After an edge."""
        assert self._line is not None
        self._charging.restore(now_s)
        self._line.restore(now_s)
        self._restored_at_s = now_s

    def refresh(self, now_s: float) -> None:
        """No edge has come for a while: keep the core from running into time-outs of parts that are not there."""
        if now_s - self._restored_at_s > self._stays_s:
            self._charging.restore(now_s)
            self._restored_at_s = now_s
