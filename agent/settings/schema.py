"""The site file: everything an installer fills in, with type, range, default and meaning of each key.

Numbers carry their unit in the key. ``Meta`` gives range and meaning; the checker, the documents and
the error messages are made from it. Sections are classes, keys are fields.
"""

from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from drivers.can import CanInterface


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections: immutable, keyword only, no unknown keys."""


Identifier = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$")]
BusName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,15}$", description="name of a bus section of this file")]
UnitAddress = Annotated[int, Meta(ge=1, le=247, description="Modbus address on that bus")]
DeviceName = Annotated[
    str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,15}$", description="name of a board section of this file")
]
GroupId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{1,8}$", description="group of power modules, as in the profile")]
Role = Literal["charger", "listener", "monitor"]
KindOfPile = Literal["charger", "listener"]

SCHEMA = 2
"""Version of the layout of a site file, and of the files that were split or extended with it."""
CONNECTORS = 4
"""Most connectors of one controller (own; the four of a large cabinet)."""


class Pile(Section, frozen=True, kw_only=True):
    """Who this pile is."""

    id: Annotated[Identifier, Meta(description="pile identifier; also MQTT client id and part of every topic")]
    operator_id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{9}$", description="operator code, nine characters")]
    profile: Annotated[Identifier, Meta(description="rating profile, a file in config/piles")]
    language: Annotated[Literal["zh", "en"], Meta(description="language of texts for people")] = "zh"
    charger_number: Annotated[int, Meta(ge=0, le=0xFFFFFFFF, description="number sent to the vehicle in CRM")] = 1


class Paths(Section, frozen=True, kw_only=True):
    """Where the agent keeps things."""

    state: Annotated[str, Meta(description="folder of the ledger, the readings and the keys")] = "/var/lib/pile-agent"
    runtime: Annotated[str, Meta(description="folder of the local socket")] = "/run/pile-agent"


class Control(Section, frozen=True, kw_only=True):
    """The field process."""

    cycle_ms: Annotated[int, Meta(ge=5, le=100, description="longest time between two evaluations, milliseconds")] = 10
    real_time_priority: Annotated[int, Meta(ge=0, le=90, description="SCHED_FIFO priority, 0 for none")] = 50
    lock_memory: Annotated[bool, Meta(description="keep the field process in memory (mlockall)")] = True


PORT = (
    "serial port, by its by-id or by-path name; or `tcp://192.168.1.50:502` (Modbus TCP); or "
    "`rtu+tcp://192.168.1.50:8899` (serial server that passes bytes on); with TCP, speed and parity are those of the "
    "line behind the gateway"
)


class ModbusBus(Section, frozen=True, kw_only=True):
    """One RS-485 line, or one connection to a Modbus TCP meter or gateway."""

    name: BusName
    port: Annotated[str, Meta(min_length=1, description=PORT)]
    baud: Annotated[
        Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200], Meta(description="bits per second")
    ] = 9600
    parity: Annotated[Literal["N", "E", "O"], Meta(description="N none, E even, O odd")] = "N"
    stop_bits: Annotated[Literal[1, 2], Meta(description="number of stop bits")] = 1


class CanBus(Section, frozen=True, kw_only=True):
    """One CAN line."""

    name: BusName
    interface: Annotated[
        CanInterface, Meta(description="kernel interface (socketcan), serial adapter (slcan) or USB adapter")
    ] = "socketcan"
    channel: Annotated[
        str, Meta(min_length=1, description="can0; serial port (slcan); PCAN_USBBUS1 (pcan); else a number from 0")
    ]
    bitrate_bps: Annotated[Literal[50000, 125000, 250000, 500000], Meta(description="bits per second")]


class Buses(Section, frozen=True, kw_only=True):
    """All lines of the pile."""

    modbus: list[ModbusBus] = []
    can: list[CanBus]


class Meter(Section, frozen=True, kw_only=True):
    """The billing meter of a connector."""

    bus: BusName
    address: UnitAddress = 1
    number: Annotated[
        str, Meta(pattern=r"^([0-9]{12})?$", description="number of a DL/T 645 meter as printed on it, zeros included")
    ] = ""
    model: Annotated[Identifier, Meta(description="register map, a file in config/meters")] = "acrel-djsf1352-rn"
    poll_interval_ms: Annotated[int, Meta(ge=100, le=10000, description="time between two readings, milliseconds")] = (
        1000
    )
    energy_unit_wh: Annotated[
        float, Meta(gt=0, le=1000, description="Wh per digit of the energy register, proven against the display")
    ] = 1.0
    serial_number: Annotated[str, Meta(max_length=32, description="meter number as printed on it")] = ""
    certificate_number: Annotated[str, Meta(max_length=64, description="verification certificate")] = ""
    accuracy_class: Annotated[
        Literal["", "0.2", "0.2S", "0.5", "0.5S", "1", "2", "A", "B", "C"],
        Meta(description="accuracy class on its plate; empty: not known"),
    ] = ""
    verification_due: Annotated[date, Meta(description="last day on which its verification is valid")] | None = None
    refuse_after_verification_due: Annotated[
        bool, Meta(description="no session starts after that day; otherwise it is only reported")
    ] = False


class InsulationMonitor(Section, frozen=True, kw_only=True):
    """The insulation monitor of a connector."""

    bus: BusName
    address: UnitAddress = 2
    model: Annotated[Identifier, Meta(description="insulation monitor, a file in config/insulation_monitors")] = (
        "acrel-aim-d100"
    )
    poll_interval_ms: Annotated[int, Meta(ge=200, le=10000, description="time between two readings, milliseconds")] = (
        1000
    )


class Board(Section, frozen=True, kw_only=True):
    """One device with inputs or outputs. What is connected to it is in the wiring of the connectors."""

    name: DeviceName
    model: Annotated[Identifier, Meta(description="device, a file in config/boards")]
    bus: Annotated[BusName, Meta(description="Modbus bus; not for GPIO lines")] | None = None
    address: Annotated[int, Meta(ge=1, le=247, description="Modbus address on that bus")] | None = None
    interval_ms: (
        Annotated[int, Meta(ge=5, le=1000, description="time between two readings; without it that of the model")]
        | None
    ) = None


class ModuleGroup(Section, frozen=True, kw_only=True):
    """Power modules that are switched together. The profile gives their home connector."""

    id: GroupId
    bus: BusName
    model: Annotated[Identifier, Meta(description="family of the modules, a file in config/power_modules")] = (
        "infypower"
    )
    module_count: (
        Annotated[int, Meta(ge=1, le=60, description="number of modules; without it that of the profile")] | None
    ) = None
    address: (
        Annotated[int, Meta(ge=0, le=255, description="address of the first module, if the family has it")] | None
    ) = None
    group_number: (
        Annotated[int, Meta(ge=0, le=63, description="group set in the modules; needed if groups share a bus")] | None
    ) = None
    command_interval_ms: Annotated[
        int, Meta(ge=50, le=200, description="repetition of the set point, milliseconds")
    ] = 100


class Power(Section, frozen=True, kw_only=True):
    """What all connectors may draw together, and how the modules are shared."""

    policy: Annotated[
        Literal["fixed", "switched"],
        Meta(description="fixed: a group of modules feeds its home only; switched: a free one goes where it is needed"),
    ] = "fixed"
    incomer_limit_w: (
        Annotated[int, Meta(ge=1000, le=4000000, description="most that the pile may take from the grid, W")] | None
    ) = None
    default_limit_w: (
        Annotated[int, Meta(ge=0, le=4000000, description="limit while no command is in force, W")] | None
    ) = None


class AuxiliaryMeter(Section, frozen=True, kw_only=True):
    """A meter besides those of the connectors, for the record and the power quality; it never makes a bill."""

    role: Annotated[Literal["incomer"], Meta(description="what it measures: incomer is the grid side of the pile")]
    bus: BusName
    address: UnitAddress
    model: Annotated[Identifier, Meta(description="register map of an AC meter, a file in config/meters")]
    poll_interval_ms: Annotated[int, Meta(ge=200, le=10000, description="time between two readings, milliseconds")] = (
        1000
    )
    nominal_voltage_v: Annotated[
        float, Meta(ge=50, le=1000, description="nominal voltage between phase and neutral as the meter shows it")
    ] = 220.0
    measurement_class: Annotated[
        Literal["", "A", "S"],
        Meta(description="class of IEC 61000-4-30 if it has one; without, its power quality is only indicative"),
    ] = ""


class Connector(Section, frozen=True, kw_only=True):
    """One charging connector and what hangs on it."""

    number: Annotated[int, Meta(ge=1, le=CONNECTORS, description="connector number")] = 1
    role: Annotated[
        Role,
        Meta(description="charger: this pile charges; listener: another charger is followed (monitor is the old word)"),
    ] = "charger"
    vehicle_bus: BusName
    edition: Annotated[
        Literal["2015", "2023"], Meta(description="rules of GB/T 27930 and 18487.1 to follow; charger only")
    ] = "2015"
    maximum_power_w: Annotated[int, Meta(ge=1000, le=1000000, description="tightens the profile")] | None = None
    maximum_voltage_v: Annotated[float, Meta(ge=50, le=1500, description="tightens the profile")] | None = None
    maximum_current_a: Annotated[float, Meta(ge=1, le=1000, description="tightens the profile")] | None = None
    wiring: Annotated[Identifier, Meta(description="what is connected where, a file in config/wiring")] | None = None
    boards: Annotated[dict[str, DeviceName], Meta(description="board of each role that the wiring names")] = {}
    meter: Meter | None = None
    insulation_monitor: InsulationMonitor | None = None

    @property
    def kind(self) -> KindOfPile:
        """The role without its old word."""
        return "charger" if self.role == "charger" else "listener"


class Tariff(Section, frozen=True, kw_only=True):
    """What a kilowatt-hour costs."""

    id: Annotated[Identifier, Meta(description="tariff, a file in config/tariffs")] = "shanxi-example"
    utc_offset_minutes: Annotated[int, Meta(ge=-720, le=840, description="local time of the tariff slots")] = 480


class Limits(Section, frozen=True, kw_only=True):
    """Site limits; each may only tighten the fault catalogue's own value."""

    connector_temperature_stop_c: (
        Annotated[float, Meta(ge=40, le=105, description="normal stop; tightens fault over_temperature")] | None
    ) = None
    connector_temperature_derate_c: (
        Annotated[float, Meta(ge=30, le=105, description="current is lowered; tightens fault temperature_high")] | None
    ) = None
    recorder_lost_stop_s: (
        Annotated[
            float, Meta(ge=5, le=600, description="charge goes on this long without recorder; tightens recorder_lost")
        ]
        | None
    ) = None
    start_time_limit_s: Annotated[float, Meta(ge=30, le=600, description="from start command to current flowing")] = (
        90.0
    )


