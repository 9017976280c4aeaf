"""The messages a charger sends (GB/T 27930-2015, and the additions of 2023 class A)."""

from typing import Any

from drivers.gbt27930.messages.fields import Choices, Field, Kind, Message, Sender, current, minutes, state, voltage
from drivers.gbt27930.messages.table_vehicle import FAULTS, READY, REASONS, TIMEOUTS

RECOGNISED = Choices({0x00: ("not recognised", "不能辨识"), 0xAA: ("recognised", "能辨识")})
PERMITTED = Choices({0: ("pause", "暂停"), 1: ("permitted", "允许")})


def _message(
    name: str, pgn: int, priority: int, lengths: tuple[int, ...], period_ms: int, *fields: Field, **words: Any
) -> Message:
    return Message(name, pgn, priority, Sender.CHARGER, lengths, period_ms, fields, **words)


def _bcd(name: str, byte: int, bits: int, minimum: int, maximum: int, en: str, zh: str) -> Field:
    return Field(
        name, 2823, byte, bits, kind=Kind.BCD, minimum=minimum, maximum=maximum, optional=True, en=en, zh=zh
    )  # fmt: skip


CHARGER_MESSAGES: tuple[Message, ...] = (
    _message(
        "CHM", 0x2600, 6, (3,), 250,
        Field("version", 2600, 1, 24, kind=Kind.VERSION,
              en="Protocol version of the charger", zh="充电机通信协议版本号"),
        en="Charger handshake", zh="充电机握手", clause="10.1, table 8",
        note="01 01 00 is version 1.1, announced by 2015 and by class A of 2023; 2011 does not have the message.",
    ),
    _message(
        "CRM", 0x0100, 6, (8,), 250,
        Field("recognised", 2560, 1, 8, kind=Kind.FLAG, true_raw=0xAA, choices=RECOGNISED,
              en="Result of the recognition", zh="辨识结果"),
        Field("charger_number", 2561, 2, 32, en="Number of the charger", zh="充电机编号"),
        Field("area_code", 2562, 6, 24, kind=Kind.RAW, optional=True,
              en="Area of the charger or station", zh="充电机/充电站所在区域编码", note="ASCII."),
        en="Charger recognition", zh="充电机辨识", clause="10.1, table 10",
    ),
    _message(
        "CTS", 0x0700, 6, (7,), 500,
        _bcd("second", 1, 8, 0, 59, "Second", "秒"),
        _bcd("minute", 2, 8, 0, 59, "Minute", "分"),
        _bcd("hour", 3, 8, 0, 23, "Hour", "时"),
        _bcd("day", 4, 8, 1, 31, "Day", "日"),
        _bcd("month", 5, 8, 1, 12, "Month", "月"),
        _bcd("year", 6, 16, 0, 9999, "Year", "年"),
        en="Time of the charger", zh="充电机发送时间同步信息", clause="10.2, table 13", optional=True,
        note="Packed BCD, low byte first: 2015 is 15 20. Seven bytes FF are an unknown time. Chargers that send plain "
        "binary or a swapped year were recorded.",
    ),
    _message(
        "CML", 0x0800, 6, (8, 6), 250,
        voltage("maximum_voltage_v", 2824, 1, "Highest output voltage", "最高输出电压"),
        voltage("minimum_voltage_v", 2825, 3, "Lowest output voltage", "最低输出电压"),
        current("maximum_current_a", 2826, 5, "Largest output current", "最大输出电流"),
        current("minimum_current_a", 2827, 7, "Smallest output current", "最小输出电流"),
        en="Largest output of the charger", zh="充电机最大输出能力", clause="10.2, table 14",
        note="6 bytes (without the smallest current) in the 2011 edition.",
    ),
    _message(
        "CRO", 0x0A00, 4, (1,), 250,
        Field("ready", 2830, 1, 8, kind=Kind.FLAG, true_raw=0xAA, optional=True, choices=READY,
              en="Charger ready to charge", zh="充电机是否充电准备好"),
        en="Charger output ready", zh="充电机输出准备就绪状态", clause="10.2, table 16",
    ),
    _message(
        "CCS", 0x1200, 6, (7, 6, 8), 50,
        voltage("voltage_v", 3081, 1, "Output voltage", "电压输出值", note="2023: measured at the vehicle interface."),
        current("current_a", 3082, 3, "Output current", "电流输出值", minimum_a=-400.0,
                note="2023: measured at the vehicle interface."),
        minutes("minutes", 3083, 5, "Charging time so far", "累计充电时间"),
        Field("permitted", 3929, 7, 2, kind=Kind.FLAG, choices=PERMITTED, en="Charging permitted", zh="充电允许"),
        en="Charging state of the charger", zh="充电机充电状态", clause="10.3, table 19",
        note="7 bytes by the fields and the conformance tests; the 2015 list of messages prints 8, 2011 has 6 (without "
        "the permission).",
    ),
    _message(
        "CST", 0x1A00, 4, (4,), 10,
        state("condition_reached", 3521, 1, 1, REASONS, "Condition of the charger reached", "达到充电机设定条件中止"),
        state("manual_stop", 3521, 1, 3, REASONS, "Stopped by hand", "人工中止"),
        state("fault_stop", 3521, 1, 5, REASONS, "Stopped by a fault", "故障中止"),
        state("stopped_by_vehicle", 3521, 1, 7, REASONS, "Stopped by the vehicle (BST)", "BMS主动中止"),
        state("charger_over_temperature", 3522, 2, 1, FAULTS, "Charger too hot", "充电机过温故障"),
        state("connector_fault", 3522, 2, 3, FAULTS, "Charging connector fault", "充电连接器故障"),
        state("internal_over_temperature", 3522, 2, 5, FAULTS, "Inside of the charger too hot", "充电机内部过温故障"),
        state("energy_transfer_impossible", 3522, 2, 7, FAULTS, "Energy cannot be delivered", "所需电量不能传送"),
        state("emergency_stop", 3522, 3, 1, FAULTS, "Emergency stop", "充电机急停故障"),
        state("other_fault", 3522, 3, 3, FAULTS, "Other fault", "其他故障"),
        state("self_test_fault", 3522, 3, 5, FAULTS, "Self-test fault", "充电机自检故障", since="2023",
              note="One implementation reads it from byte 4.", confidence="medium"),
        state("precharge_fault", 3522, 3, 7, FAULTS, "Precharge fault", "充电机预充故障", since="2023",
              note="One implementation reads it from byte 4.", confidence="medium"),
        state("current_mismatch", 3523, 4, 1, FAULTS, "Current does not match", "电流不匹配"),
        state("voltage_abnormal", 3523, 4, 3, FAULTS, "Voltage abnormal", "电压异常"),
        en="Charger stops the charge", zh="充电机中止充电", clause="10.3, table 25",
    ),
    _message(
        "CSD", 0x1D00, 6, (8,), 250,
        minutes("minutes", 3611, 1, "Charging time in all", "累计充电时间"),
        Field("energy_kwh", 3612, 3, 16, per_unit=10, unit="kWh", minimum=0.0, maximum=1000.0, saturates=True,
              en="Energy delivered", zh="输出能量"),
        Field("charger_number", 3613, 5, 32, en="Number of the charger", zh="充电机编号", confidence="low",
              note="The text prints an offset of 1, in CRM of 0; recorded chargers send the same bytes in both."),
        en="Statistics of the charger", zh="充电机统计数据", clause="10.4, table 27",
    ),
    _message(
        "CEM", 0x1F00, 2, (4,), 250,
        state("brm_timeout", 3921, 1, 1, TIMEOUTS, "No BRM", "接收BMS和车辆的辨识报文超时"),
        state("bcp_timeout", 3922, 2, 1, TIMEOUTS, "No BCP", "接收电池充电参数报文超时"),
        state("bro_timeout", 3923, 2, 3, TIMEOUTS, "No BRO, or none that is ready", "接收BMS完成充电准备报文超时"),
        state("bcs_timeout", 3924, 3, 1, TIMEOUTS, "No BCS", "接收电池充电总状态报文超时"),
        state("bcl_timeout", 3925, 3, 3, TIMEOUTS, "No BCL", "接收电池充电要求报文超时"),
        state("bst_timeout", 3926, 3, 5, TIMEOUTS, "No BST", "接收BMS中止充电报文超时"),
        state("bsd_timeout", 3927, 4, 1, TIMEOUTS, "No BSD", "接收BMS充电统计报文超时"),
        state("bsm_timeout", 3928, 4, 3, TIMEOUTS, "No BSM", "接收动力蓄电池状态信息报文超时", since="2023",
              note="Known from implementations, not from the text.", confidence="medium"),
        en="Charger reports a time-out", zh="充电机错误报文", clause="10.5, table 29",
        note="One implementation packs the fields without gaps; recordings show two-bit fields in four bytes.",
    ),
)  # fmt: skip
