"""Meters put together on one serial line, behind one Modbus TCP port, or both."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from drivers.meters.identifier_map import WILDCARD_ADDRESS, IdentifierMap
from drivers.meters.modbus_map import RegisterMap
from drivers.meters.register_map import RegisterMapError, load_map
from hil_tests.bench.meters.dlt645 import IdentifierModel
from hil_tests.bench.meters.model import MeterModel
from hil_tests.bench.meters.station import BenchMeter, DltStation, RtuStation, TcpStation
from hil_tests.bench.wires import SerialWire

MAPS = Path(__file__).resolve().parents[3] / "config" / "meters"
FIRST_NUMBER = 202_600_000_001
"""Number of the first DL/T 645 meter that is given none."""


class BenchError(Exception):
    """The meters cannot be served; the text gives the reason."""


@dataclass(frozen=True, slots=True)
class MeterSpec:
    """A meter to serve. ``address`` is that of Modbus, or the twelve digits of DL/T 645."""

    meter_map: RegisterMap | IdentifierMap
    address: int | str
    latency_s: float = 0.005
    variants: tuple[str, ...] | None = None
    ratios: Mapping[str, float] | None = None
    alternative: bool = False

    @classmethod
    def of(
        cls,
        name: str,
        address: int | str | None = None,
        *,
        latency_s: float = 0.005,
        variants: tuple[str, ...] | None = None,
        ratios: Mapping[str, float] | None = None,
        alternative: bool = False,
    ) -> "MeterSpec":
        """By the name of a shipped map or the path of a file. Raises BenchError."""
        path = MAPS / f"{name}.toml" if "/" not in name and not name.endswith(".toml") else Path(name)
        try:
            loaded = load_map(path)
        except RegisterMapError as error:
            names = ", ".join(sorted(each.stem for each in MAPS.glob("*.toml")))
            hint = "" if path.exists() else f"; there are {names}"
            raise BenchError(f"{error}{hint}") from error
        if isinstance(loaded, RegisterMap):
            number = str(loaded.serial.address if address is None else address)
            if not (number.isdecimal() and 1 <= int(number) <= 247):
                raise BenchError(f"address {number} is not within 1 to 247")
            return cls(loaded, int(number), latency_s, variants, ratios, alternative)
        if address is None:
            address = loaded.serial.number if loaded.serial.number != WILDCARD_ADDRESS else str(FIRST_NUMBER)
        if not (str(address).isdecimal() and len(str(address)) == 12):
            raise BenchError(f"{address} is not the twelve digits of a DL/T 645 meter")
        return cls(loaded, str(address), latency_s)


class MeterLine:
    """Serves meters. Settings that are None are those of the first map. Must be made inside an event loop."""

    def __init__(
        self,
        specs: list[MeterSpec],
        pty: Path | None = None,
        baud: int | None = None,
        parity: str | None = None,
        stop_bits: int | None = None,
        *,
        checks_settings: bool = False,
    ) -> None:
        serial = specs[0].meter_map.serial
        self.wire: SerialWire | None = None
        if pty is not None:
            self.wire = SerialWire(
                pty.name,
                baud or serial.baud,
                pty,
                parity=parity or serial.parity,
                stop_bits=stop_bits or serial.stop_bits,
            )
        self._checks_settings = checks_settings
        self.meters = [self._add(index, spec) for index, spec in enumerate(specs)]
        self.tcp: TcpStation | None = None

    def _add(self, index: int, spec: MeterSpec) -> BenchMeter[MeterModel] | BenchMeter[IdentifierModel]:
        if isinstance(spec.meter_map, RegisterMap):
            model = MeterModel(
                spec.meter_map,
                int(spec.address),
                variants=spec.variants,
                ratios=spec.ratios,
                alternative=spec.alternative,
                clock=time.monotonic,
            )
            meter = BenchMeter(model, latency_s=spec.latency_s)
            meter.faults.random.seed(index)
            if self.wire is not None:
                RtuStation(self.wire, meter, checks_settings=self._checks_settings)
            return meter
        other = BenchMeter(
            IdentifierModel(spec.meter_map, str(spec.address), clock=time.monotonic), latency_s=spec.latency_s
        )
        other.faults.random.seed(index)
        if self.wire is not None:
            DltStation(self.wire, other, checks_settings=self._checks_settings)
        return other

    @property
    def wire_settings(self) -> SerialWire:
        """The serial line. Raises BenchError if there is none."""
        if self.wire is None:
            raise BenchError("there is no serial line")
        return self.wire

    async def start_tcp(self, port: int = 0) -> int:
        """Serve the Modbus meters on loopback, too; returns the port. Raises OSError."""
        self.tcp = TcpStation([meter for meter in self.meters if isinstance(meter.model, MeterModel)])
        await self.tcp.start(port)
        return self.tcp.port

    async def stop(self) -> None:
        """Give everything back."""
        if self.tcp is not None:
            await self.tcp.stop()
        if self.wire is not None:
            self.wire.close()

    def description(self) -> list[str]:
        """What is served where, one line each."""
        rows = [f"{meter.model.id} at {meter.model.address}" for meter in self.meters]
        if self.wire is not None:
            wire = self.wire
            rows.append(f"serial {wire.link} {wire.baud} 8{wire.parity}{wire.stop_bits}")
        if self.tcp is not None:
            rows.append(f"tcp 127.0.0.1:{self.tcp.port}")
        return rows
