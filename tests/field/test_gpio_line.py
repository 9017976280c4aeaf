"""A board of pins as a line of the field process."""

from agent.field.gpio_line import GpioLine
from agent.settings.files import data_folder
from drivers.errors import PortError
from drivers.inputs_outputs.board_model import GpioBoardModel, load_board_model
from drivers.inputs_outputs.gpio_board import GpioBoard
from drivers.inputs_outputs.wires import InputWire, OutputWire, Wires
from drivers.reading import Reading


class Port:
    """Pins in memory; ``fault`` is raised by the next call."""

    def __init__(self) -> None:
        self.levels: dict[int, bool | None] = {}
        self.inputs = [False]
        self.edges = 0
        self.fault: PortError | None = None
        self.closed = False

    def fileno(self) -> int:
        return 9

    def set_levels(self, levels: dict[int, bool | None]) -> None:
        if self.fault is not None:
            raise self.fault
        self.levels |= levels

    def read(self) -> tuple[list[bool], dict[int, bool]]:
        if self.fault is not None:
            raise self.fault
        return list(self.inputs), {channel: bool(level) for channel, level in self.levels.items()}

    def drop_edges(self) -> None:
        self.edges += 1

    def close(self) -> None:
        self.closed = True


def line_of(port: Port) -> GpioLine:
    model = load_board_model(data_folder() / "boards" / "raspberry-pi-4-gpio.toml")
    assert isinstance(model, GpioBoardModel)
    wires = Wires({"fan": OutputWire(0, False)}, {"door_open": InputWire(0, True)})
    return GpioLine(GpioBoard(model, wires, 0.01), lambda *_: port)  # type: ignore[arg-type]  # in memory


def test_readings_on_the_interval_and_on_edges_outputs_at_once() -> None:
    port, got = Port(), []

    def deliver(name: str, reading: Reading) -> None:
        got.append((name, reading.value, reading.at_s))

    line = line_of(port)
    assert line.fileno() == -1
    assert line.turn(0.5, deliver) == 1.5
    line.read(0.5, deliver)
    assert line.try_open(1.0)
    assert line.fileno() == 9
    assert line.turn(1.0, deliver) == 1.01
    assert got == [("door_open", True, 1.0)]
    assert line.turn(1.005, deliver) == 1.01
    assert len(got) == 1
    port.inputs = [True]
    line.read(1.006, deliver)
    assert got[-1] == ("door_open", False, 1.006)
    assert port.edges == 1
    line.board.set_output("fan", True, 1.007)
    line.turn(1.007, deliver, force=True)
    assert port.levels == {0: True}
    assert line.status(1.1) == {"port": "pinctrl-bcm2711", "trouble": "", "opened": 1, "readings": 3}


def test_a_chip_that_goes_is_opened_again() -> None:
    port = Port()
    line = line_of(port)
    line.try_open(1.0)
    port.fault = PortError("gone", "gpiochip0", "Look.")
    assert line.turn(1.1, lambda *_: None) == 2.1
    assert port.closed
    assert not line.is_open
    port.fault = None
    assert line.try_open(3.0)
    port.fault = PortError("gone", "gpiochip0", "Look.")
    line.read(3.1, lambda *_: None)
    assert line.trouble
    line.close(3.2)
    assert line.fileno() == -1
