"""The former board file (schema 1, device and wiring in one) split into board models and a wiring of schema 2.

For sites that have a board file of their own: the result is written beside the site file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from drivers.data_file import SCHEMA, Form, to_form

RELAY_MODEL = "waveshare-relay-8ch-d"
ANALOG_MODEL = "waveshare-analog-8ch"
RELAY_ROLE, ANALOG_ROLE = "io", "analog"
_SHIPPED = (8, 10, 300)
"""Channels, pulse in units of 100 ms and renewal in ms of the shipped relay board."""


class _RelayBoard(Form, frozen=True, kw_only=True):
    channels: Annotated[int, Meta(ge=1, le=32)]
    pulse_100ms: Annotated[int, Meta(ge=2, le=20)]
    renew_interval_ms: Annotated[int, Meta(ge=50, le=1000)]


class _Output(Form, frozen=True, kw_only=True):
    channel: Annotated[int, Meta(ge=0, le=31)]
    timed: bool


class _Input(Form, frozen=True, kw_only=True):
    channel: Annotated[int, Meta(ge=0, le=31)]
    active_low: bool


class _Analog(Form, frozen=True, kw_only=True):
    channel: Annotated[int, Meta(ge=0, le=7)]
    scale: float
    offset: float


class FormerBoard(Form, frozen=True, kw_only=True):
    """config/boards of schema 1."""

    schema: Annotated[int, Meta(ge=1, le=1)]
    id: str
    description: str
    source: str
    relay_board: _RelayBoard
    outputs: dict[str, _Output]
    inputs: dict[str, _Input]
    analog: dict[str, _Analog]


@dataclass(frozen=True, slots=True)
class Split:
    """What becomes of a former board file.

    ``models``: board model by role. ``wiring``: the content of the new wiring file. ``own_models``: content of board
    files that the site needs because its settings differ from the shipped board; empty in the usual case.
    """

    models: Mapping[str, str]
    wiring: dict[str, Any]
    own_models: dict[str, dict[str, Any]] = field(default_factory=dict)


def split_board(data: dict[str, Any], path: Path, relay_model: Mapping[str, Any] | None = None) -> Split:
    """Split the content of a former board file. Raises DataFileError.

    ``relay_model`` is the content of the shipped relay board, the base of an own one when pulse or channels differ.
    """
    board = to_form(data, FormerBoard, path)
    relay = board.relay_board
    models = {RELAY_ROLE: RELAY_MODEL, ANALOG_ROLE: ANALOG_MODEL}
    own: dict[str, dict[str, Any]] = {}
    if (relay.channels, relay.pulse_100ms, relay.renew_interval_ms) != _SHIPPED and relay_model is not None:
        models[RELAY_ROLE] = f"{board.id}-relay"[:32]
        own[models[RELAY_ROLE]] = _own_relay(relay_model, models[RELAY_ROLE], relay)
    wiring: dict[str, Any] = {
        "schema": SCHEMA,
        "id": board.id,
        "description": board.description,
        "source": board.source,
        "boards": {RELAY_ROLE: "relays and discrete inputs", ANALOG_ROLE: "analogue inputs"},
        "outputs": {name: {"board": RELAY_ROLE, **msgspec.to_builtins(wire)} for name, wire in board.outputs.items()},
        "inputs": {name: {"board": RELAY_ROLE, **msgspec.to_builtins(wire)} for name, wire in board.inputs.items()},
        "analog": {name: {"board": ANALOG_ROLE, **msgspec.to_builtins(wire)} for name, wire in board.analog.items()},
    }
    return Split(models, wiring, own)


def _own_relay(shipped: Mapping[str, Any], name: str, relay: _RelayBoard) -> dict[str, Any]:
    model: dict[str, Any] = {**shipped, "id": name}
    pulse = {**shipped["outputs"]["pulse"], "units": relay.pulse_100ms, "renew_interval_ms": relay.renew_interval_ms}
    model["outputs"] = {**shipped["outputs"], "channels": relay.channels, "pulse": pulse}
    model["inputs"] = {**shipped["inputs"], "channels": relay.channels}
    return model


def toml_text(data: Mapping[str, Any]) -> str:
    """A board or wiring file as TOML: plain keys first, then one table a section with inline entries."""
    plain = [f"{key} = {_inline(value)}" for key, value in data.items() if not isinstance(value, Mapping)]
    lines = [*plain]
    for section, entries in data.items():
        if isinstance(entries, Mapping):
            lines += ["", f"[{section}]", *(f"{key} = {_inline(value)}" for key, value in entries.items())]
    return "\n".join(lines) + "\n"


def _inline(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # A basic string of TOML 1.0: the escapes of JSON are a subset of its own.
        return msgspec.json.encode(value).decode()
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {_inline(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_inline(each) for each in value) + "]"
    return repr(value)


__all__ = ["ANALOG_MODEL", "RELAY_MODEL", "FormerBoard", "Split", "split_board", "toml_text"]
