"""Each number of each device data file acts: a changed one is refused, or the driver behaves differently.

What the factory sets (``serial``) is for the installer and for the settings of a site; no driver reads it.
"""

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from boards import CONFIG

from drivers.catalogue import group_plan
from drivers.data_file import DataFileError, to_form
from drivers.inputs_outputs.board_model import ModbusBoardModel, board_form, board_model_mistakes
from drivers.inputs_outputs.gpio_board import GpioBoard
from drivers.inputs_outputs.modbus_board import ModbusBoard
from drivers.inputs_outputs.wires import InputWire, OutputWire, Wires
from drivers.inputs_outputs.wiring import Wiring, opens_after_s, wires_of, wiring_mistakes
from drivers.insulation.monitor import RegisterMonitor
from drivers.insulation.register_map import InsulationMap, insulation_map_mistakes
from drivers.line.exchange import Result
from drivers.modbus.codec import Request
from drivers.power.models import PowerModel, driver_of, plan_mistakes, power_model_mistakes
from drivers.power.module_group import GroupPlan

FORMER = CONFIG / "boards" / "waveshare-rs485.toml"
NOT_READ_BY_A_DRIVER = {"schema", "serial", "bitrate_bps"}
"""serial and bitrate_bps are compared with the site file by its check."""

KINDS = ("boards", "insulation_monitors", "power_modules", "wiring")
FILES = [path for kind in KINDS for path in sorted((CONFIG / kind).glob("*.toml")) if path != FORMER]
Place = tuple[str | int, ...]


