"""The vehicle as the plant meets it: the simulated vehicle's process, or a foreign vehicle's terminals."""

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

from drivers.can.frame import CanFrame
from hil_tests.bench.plant import Plant

_PERIOD_S = 0.02
_REPLY_TIMEOUT_S = 2.0
_FOREIGN_RESISTANCE_OHM = 0.1
# GB/T 27930: BRO (the battery is ready: 0xAA), BST (stop) and BSD (statistics) from the BMS, address 0xF4.
_BRO_IDENTIFIER, _BST_IDENTIFIER, _BSD_IDENTIFIER = 0x100956F4, 0x101956F4, 0x181C56F4
_BRO_READY = 0xAA
_VEHICLE_ADDRESS = 0xF4
# The vehicle opens its contactors when the charger falls silent; 5 s is its longest time-out (GB/T 27930).
_SILENCE_S = 5.0


class VehicleError(Exception):
    """The vehicle is not there, does not answer, or refuses a command; the text states which."""


class VehicleLink:
    """The socket on which the process of the simulated vehicle sends its battery state and receives plug and voltages.

    One JSON object a line, both ways every 20 ms. A vehicle that goes away leaves its contactors open.
    """

    def __init__(self, plant: Plant, path: Path) -> None:
        self._plant = plant
        self._path = path
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reply: asyncio.Future[dict[str, Any]] | None = None
        self._asking = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.linked = asyncio.Event()

    async def start(self) -> None:
        """Listen."""
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, str(self._path))

    async def stop(self) -> None:
        """Close the connection and stop listening."""
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._writer is not None:
            self._writer.close()
        self._path.unlink(missing_ok=True)

    async def command(self, text: str) -> str:
        """Forward a command to the vehicle and return its answer. Raises VehicleError."""
        async with self._asking:
            if self._writer is None:
                raise VehicleError("no vehicle process is connected")
            self._reply = asyncio.get_running_loop().create_future()
            self._write({"command": text})
            try:
                answer = await asyncio.wait_for(self._reply, _REPLY_TIMEOUT_S)
            except TimeoutError:
                raise VehicleError(f"the vehicle did not answer within {_REPLY_TIMEOUT_S:.0f} s") from None
            finally:
                self._reply = None
        if not answer.get("ok", True):
            raise VehicleError(str(answer["reply"]))
        return str(answer["reply"])

    async def state(self) -> dict[str, Any]:
        """The state that the vehicle reports; empty if it does not answer."""
        try:
            state = json.loads(await self.command("state"))
        except (VehicleError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.linked.set()
        teller = asyncio.create_task(self._tell())
        self._tasks.add(teller)
        teller.add_done_callback(self._tasks.discard)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            while line := await reader.readline():
                self._take(line)
        teller.cancel()
        if self._writer is writer:
            self._writer = None
            self.linked.clear()
            self._plant.battery.connected = False
        writer.close()

    def _take(self, line: bytes) -> None:
        with contextlib.suppress(ValueError, TypeError, KeyError):
            message = json.loads(line)
            if "reply" in message:
                if self._reply is not None and not self._reply.done():
                    self._reply.set_result(message)
                return
            battery = self._plant.battery
            battery.open_circuit_voltage_v = float(message["open_circuit_voltage_v"])
            battery.resistance_ohm = max(float(message["resistance_ohm"]), 1e-3)
            battery.connected = bool(message["contactors_closed"])

    async def _tell(self) -> None:
        while True:
            plant = self._plant
            self._write(
                {
                    "plugged": plant.inputs.plugged,
                    "auxiliary_voltage_v": plant.auxiliary_voltage_v if plant.inputs.plugged else 0.0,
                    "terminal_voltage_v": round(plant.terminal_voltage_v, 3),
                    "current_a": round(plant.circuit.current_a, 3),
                }
            )
            await asyncio.sleep(_PERIOD_S)

    def _write(self, message: dict[str, Any]) -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(json.dumps(message).encode() + b"\n")


class ForeignTerminals:
    """Battery of a vehicle that is not the bench's: from a file that the vehicle updates, or a fixed voltage.

    The file holds a number (terminal voltage in V; below 1 V means contactors open) or a JSON object with
    ``open_circuit_voltage_v``, ``resistance_ohm`` and ``contactors_closed``. With a fixed voltage the vehicle's
    contactors follow its messages on the wire: closed from BRO 0xAA until BST, BSD, 5 s of silence, or unplugging.
    """

    def __init__(self, plant: Plant, *, file: Path | None = None, voltage_v: float | None = None) -> None:
        self._plant = plant
        self._file = file
        self._stamp: tuple[int, int] | None = None
        self._last_heard_s: float | None = None
        plant.battery.resistance_ohm = _FOREIGN_RESISTANCE_OHM
        if voltage_v is not None:
            plant.battery.open_circuit_voltage_v = voltage_v

    def hear(self, frame: CanFrame, now_s: float) -> None:
        """A frame on the vehicle's CAN line."""
        if self._file is not None or not frame.extended or frame.identifier & 0xFF != _VEHICLE_ADDRESS:
            return
        self._last_heard_s = now_s
        if frame.identifier == _BRO_IDENTIFIER and frame.data[:1] == bytes([_BRO_READY]):
            self._plant.battery.connected = self._plant.battery.open_circuit_voltage_v > 0.0
        elif frame.identifier in (_BST_IDENTIFIER, _BSD_IDENTIFIER):
            self._plant.battery.connected = False

    def poll(self, now_s: float) -> None:
        """Follow the file, or open the contactors of a silent or unplugged vehicle."""
        if self._file is not None:
            self._read_file(self._file)
            return
        silent = self._last_heard_s is None or now_s - self._last_heard_s > _SILENCE_S
        if silent or not self._plant.inputs.plugged:
            self._plant.battery.connected = False

    def _read_file(self, path: Path) -> None:
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp == self._stamp:
                return
            content = json.loads(path.read_text(encoding="utf-8"))
            self._apply(content)
            self._stamp = stamp
        except FileNotFoundError:
            self._plant.battery.connected = False
            self._stamp = None
        except (ValueError, TypeError, KeyError):
            # Caught in the middle of a write by the foreign part: the next poll reads it whole.
            return

    def _apply(self, content: Any) -> None:
        battery = self._plant.battery
        if isinstance(content, dict):
            battery.open_circuit_voltage_v = float(content["open_circuit_voltage_v"])
            battery.resistance_ohm = max(float(content.get("resistance_ohm", _FOREIGN_RESISTANCE_OHM)), 1e-3)
            battery.connected = bool(content.get("contactors_closed", battery.open_circuit_voltage_v >= 1.0))
        else:
            battery.open_circuit_voltage_v = float(content)
            battery.connected = battery.open_circuit_voltage_v >= 1.0
