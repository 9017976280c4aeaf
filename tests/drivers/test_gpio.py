"""Pins of the computer as a board: the logic, and the lines over a chip in memory."""

import sys
from pathlib import Path
from types import ModuleType

import msgspec
import pytest
from boards import gpio_model
from fake_gpiod import Bias, Direction, Drive, FakeGpiod

from drivers.contracts import Outputs
from drivers.errors import PortError
from drivers.inputs_outputs.analogue import AnalogWire
from drivers.inputs_outputs.gpio_board import GpioBoard
from drivers.inputs_outputs.gpio_port import GpioPort, find_chip, load_gpiod
from drivers.inputs_outputs.wires import InputWire, OutputWire, Wires

MODEL = gpio_model()
WIRES = Wires(
    outputs={"fan": OutputWire(0, False), "electronic_lock": OutputWire(1, False)},
    inputs={"door_open": InputWire(0, True), "lock_locked": InputWire(3, False)},
)
LABEL = {"gpiochip0": "other", "gpiochip1": MODEL.chip_label}


@pytest.fixture
def devices(tmp_path: Path) -> Path:
    for name in ("gpiochip0", "gpiochip1", "gpiochip2"):
        (tmp_path / name).touch()
    return tmp_path


class Rig:
    """A board on its port."""

    def __init__(self, folder: Path, held: tuple[str, ...] = ("electronic_lock",)) -> None:
        self.gpiod = FakeGpiod(LABEL)
        self.gpiod.levels[6] = True
        self.board = GpioBoard(MODEL, WIRES, 0.01, held=held)
        self.port = GpioPort(MODEL, self.board.levels(), self.board.input_channels, gpiod=self.gpiod, folder=folder)

    def turn(self, now_s: float) -> dict[str, object]:
        self.port.set_levels(self.board.levels())
        return {name: reading.value for name, reading in self.board.take(*self.port.read(), now_s)}


def test_outputs_start_off_and_a_held_one_is_left_as_found(devices: Path) -> None:
    rig = Rig(devices)
    assert rig.port.where == str(devices / "gpiochip1")
    assert rig.gpiod.config[5].direction is Direction.OUTPUT
    assert rig.gpiod.config[5].drive is Drive.PUSH_PULL
    assert rig.gpiod.config[6].direction is Direction.AS_IS
    rig.turn(1.0)
    assert (rig.gpiod.levels[5], rig.gpiod.levels[6]) == (False, True)
    assert rig.board.wanted == {"fan": False, "electronic_lock": None}
    assert rig.board.read_back["electronic_lock"].value is True


def test_on_and_off_and_the_first_command_of_a_held_output(devices: Path) -> None:
    rig = Rig(devices)
    outputs: Outputs = rig.board
    outputs.set_output("fan", True, 1.0)
    outputs.set_output("electronic_lock", False, 1.0)
    rig.turn(1.0)
    assert (rig.gpiod.levels[5], rig.gpiod.levels[6]) == (True, False)
    assert rig.gpiod.config[6].direction is Direction.OUTPUT
    assert rig.gpiod.config[5].direction is Direction.OUTPUT
    outputs.set_output("electronic_lock", True, 1.1)
    outputs.all_off(1.1, keep=("electronic_lock",))
    rig.turn(1.1)
    assert (rig.gpiod.levels[5], rig.gpiod.levels[6]) == (False, True)
    with pytest.raises(KeyError):
        outputs.set_output("pump", True, 1.2)


def test_contacts_follow_their_wiring_with_the_time_of_reading(devices: Path) -> None:
    rig = Rig(devices)
    settings = rig.gpiod.config[16]
    assert (settings.direction, settings.bias, settings.active_low) == (Direction.INPUT, Bias.PULL_UP, True)
    assert settings.debounce_period.total_seconds() == pytest.approx(0.005)
    assert rig.turn(1.0) == {"door_open": True, "lock_locked": False}
    rig.gpiod.levels |= {16: True, 23: True}
    assert rig.turn(1.1) == {"door_open": False, "lock_locked": True}
    inputs, outputs = rig.port.read()
    assert {reading.at_s for _, reading in rig.board.take(inputs, outputs, 7.5)} == {7.5}