def places(node: Any, place: Place = ()) -> Iterator[Place]:
    """Every number of a file."""
    if isinstance(node, dict):
        for key, value in node.items():
            if place or key not in NOT_READ_BY_A_DRIVER:
                yield from places(value, (*place, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from places(value, (*place, index))
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield place


def changed(data: dict[str, Any], place: Place) -> dict[str, Any]:
    copy = tomllib.loads(_TEXTS[id(data)])
    node: Any = copy
    for step in place[:-1]:
        node = node[step]
    value = node[place[-1]]
    node[place[-1]] = value + 1 if isinstance(value, int) else value * 1.1 + 0.05
    return copy


_TEXTS: dict[int, str] = {}


def registers_of(count: int, seed: int) -> tuple[int, ...]:
    return tuple((seed * 257 + index * 4099) & 0xFFFF for index in range(count))


def answer(request: Request, seed: int, now_s: float) -> Result:
    if request.function in (1, 2):
        return Result(request, bits=tuple((seed >> index) & 1 == 1 for index in range(request.count)), at_s=now_s)
    return Result(request, registers=registers_of(request.count, seed), at_s=now_s)


def board_behaviour(data: dict[str, Any], path: Path) -> Any:
    model = to_form(data, board_form(data), path)
    mistakes = board_model_mistakes(model)  # either form
    if mistakes:
        return mistakes
    outputs = {} if model.outputs is None else {f"o{n}": n for n in range(model.outputs.channels)}
    inputs = {} if model.inputs is None else {f"i{n}": n for n in range(model.inputs.channels)}
    contacts = {name: InputWire(n, False) for name, n in inputs.items()}
    if not isinstance(model, ModbusBoardModel):
        board = GpioBoard(model, Wires({k: OutputWire(n, False) for k, n in outputs.items()}, contacts), 0.01)
        return board.levels(), board.input_channels, model
    timed = model.outputs is not None and (model.outputs.pulse is not None or model.outputs.watchdog is not None)
    analog = {} if model.analog is None else {f"a{n}_v": n for n in range(model.analog.channels)}
    wiring = Wiring(
        schema=2,
        id="w",
        description="d",
        source="s",
        boards={"b": ""},
        analog=to_form(
            {"schema": 2, "id": "w", "description": "d", "source": "s", "boards": {"b": ""},
             "analog": {k: {"board": "b", "channel": n} for k, n in analog.items()}},
            Wiring,
            path,
        ).analog,
    )  # fmt: skip
    wires = Wires({k: OutputWire(n, timed) for k, n in outputs.items()}, contacts, wires_of(wiring, "b", model).analog)
    driver = ModbusBoard(model, wires, 1, model.interval_ms / 1000)
    seen: list[Any] = [driver.timing]
    for step in range(400):
        now_s = step * 0.01
        if step == 150:
            for name in outputs:
                driver.set_output(name, True, now_s)
        for request in driver.requests(now_s):
            seed = step * 31 + 5
            if request.function == 3 and request.count == 1 and model.outputs and model.outputs.watchdog:
                result = Result(request, registers=(2,), at_s=now_s)
            else:
                result = answer(request, seed, now_s)
            seen += [(now_s, request), driver.accept(result)]
    if model.analog is not None:
        request = Request(1, model.analog.function, model.analog.start, model.analog.channels, tag="analog")
        span = (model.analog.lowest_raw, model.analog.highest_raw, *model.analog.failed_raw)
        for raw in {value + offset for value in span for offset in (-1, 0, 1)} | set(_ENDS):
            registers = (raw & 0xFFFF,) * model.analog.channels
            seen.append((raw, driver.accept(Result(request, registers=registers, at_s=9.0))))
    return sorted(map(repr, seen)), opens_after_s(model)


_ENDS = (-501, -500, -499, 0, 1, 1999, 2000, 2001, 10499, 10500, 10501, 30000, 30001, 32767, -32768, -32767, -32766)


def monitor_behaviour(data: dict[str, Any], path: Path) -> Any:
    register_map = to_form(data, InsulationMap, path)
    mistakes = insulation_map_mistakes(register_map)
    if mistakes:
        return mistakes
    monitor = RegisterMonitor(register_map, 1)
    seen: list[Any] = [monitor.timing]
    for seed in range(600):
        for request in monitor.requests(seed * 2.0):
            assert isinstance(request, Request)
            words = list(registers_of(request.count, seed))
            if seed % 3:
                # Plausible values, so that ranges and single status bits show.
                words = [0] * request.count
                words[seed % request.count] = 1 << seed % 16
            if seed == 3:
                words = [0xFFFF] * request.count
            if seed % 60 == 0:
                words = [[0x4B98, 0x9680, 0, 0], [0x4489, 0x8000, 0, 0]][seed // 60 % 2] * (request.count // 4 or 1)
                words = (words * 2)[: request.count]
            if seed >= 500:
                words = [10_000 + seed % 2] * request.count
                words[0] = 0
            seen += [request, monitor.accept(Result(request, tuple(words), at_s=1.0)), monitor.values.copy()]
            seen.append(monitor.conditions)
    for highest in _RANGE_ENDS:
        for request in monitor.requests(1e6 + highest):
            words = [int(highest)] * request.count
            words[0] = 0
            seen += [monitor.accept(Result(request, tuple(words), at_s=1.0)), monitor.values.copy()]
    return repr(seen), register_map if path.stem.startswith("bender") else None


_RANGE_ENDS = (10_000.0, 10_500.0, 11_000.0, 11_001.0, 11_500.0, 12_000.0, 12_500.0)


def module_behaviour(data: dict[str, Any], path: Path) -> Any:
    model = to_form(data, PowerModel, path)
    mistakes = power_model_mistakes(model)
    if mistakes:
        return mistakes
    fits = [plan_mistakes(model, GroupPlan.of(count, model.first_address)) for count in (1, 12, 13, 60, 61)]
    fits += [plan_mistakes(model, GroupPlan((address,))) for address in range(256)]
    stage = driver_of(model).build(model, GroupPlan.of(2, model.first_address), 0.1)
    settings = getattr(stage, "_settings", None), getattr(stage, "_rated_current_a", None)
    return fits, group_plan(model, 2), stage.poll(1.0), stage.poll(1.2), settings


def wiring_behaviour(data: dict[str, Any], path: Path) -> Any:
    wiring = to_form(data, Wiring, path)
    mistakes = wiring_mistakes(wiring)
    if mistakes:
        return mistakes
    model = to_form(
        tomllib.loads((CONFIG / "boards" / "waveshare-analog-8ch.toml").read_text("utf-8")), ModbusBoardModel, path
    )
    return [wires_of(wiring, role, model) for role in wiring.boards]


BEHAVIOURS = {
    "boards": board_behaviour,
    "insulation_monitors": monitor_behaviour,
    "power_modules": module_behaviour,
    "wiring": wiring_behaviour,
}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_each_number_acts(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    data = tomllib.loads(text)
    _TEXTS[id(data)] = text
    behaviour = BEHAVIOURS[path.parent.name]
    before = behaviour(data, path)
    silent = []
    for place in places(data):
        try:
            after = behaviour(changed(data, place), path)
        except (DataFileError, ValueError):
            continue
        if after == before:
            silent.append(".".join(map(str, place)))
    assert silent == []
