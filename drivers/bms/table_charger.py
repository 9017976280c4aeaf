"""The messages a charger sends (GB/T 27930-2015, and the additions of 2023 class A)."""

from drivers.bms.fields import Field, Kind, Message, Sender, current, minutes, state, voltage
from drivers.bms.table_vehicle import FAULTS, REASONS, TIMEOUTS


def _message(name: str, pgn: int, priority: int, lengths: tuple[int, ...], period_ms: int, *fields: Field) -> Message:
    return Message(name, pgn, priority, Sender.CHARGER, lengths, period_ms, fields)


def _bcd(name: str, byte: int, bits: int, minimum: int, maximum: int) -> Field:
    return Field(name, 2823, byte, bits, kind=Kind.BCD, minimum=minimum, maximum=maximum, optional=True)


CHARGER_MESSAGES: tuple[Message, ...] = (
    _message("CHM", 0x2600, 6, (3,), 250, Field("version", 2600, 1, 24, kind=Kind.VERSION)),
    _message(
        "CRM", 0x0100, 6, (8,), 250,
        Field("recognised", 2560, 1, 8, kind=Kind.FLAG, true_raw=0xAA),
        Field("charger_number", 2561, 2, 32),
        Field("area_code", 2562, 6, 24, kind=Kind.RAW, optional=True),
    ),
    _message(
        "CTS", 0x0700, 6, (7,), 500,
        _bcd("second", 1, 8, 0, 59),
        _bcd("minute", 2, 8, 0, 59),
        _bcd("hour", 3, 8, 0, 23),
        _bcd("day", 4, 8, 1, 31),
        _bcd("month", 5, 8, 1, 12),
        _bcd("year", 6, 16, 0, 9999),
    ),
    _message(
        "CML", 0x0800, 6, (8,), 250,
        voltage("maximum_voltage_v", 2824, 1),
        voltage("minimum_voltage_v", 2825, 3),
        current("maximum_current_a", 2826, 5),
        current("minimum_current_a", 2827, 7),
    ),
    _message(
        "CRO", 0x0A00, 4, (1,), 250,
        Field("ready", 2830, 1, 8, kind=Kind.FLAG, true_raw=0xAA, optional=True),
    ),
    _message(
        "CCS", 0x1200, 6, (7, 6, 8), 50,
        voltage("voltage_v", 3081, 1),
        current("current_a", 3082, 3, minimum_a=-400.0),
        minutes("minutes", 3083, 5),
        Field("permitted", 3929, 7, 2, kind=Kind.FLAG),
    ),
    _message(
        "CST", 0x1A00, 4, (4,), 10,
        state("condition_reached", 3521, 1, 1, REASONS),
        state("manual_stop", 3521, 1, 3, REASONS),
        state("fault_stop", 3521, 1, 5, REASONS),
        state("stopped_by_vehicle", 3521, 1, 7, REASONS),
        state("charger_over_temperature", 3522, 2, 1, FAULTS),
        state("connector_fault", 3522, 2, 3, FAULTS),
        state("internal_over_temperature", 3522, 2, 5, FAULTS),
        state("energy_transfer_impossible", 3522, 2, 7, FAULTS),
        state("emergency_stop", 3522, 3, 1, FAULTS),
        state("other_fault", 3522, 3, 3, FAULTS),
        state("self_test_fault", 3522, 3, 5, FAULTS, optional=True),  # 2023; spare in 2015
        state("precharge_fault", 3522, 3, 7, FAULTS, optional=True),  # 2023; spare in 2015
        state("current_mismatch", 3523, 4, 1, FAULTS),
        state("voltage_abnormal", 3523, 4, 3, FAULTS),
    ),
    _message(
        "CSD", 0x1D00, 6, (8,), 250,
        minutes("minutes", 3611, 1),
        Field("energy_kwh", 3612, 3, 16, per_unit=10, unit="kWh", minimum=0.0, maximum=1000.0, saturates=True),
        Field("charger_number", 3613, 5, 32),
    ),
    _message(
        "CEM", 0x1F00, 2, (4,), 250,
        state("brm_timeout", 3921, 1, 1, TIMEOUTS),
        state("bcp_timeout", 3922, 2, 1, TIMEOUTS),
        state("bro_timeout", 3923, 2, 3, TIMEOUTS),
        state("bcs_timeout", 3924, 3, 1, TIMEOUTS),
        state("bcl_timeout", 3925, 3, 3, TIMEOUTS),
        state("bst_timeout", 3926, 3, 5, TIMEOUTS),
        state("bsd_timeout", 3927, 4, 1, TIMEOUTS),
        state("bsm_timeout", 3928, 4, 3, TIMEOUTS, optional=True),  # 2023; spare in 2015
    ),
)  # fmt: skip
