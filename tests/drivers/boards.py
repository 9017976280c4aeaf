"""Boards of config/boards as the tests use them."""

from collections.abc import Collection
from pathlib import Path

from drivers.inputs_outputs.board_model import GpioBoardModel, ModbusBoardModel, load_board_model
from drivers.inputs_outputs.modbus_board import ModbusBoard
from drivers.inputs_outputs.wires import Wires

CONFIG = Path(__file__).resolve().parents[2] / "config"
RELAYS, ANALOG, INPUTS = "waveshare-relay-8ch-d", "waveshare-analog-8ch", "modbus-inputs-8ch"
WATCHDOG, REGISTERS = "wirenboard-wb-mr6c", "relay-r421a08"


def modbus_model(name: str) -> ModbusBoardModel:
    model = load_board_model(CONFIG / "boards" / f"{name}.toml")
    assert isinstance(model, ModbusBoardModel)
    return model


def gpio_model(name: str = "raspberry-pi-4-gpio") -> GpioBoardModel:
    model = load_board_model(CONFIG / "boards" / f"{name}.toml")
    assert isinstance(model, GpioBoardModel)
    return model


def board_of(
    name: str, wires: Wires, address: int = 1, interval_s: float = 0.02, held: Collection[str] = ()
) -> ModbusBoard:
    return ModbusBoard(modbus_model(name), wires, address, interval_s, held=held)