class Uplink(Section, frozen=True, kw_only=True):
    """The MQTT connection."""

    enabled: Annotated[bool, Meta(description="false: the record stays on the pile")] = True
    host: Annotated[str, Meta(min_length=1, description="broker name or address")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535, description="broker port")] = 8883
    tls: Annotated[bool, Meta(description="encrypt and check the broker's certificate")] = True
    ca_file: Annotated[str, Meta(description="certificate authority, PEM")] | None = None
    certificate_file: Annotated[str, Meta(description="certificate of this pile, PEM")] | None = None
    key_file: Annotated[str, Meta(description="private key of this pile, PEM")] | None = None
    keep_alive_s: Annotated[int, Meta(ge=5, le=600, description="MQTT keep-alive, seconds")] = 60
    window: Annotated[int, Meta(ge=1, le=1000, description="unacknowledged messages in flight")] = 100


class Record(Section, frozen=True, kw_only=True):
    """The pile's own record."""

    readings_interval_s: Annotated[int, Meta(ge=1, le=60, description="time between two snapshots while charging")] = 1
    readings_idle_interval_s: Annotated[int, Meta(ge=1, le=600, description="time between two snapshots otherwise")] = (
        10
    )
    telemetry_interval_s: Annotated[int, Meta(ge=5, le=300, description="telemetry record while charging")] = 15
    telemetry_idle_interval_s: Annotated[int, Meta(ge=15, le=3600, description="telemetry record otherwise")] = 300
    readings_budget_mb: Annotated[int, Meta(ge=10, le=100000, description="bytes that the readings may take")] = 2000
    minimum_free_mb: Annotated[int, Meta(ge=10, le=100000, description="below this no paid session starts")] = 200


class Settings(Section, frozen=True, kw_only=True):
    """The whole site file."""

    schema: Annotated[int, Meta(ge=SCHEMA, le=SCHEMA, description="version of this file's layout")]
    pile: Pile
    paths: Paths = Paths()
    control: Control = Control()
    power: Power = Power()
    bus: Buses
    board: list[Board] = []
    module_group: list[ModuleGroup] = []
    connector: Annotated[list[Connector], Meta(min_length=1, max_length=CONNECTORS)]
    auxiliary_meter: list[AuxiliaryMeter] = []
    tariff: Tariff = Tariff()
    limits: Limits = Limits()
    uplink: Uplink = Uplink()
    record: Record = Record()

    @property
    def kind(self) -> KindOfPile:
        """What all connectors of a checked file are."""
        return self.connector[0].kind
