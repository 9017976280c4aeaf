"""The board of the pile itself: relays of the allocation contactors and the contacts that report them."""

from collections.abc import Callable
from pathlib import Path

from hil_tests.bench.modbus_parts import Boards, LineServer
from hil_tests.bench.module_bank import ModuleBank
from hil_tests.bench.relay_board import RelayBoard
from hil_tests.bench.site import PILE_WIRE
from hil_tests.bench.wires import SerialWire
from hil_tests.bench.wiring import Wiring

ADDRESS = 1
BAUD = 115200


class PileBoard:
    """One relay board with inputs on a line of its own; channels in the order of the bank's allocations."""

    def __init__(self, dev: Path, bank: ModuleBank, clock: Callable[[], float]) -> None:
        self._bank = bank
        self._clock = clock
        self._relays = RelayBoard()
        self._channels = {each.output: channel for channel, each in enumerate(bank.allocations)}
        self.wiring = Wiring(
            relay_channels=self._relays.channels,
            outputs=self._channels,
            inputs={f"{name}_closed": (channel, False) for name, channel in self._channels.items()},
            analog={},
        )
        self.devices = {PILE_WIRE: str(dev / PILE_WIRE)}
        self.wire = SerialWire(PILE_WIRE, BAUD, dev / PILE_WIRE)
        boards = Boards(self, self._relays, clock)
        self.server = LineServer(self.wire, [boards.relay_device(ADDRESS)], [boards.write_coil_request(ADDRESS)])

    @property
    def discrete_inputs(self) -> dict[str, bool]:
        """Feedback of each allocation contactor."""
        return {f"{each.output}_closed": each.contactor.closed for each in self._bank.allocations}

    @property
    def analog_inputs(self) -> dict[str, float]:
        """The board has none."""
        return {}

    def output(self, name: str) -> bool:
        """Whether the relay of that name is closed now."""
        return self._relays.closed(self._clock())[self._channels[name]]

    async def stop(self) -> None:
        """Stop serving and remove the port."""
        await self.server.stop()
        self.wire.close()
