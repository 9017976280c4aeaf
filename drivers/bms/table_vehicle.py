"""The messages a vehicle's BMS sends (GB/T 27930-2015, and the additions of 2023 class A)."""

from collections.abc import Mapping
from types import MappingProxyType

from drivers.bms.fields import (
    Field,
    Kind,
    Message,
    Sender,
    cell_voltage,
    current,
    minutes,
    state,
    temperature,
    voltage,
)

BATTERY_TYPES: Mapping[int, str] = MappingProxyType(
    {
        0x01: "lead acid",
        0x02: "nickel metal hydride",
        0x03: "lithium iron phosphate",
        0x04: "lithium manganese oxide",
        0x05: "lithium cobalt oxide",
        0x06: "ternary",
        0x07: "lithium polymer",
        0x08: "lithium titanate",
        0xFF: "other",
    }
)
"""Names of the battery types of BRM, SPN 2566."""

CONSTANT_VOLTAGE = 1
"""BCL charging mode: constant voltage."""

CONSTANT_CURRENT = 2
"""BCL charging mode: constant current."""

MODES: Mapping[int, str] = MappingProxyType(
    {CONSTANT_VOLTAGE: "constant voltage", CONSTANT_CURRENT: "constant current"}
)

NORMAL = 0
"""Two-bit state 00."""

FAULT = 1
"""Two-bit state 01: fault, or too high."""

UNTRUSTED = 2
"""Two-bit state 10 of a fault state: the BMS does not trust its own value; for SPN 3090 and 3091 it is "too low"."""

LEVELS: Mapping[int, str] = MappingProxyType({0: "normal", 1: "too high", 2: "too low"})
FAULTS: Mapping[int, str] = MappingProxyType({0: "normal", 1: "fault", 2: "untrusted"})
REASONS: Mapping[int, str] = MappingProxyType({0: "no", 1: "yes", 2: "untrusted"})
TIMEOUTS: Mapping[int, str] = MappingProxyType({0: "normal", 1: "time-out", 2: "untrusted"})


def _message(name: str, pgn: int, priority: int, lengths: tuple[int, ...], period_ms: int, *fields: Field) -> Message:
    return Message(name, pgn, priority, Sender.VEHICLE, lengths, period_ms, fields)


def _list(name: str, pgn: int, item_bytes: int, maximum_items: int, *fields: Field) -> Message:
    return Message(name, pgn, 7, Sender.VEHICLE, (), 10_000, fields, item_bytes, maximum_items)