def test_it_is_due_by_its_interval_and_edges_only_wake(devices: Path) -> None:
    rig = Rig(devices)
    assert rig.board.is_due(0.0)
    assert rig.board.next_due(0.0) == 0.0
    rig.turn(1.0)
    assert not rig.board.is_due(1.005)
    assert rig.board.next_due(1.005) == pytest.approx(1.01)
    assert rig.board.is_due(1.011)
    rig.gpiod.edges = 3
    rig.port.drop_edges()
    assert rig.gpiod.edges == 0
    assert rig.port.fileno() == 77
    rig.port.close()
    assert rig.gpiod.released


def test_a_wiring_that_cannot_work_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot open an output by itself"):
        GpioBoard(MODEL, Wires(outputs={"contactor_k1": OutputWire(0, True)}), 0.01)
    with pytest.raises(ValueError, match="twice"):
        GpioBoard(MODEL, Wires(inputs={"a": InputWire(0, True), "b": InputWire(0, True)}), 0.01)
    with pytest.raises(ValueError, match="analogue channel"):
        GpioBoard(MODEL, Wires(analog={"a_v": AnalogWire(0, "V")}), 0.01)


def test_errors_of_the_port_say_what_to_do(devices: Path) -> None:
    labels = {"gpiochip0": "other", "gpiochip2": "gone"}
    with pytest.raises(PortError, match=r"no GPIO chip labelled .* There are: gpiochip0 \(other\)"):
        find_chip(FakeGpiod(labels), MODEL.chip_label, devices)
    with pytest.raises(PortError, match="shows no GPIO chip at all"):
        find_chip(FakeGpiod({}), MODEL.chip_label, devices)
    with pytest.raises(PortError, match="group gpio"):
        find_chip(FakeGpiod({"gpiochip0": "locked"}), MODEL.chip_label, devices)
    with pytest.raises(PortError, match=r"lines \[5\] cannot be had: Device or resource busy"):
        GpioPort(MODEL, {0: False}, (), gpiod=FakeGpiod(LABEL, busy=True), folder=devices)
    rig = Rig(devices)
    rig.gpiod.fault = OSError(19, "No such device")
    with pytest.raises(PortError, match="get_values failed: No such device"):
        rig.port.read()


def test_channels_that_the_model_does_not_have_are_an_error(devices: Path) -> None:
    inputs_only = msgspec.structs.replace(MODEL, outputs=None)
    with pytest.raises(ValueError, match="has no outputs"):
        GpioPort(inputs_only, {0: False}, (), gpiod=FakeGpiod(LABEL), folder=devices)
    outputs_only = msgspec.structs.replace(MODEL, inputs=None)
    port = GpioPort(outputs_only, {0: False}, (), gpiod=FakeGpiod(LABEL), folder=devices)
    assert port.read() == ([], {0: False})


def test_without_the_library_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gpiod", None)
    with pytest.raises(PortError, match=r"pip install 'pile-agent\[gpio\]'"):
        load_gpiod()
    first = ModuleType("gpiod")
    monkeypatch.setitem(sys.modules, "gpiod", first)
    with pytest.raises(PortError, match="version 1"):
        load_gpiod()
    first.request_lines = None  # type: ignore[attr-defined]  # what version 2 has
    assert load_gpiod() is first


def test_the_fake_has_the_shape_of_the_library() -> None:
    real = pytest.importorskip("gpiod")
    for name in ("request_lines", "is_gpiochip_device", "Chip", "LineSettings", "LineRequest"):
        assert hasattr(real, name)
    for name in ("reconfigure_lines", "set_value", "get_values", "wait_edge_events", "read_edge_events", "release"):
        assert hasattr(real.LineRequest, name)
    for kind in ("Value", "Direction", "Edge", "Bias", "Drive"):
        members = {member.name for member in getattr(FakeGpiod({}).line, kind)}
        assert members <= {member.name for member in getattr(real.line, kind)}
