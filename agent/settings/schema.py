"""The site file: everything an installer fills in, with type, range, default and meaning of each key.

Numbers carry their unit in the key. ``Meta`` gives range and meaning; the checker, the documents and
the error messages are made from it. Sections are classes, keys are fields.
"""

from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all sections: immutable, keyword only, no unknown keys."""


Identifier = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$")]
BusName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,15}$", description="name of a bus section of this file")]
UnitAddress = Annotated[int, Meta(ge=1, le=247, description="Modbus address on that bus")]
Role = Literal["charger", "monitor"]


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
        Literal["socketcan", "slcan"], Meta(description="kernel interface, or serial adapter speaking slcan")
    ] = "socketcan"
    channel: Annotated[str, Meta(min_length=1, description="can0, or the serial port of an slcan adapter")]
    bitrate_bps: Annotated[Literal[50000, 125000, 250000, 500000], Meta(description="bits per second")]


class Buses(Section, frozen=True, kw_only=True):
    """All lines of the pile."""

    modbus: list[ModbusBus]
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
    model: Annotated[Literal["acrel-aim-d100"], Meta(description="device family")] = "acrel-aim-d100"
    poll_interval_ms: Annotated[int, Meta(ge=200, le=10000, description="time between two readings, milliseconds")] = (
        1000
    )


class InputsOutputs(Section, frozen=True, kw_only=True):
    """Relays, discrete inputs and analogue inputs."""

    bus: BusName
    board: Annotated[Identifier, Meta(description="wiring, a file in config/boards")] = "waveshare-rs485"
    relay_address: UnitAddress = 1
    analog_address: UnitAddress = 2
    input_interval_ms: Annotated[int, Meta(ge=10, le=100, description="time between two readings of the inputs")] = 20
    analog_interval_ms: Annotated[int, Meta(ge=20, le=200, description="time between two analogue readings")] = 50


class PowerStage(Section, frozen=True, kw_only=True):
    """The DC power modules of a connector."""

    bus: BusName
    family: Annotated[Literal["infypower"], Meta(description="protocol of the modules")] = "infypower"
    command_interval_ms: Annotated[int, Meta(ge=50, le=200, description="repetition of the set point")] = 100


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

    number: Annotated[int, Meta(ge=1, le=1, description="connector number (this version drives one)")] = 1
    role: Annotated[Role, Meta(description="charger: this pile charges; monitor: it only listens, see below")] = (
        "charger"
    )
    vehicle_bus: BusName
    edition: Annotated[Literal["2015", "2023"], Meta(description="rules of GB/T 27930 and 18487.1 to follow")] = "2015"
    maximum_power_w: Annotated[int, Meta(ge=1000, le=1000000, description="tightens the profile")] | None = None
    maximum_voltage_v: Annotated[float, Meta(ge=50, le=1500, description="tightens the profile")] | None = None
    maximum_current_a: Annotated[float, Meta(ge=1, le=1000, description="tightens the profile")] | None = None
    meter: Meter
    insulation_monitor: InsulationMonitor
    inputs_outputs: InputsOutputs
    power_stage: PowerStage


class Contact(Section, frozen=True, kw_only=True):
    """One contact at a discrete input."""

    channel: Annotated[int, Meta(ge=0, le=31, description="number of the input, from 0")]
    active_low: Annotated[bool, Meta(description="true: the signal is there while the input is off (closed loop)")] = (
        True
    )


class Inputs(Section, frozen=True, kw_only=True):
    """Contacts of somebody else's charger at a board that is only read."""

    bus: BusName
    address: UnitAddress = 1
    channels: Annotated[int, Meta(ge=1, le=32, description="number of inputs of the board")] = 8
    interval_ms: Annotated[int, Meta(ge=20, le=300, description="time between two readings, milliseconds")] = 100
    emergency_stop_pressed: Contact | None = None
    door_open: Contact | None = None
    smoke_detected: Contact | None = None


class MonitorConnector(Section, frozen=True, kw_only=True):
    """A connector of somebody else's charger that is only listened to. It has no outputs and no power stage."""

    number: Annotated[int, Meta(ge=1, le=1, description="connector number (this version follows one)")] = 1
    role: Annotated[Literal["monitor"], Meta(description="it only listens")]
    vehicle_bus: BusName
    meter: Meter | None = None
    insulation_monitor: InsulationMonitor | None = None
    inputs: Inputs | None = None


class MonitorBuses(Section, frozen=True, kw_only=True):
    """The lines of a pile that only listens; without meter and contacts there is no Modbus line."""

    modbus: list[ModbusBus] = []
    can: list[CanBus]


class Tariff(Section, frozen=True, kw_only=True):
    """What a kilowatt-hour costs."""

    id: Annotated[Identifier, Meta(description="tariff, a file in config/tariffs")] = "shanxi-example"
    utc_offset_minutes: Annotated[int, Meta(ge=-720, le=840, description="local time of the tariff slots")] = 480


class Limits(Section, frozen=True, kw_only=True):
    """Site limits; each may only tighten the fault catalogue's own value."""

    connector_temperature_stop_c: (
        Annotated[float, Meta(ge=40, le=105, description="charge ends in order; tightens fault over_temperature")]
        | None
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

    schema: Annotated[int, Meta(ge=1, le=1, description="version of this file's layout")]
    pile: Pile
    paths: Paths = Paths()
    control: Control = Control()
    bus: Buses
    connector: Connector
    auxiliary_meter: list[AuxiliaryMeter] = []
    tariff: Tariff = Tariff()
    limits: Limits = Limits()
    uplink: Uplink = Uplink()
    record: Record = Record()


class MonitorSettings(Section, frozen=True, kw_only=True):
    """The whole site file of a pile that only listens (``role = "monitor"``)."""

    schema: Annotated[int, Meta(ge=1, le=1, description="version of this file's layout")]
    pile: Pile
    paths: Paths = Paths()
    control: Control = Control()
    bus: MonitorBuses
    connector: MonitorConnector
    tariff: Tariff = Tariff()
    limits: Limits = Limits()
    uplink: Uplink = Uplink()
    record: Record = Record()


AnySettings = Settings | MonitorSettings
"""The site file of a pile in either role."""