VEHICLE_MESSAGES: tuple[Message, ...] = (
    # 2015: highest voltage for charging; 2023: highest voltage for the insulation test. The minimum with the charger's
    # own maximum is used, so the whole range of the encoding is taken.
    _message("BHM", 0x2700, 6, (2,), 250, voltage("maximum_voltage_v", 2601, 1, required=True, maximum_v=6553.5)),
    _message(
        "BRM", 0x0200, 7, (49, 41), 250,
        Field("version", 2565, 1, 24, kind=Kind.VERSION),
        Field("battery_type", 2566, 4, 8, kind=Kind.CODE, choices=BATTERY_TYPES),
        Field("rated_capacity_ah", 2567, 5, 16, per_unit=10, unit="Ah", minimum=0.0, maximum=1000.0),
        voltage("rated_voltage_v", 2568, 7),
        Field("maker", 2569, 9, 32, kind=Kind.TEXT, optional=True),
        Field("pack_serial", 2570, 13, 32, optional=True),
        Field("production_year", 2571, 17, 8, zero=-1985, unit="a", minimum=1985, maximum=2235, optional=True),
        Field("production_month", 2571, 18, 8, minimum=1, maximum=12, optional=True),
        Field("production_day", 2571, 19, 8, minimum=1, maximum=31, optional=True),
        Field("charge_count", 2572, 20, 24, optional=True),
        Field("battery_owned_by_vehicle", 2573, 23, 8, kind=Kind.FLAG, optional=True),
        Field("vin", 2575, 25, 136, kind=Kind.TEXT, optional=True),
        Field("software_version", 2576, 42, 64, kind=Kind.SOFTWARE_DATE, optional=True),
    ),
    _message(
        "BCP", 0x0600, 7, (13,), 500,
        cell_voltage("maximum_cell_voltage_v", 2816, 1),
        current("maximum_current_a", 2817, 3, required=True),
        Field("nominal_energy_kwh", 2818, 5, 16, per_unit=10, unit="kWh", minimum=0.0, maximum=1000.0),
        voltage("maximum_voltage_v", 2819, 7, required=True),
        temperature("maximum_temperature_c", 2820, 9),
        Field("soc_percent", 2821, 10, 16, per_unit=10, unit="%", minimum=0.0, maximum=100.0),
        voltage("battery_voltage_v", 2822, 12, required=True),
    ),
    _message(
        "BRO", 0x0900, 4, (1,), 250,
        Field("ready", 2829, 1, 8, kind=Kind.FLAG, true_raw=0xAA, optional=True),
    ),
    _message(
        "BCL", 0x1000, 6, (5,), 50,
        voltage("voltage_v", 3072, 1, required=True),
        current("current_a", 3073, 3, required=True),
        # Mode 03 is an extension for feeding back into the grid; a charger that cannot do so must not take the frame
        # for a demand.
        Field("mode", 3074, 5, 8, minimum=1, maximum=2, choices=MODES, required=True),
    ),
    _message(
        "BCS", 0x1100, 7, (9,), 250,
        voltage("voltage_v", 3075, 1, required=True),
        current("current_a", 3076, 3, required=True, minimum_a=-400.0),
        cell_voltage("maximum_cell_voltage_v", 3077, 5, bits=12),
        Field("maximum_cell_group", 3077, 6, 4, 5, minimum=0, maximum=15),
        Field("soc_percent", 3078, 7, 8, unit="%", minimum=0, maximum=100),
        minutes("remaining_min", 3079, 8),
    ),
    _message(
        "BSM", 0x1300, 6, (7,), 250,
        Field("maximum_cell_number", 3085, 1, 8, zero=-1, minimum=1, maximum=256),
        temperature("highest_temperature_c", 3086, 2),
        Field("highest_temperature_point", 3087, 3, 8, zero=-1, minimum=1, maximum=128),
        temperature("lowest_temperature_c", 3088, 4),
        Field("lowest_temperature_point", 3089, 5, 8, zero=-1, minimum=1, maximum=128),
        state("cell_voltage_state", 3090, 6, 1, LEVELS),
        state("soc_state", 3091, 6, 3, LEVELS),
        state("over_current_state", 3092, 6, 5, FAULTS),
        state("over_temperature_state", 3093, 6, 7, FAULTS),
        state("insulation_state", 3094, 7, 1, FAULTS),
        state("connector_state", 3095, 7, 3, FAULTS),
        Field("charging_permitted", 3096, 7, 2, 5, Kind.FLAG),
    ),
    _list(
        "BMV", 0x1500, 2, 256,
        cell_voltage("cell_voltages_v", 3101, 1, bits=12, optional=True),
        Field("cell_groups", 3101, 2, 4, 5, minimum=0, maximum=15, missing=15),
    ),
    _list("BMT", 0x1600, 1, 128, temperature("temperatures_c", 3361, 1, optional=True)),
    _list("BSP", 0x1700, 1, 16, Field("reserved", 3491, 1, 8, kind=Kind.CODE)),
    _message(
        "BST", 0x1900, 4, (4,), 10,
        state("soc_target_reached", 3511, 1, 1, REASONS),
        state("voltage_target_reached", 3511, 1, 3, REASONS),
        state("cell_voltage_target_reached", 3511, 1, 5, REASONS),
        state("stopped_by_charger", 3511, 1, 7, REASONS),
        state("insulation_fault", 3512, 2, 1, FAULTS),
        state("output_connector_over_temperature", 3512, 2, 3, FAULTS),
        state("bms_over_temperature", 3512, 2, 5, FAULTS),
        state("charging_connector_fault", 3512, 2, 7, FAULTS),
        state("battery_over_temperature", 3512, 3, 1, FAULTS),
        state("high_voltage_relay_fault", 3512, 3, 3, FAULTS),
        state("detection_point_2_fault", 3512, 3, 5, FAULTS),
        state("other_fault", 3512, 3, 7, FAULTS),
        state("over_current", 3513, 4, 1, FAULTS),
        state("voltage_abnormal", 3513, 4, 3, FAULTS),
        state("parameter_mismatch", 3513, 4, 5, FAULTS, optional=True),  # 2023; spare in 2015
    ),
    _message(
        "BSD", 0x1C00, 6, (7,), 250,
        Field("soc_percent", 3601, 1, 8, unit="%", minimum=0, maximum=100),
        cell_voltage("minimum_cell_voltage_v", 3602, 2),
        cell_voltage("maximum_cell_voltage_v", 3603, 4),
        temperature("lowest_temperature_c", 3604, 6),
        temperature("highest_temperature_c", 3605, 7),
    ),
    _message(
        "BEM", 0x1E00, 2, (4,), 250,
        state("crm_not_recognised_timeout", 3901, 1, 1, TIMEOUTS),
        state("crm_recognised_timeout", 3902, 1, 3, TIMEOUTS),
        state("cts_cml_timeout", 3903, 2, 1, TIMEOUTS),
        state("cro_timeout", 3904, 2, 3, TIMEOUTS),
        state("ccs_timeout", 3905, 3, 1, TIMEOUTS),
        state("cst_timeout", 3906, 3, 3, TIMEOUTS),
        state("csd_timeout", 3907, 4, 1, TIMEOUTS),
    ),
)  # fmt: skip
