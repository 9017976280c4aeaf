"""The sequence in which a line is scanned: the likeliest settings first, each only once.

Pure. The maps contain the factory settings; the likelihood of a setting is the number of maps with it. All meters of
one line share its setting, so the first meter found fixes it for the rest of the scan.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.cli.meter.bus import LineSettings
from drivers.dlt645.request import read_address
from drivers.line.exchange import LineRequest
from drivers.meters.identifier_map import IdentifierMap
from drivers.meters.identify import identifying_signals
from drivers.meters.modbus_map import RegisterMap
from drivers.meters.read_plan import plan_reads
from drivers.modbus.codec import READ_HOLDING_REGISTERS, READ_INPUT_REGISTERS, Request

AnyMap = RegisterMap | IdentifierMap

_USUAL = (
    LineSettings(9600, "N"),
    LineSettings(9600, "E"),
    LineSettings(19200, "E"),
    LineSettings(19200, "N"),
    LineSettings(2400, "E"),
    LineSettings(38400, "N"),
    LineSettings(115200, "N"),
    LineSettings(4800, "N"),
    LineSettings(2400, "N"),
    LineSettings(1200, "E"),
)
"""Settings that are tried regardless of the maps: factory settings and usual choices of installers."""

LIFETIME_S = 60.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to search. Empty ``bauds``, ``parities``, ``stop_bits``: all; ``addresses`` in ascending order."""

    maps: tuple[AnyMap, ...]
    addresses: tuple[int, ...]
    bauds: tuple[int, ...] = ()
    parities: tuple[str, ...] = ()
    stop_bits: tuple[int, ...] = ()
    on_network: bool = False

    def allows(self, settings: LineSettings) -> bool:
        """Whether a setting is to be searched."""
        return (
            (not self.bauds or settings.baud in self.bauds)
            and (not self.parities or settings.parity in self.parities)
            and (not self.stop_bits or settings.stop_bits in self.stop_bits)
        )

    @property
    def modbus(self) -> list[RegisterMap]:
        """The maps of Modbus meters."""
        return [each for each in self.maps if isinstance(each, RegisterMap)]

    @property
    def dlt645(self) -> list[IdentifierMap]:
        """The maps of DL/T 645 meters; not on a Modbus TCP connection."""
        return [] if self.on_network else [each for each in self.maps if isinstance(each, IdentifierMap)]


@dataclass(frozen=True, slots=True)
class Task:
    """One question to the line."""

    settings: LineSettings
    request: LineRequest


def settings_in_order(wanted: Wanted) -> list[LineSettings]:
    """All settings to search, the likeliest first."""
    if wanted.on_network:
        return [LineSettings()]
    count: Counter[LineSettings] = Counter()
    for meter_map in wanted.maps:
        count[factory_settings(meter_map)] += 100
        serial = meter_map.serial
        for baud in serial.bauds:
            count[LineSettings(baud, serial.parity, serial.stop_bits)] += 1
    for settings in _USUAL:
        count[settings] += 1
    for baud in wanted.bauds:
        for parity in wanted.parities or ("N", "E"):
            for stop_bits in wanted.stop_bits or (1,):
                count[LineSettings(baud, parity, stop_bits)] += 0
    ranks = {settings: rank for rank, settings in enumerate(_USUAL)}
    chosen = [settings for settings in count if wanted.allows(settings)]
    return sorted(chosen, key=lambda each: (-count[each], ranks.get(each, len(ranks)), each.baud, each.parity))


def factory_settings(meter_map: AnyMap) -> LineSettings:
    """How a meter leaves the factory."""
    serial = meter_map.serial
    return LineSettings(serial.baud, serial.parity, serial.stop_bits)


def quick_tasks(wanted: Wanted) -> list[Task]:
    """The likely places: what each model answers at its factory setting, then factory addresses at every setting."""
    order = settings_in_order(wanted)
    tasks: list[Task] = []
    for settings in order:
        own = [each for each in wanted.modbus if wanted.on_network or factory_settings(each) == settings]
        tasks += [
            Task(settings, first_request(each, each.serial.address))
            for each in own
            if each.serial.address in wanted.addresses
        ]
        if any(factory_settings(each) == settings for each in wanted.dlt645):
            tasks.append(Task(settings, read_address(LIFETIME_S)))
    likely = [address for address in _likely_addresses(wanted) if address in wanted.addresses]
    for settings in order:
        for address in likely if wanted.modbus else ():
            tasks += [Task(settings, request) for request in presence_requests(address)]
        if wanted.dlt645:
            tasks.append(Task(settings, read_address(LIFETIME_S)))
    return list(dict.fromkeys(tasks))


def sweep_tasks(wanted: Wanted, settings: Iterable[LineSettings], done: Iterable[Task]) -> list[Task]:
    """All addresses at these settings, without what was asked already; holding registers first, which most have."""
    asked = set(done)
    where = list(settings)
    tasks = [
        Task(each, presence_requests(address)[index])
        for index in range(2)
        for each in where
        for address in (wanted.addresses if wanted.modbus else ())
    ]
    return [task for task in tasks if task not in asked]


def presence_requests(address: int) -> tuple[Request, Request]:
    """Two registers at 0 by either read function: even a meter that has none there answers, with a refusal."""
    return (
        Request(address, READ_HOLDING_REGISTERS, 0, 2, priority=2, lifetime_s=LIFETIME_S),
        Request(address, READ_INPUT_REGISTERS, 0, 2, priority=2, lifetime_s=LIFETIME_S),
    )


def first_request(register_map: RegisterMap, address: int) -> Request:
    """What a meter of this model surely answers."""
    signals = identifying_signals(register_map.signals())
    read = plan_reads(register_map, signals).reads[0]
    return Request(address, read.function, read.start, read.count, priority=2, lifetime_s=LIFETIME_S)


def _likely_addresses(wanted: Wanted) -> list[int]:
    count = Counter(each.serial.address for each in wanted.modbus)
    count[1] += 1
    return sorted(count, key=lambda address: (-count[address], address))


def parse_addresses(text: str) -> tuple[int, ...]:
    """``1-247`` or ``1,3,10-20`` as addresses. Raises ValueError."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        low, high = int(first), int(last) if dash else int(first)
        if not 1 <= low <= high <= 247:
            raise ValueError(text)
        found.update(range(low, high + 1))
    return tuple(sorted(found))


def maps_named(names: Sequence[str], maps: Sequence[AnyMap]) -> tuple[AnyMap, ...]:
    """The maps with these ids. Raises KeyError with the first that there is none of."""
    by_id = {each.id: each for each in maps}
    return tuple(by_id[name] for name in names)
