"""States of channels in a Modbus reply, however the board packs them."""

from drivers.inputs_outputs.board_model import BitRead
from drivers.line.exchange import Result


def bits_of(read: BitRead, result: Result, channels: int) -> tuple[bool, ...]:
    """The state of each channel, from the first."""
    if result.bits:
        return result.bits[:channels]
    if read.layout == "register":
        return tuple(bool(register & read.mask) for register in result.registers[:channels])
    return tuple(bool(result.registers[channel // 16] >> channel % 16 & 1) for channel in range(channels))


def count_of(read: BitRead, channels: int) -> int:
    """How many coils, inputs or registers have to be read for ``channels``."""
    return channels if read.function in (1, 2) or read.layout == "register" else (channels + 15) // 16
