"""The messages a vehicle's BMS sends (GB/T 27930-2015, and the additions of 2023 class A)."""

from typing import Any

from drivers.gbt27930.messages.fields import (
    Choices,
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

BATTERY_TYPES = Choices(
    {
        0x01: ("lead acid", "铅酸电池"),
        0x02: ("nickel metal hydride", "镍氢电池"),
        0x03: ("lithium iron phosphate", "磷酸铁锂电池"),
        0x04: ("lithium manganese oxide", "锰酸锂电池"),
        0x05: ("lithium cobalt oxide", "钴酸锂电池"),
        0x06: ("ternary", "三元材料电池"),
        0x07: ("lithium polymer", "聚合物锂离子电池"),
        0x08: ("lithium titanate", "钛酸锂电池"),
        0xFF: ("other", "其他电池"),
    }
)
"""Names of the battery types of BRM, SPN 2566."""

CONSTANT_VOLTAGE = 1
"""BCL charging mode: constant voltage."""

CONSTANT_CURRENT = 2
"""BCL charging mode: constant current."""

MODES = Choices(
    {CONSTANT_VOLTAGE: ("constant voltage", "恒压充电"), CONSTANT_CURRENT: ("constant current", "恒流充电")}
)

NORMAL = 0
"""Two-bit state 00."""

FAULT = 1
"""Two-bit state 01: fault, or too high."""

UNTRUSTED = 2
"""Two-bit state 10 of a fault state: the BMS does not trust its own value; for SPN 3090 and 3091 it is "too low"."""

LEVELS = Choices({0: ("normal", "正常"), 1: ("too high", "过高"), 2: ("too low", "过低")})
FAULTS = Choices({0: ("normal", "正常"), 1: ("fault", "故障"), 2: ("untrusted", "不可信")})
REASONS = Choices({0: ("no", "否"), 1: ("yes", "是"), 2: ("untrusted", "不可信")})
TIMEOUTS = Choices({0: ("normal", "正常"), 1: ("time-out", "超时"), 2: ("untrusted", "不可信")})
READY = Choices({0x00: ("not ready", "未准备好"), 0xAA: ("ready", "已准备好"), 0xFF: ("invalid", "无效")})
PERMITTED = Choices({0: ("forbidden", "禁止"), 1: ("permitted", "允许")})
OWNERS = Choices({0: ("leased", "租赁"), 1: ("vehicle", "车自有")})


def _message(
    name: str, pgn: int, priority: int, lengths: tuple[int, ...], period_ms: int, *fields: Field, **words: Any
) -> Message:
    return Message(name, pgn, priority, Sender.VEHICLE, lengths, period_ms, fields, **words)


def _list(name: str, pgn: int, item_bytes: int, maximum_items: int, *fields: Field, **words: Any) -> Message:
    return Message(
        name, pgn, 7, Sender.VEHICLE, (), 10_000, fields, item_bytes, maximum_items, optional=True, **words
    )  # fmt: skip


VEHICLE_MESSAGES: tuple[Message, ...] = (
    _message(
        "BHM", 0x2700, 6, (2,), 250,
        # The minimum with the charger's own maximum is used, so the whole range of the encoding is taken.
        voltage("maximum_voltage_v", 2601, 1, "Highest voltage permitted", "最高允许充电总电压", required=True,
                maximum_v=6553.5,
                note="2015: for charging; 2023: for the insulation test. The bytes are the same."),
        en="Vehicle handshake", zh="车辆握手", clause="10.1, table 9",
    ),
    _message(
        "BRM", 0x0200, 7, (49, 41), 250,
        Field("version", 2565, 1, 24, kind=Kind.VERSION, en="Protocol version of the BMS", zh="BMS通信协议版本号"),
        Field("battery_type", 2566, 4, 8, kind=Kind.CODE, choices=BATTERY_TYPES, en="Battery type", zh="电池类型"),
        Field("rated_capacity_ah", 2567, 5, 16, per_unit=10, unit="Ah", minimum=0.0, maximum=1000.0,
              en="Rated capacity", zh="额定容量"),
        voltage("rated_voltage_v", 2568, 7, "Rated total voltage", "额定总电压"),
        Field("maker", 2569, 9, 32, kind=Kind.TEXT, optional=True, en="Battery maker", zh="电池生产厂商名称"),
        Field("pack_serial", 2570, 13, 32, optional=True, en="Serial number of the pack", zh="电池组序号"),
        Field("production_year", 2571, 17, 8, zero=-1985, unit="a", minimum=1985, maximum=2235, optional=True,
              en="Production year", zh="电池组生产日期：年"),
        Field("production_month", 2571, 18, 8, minimum=1, maximum=12, optional=True,
              en="Production month", zh="电池组生产日期：月"),
        Field("production_day", 2571, 19, 8, minimum=1, maximum=31, optional=True,
              en="Production day", zh="电池组生产日期：日"),
        Field("charge_count", 2572, 20, 24, optional=True, en="Number of charges", zh="电池组充电次数"),
        Field("battery_owned_by_vehicle", 2573, 23, 8, kind=Kind.FLAG, optional=True, choices=OWNERS,
              en="Owner of the battery", zh="电池组产权标识"),
        Field("reserved", 2574, 24, 8, kind=Kind.CODE, optional=True, en="Reserved", zh="预留"),
        Field("vin", 2575, 25, 136, kind=Kind.TEXT, optional=True, en="Vehicle identification number",
              zh="车辆识别码（VIN）", note="2023: may carry an extended number (EVIN) of the same length."),
        Field("software_version", 2576, 42, 64, kind=Kind.SOFTWARE_DATE, optional=True,
              en="Software version of the BMS", zh="BMS软件版本号",
              note="Number of the day, day, month, year (2 bytes), three bytes FF."),
        en="Recognition of BMS and vehicle", zh="BMS和车辆辨识报文", clause="10.1, table 11",
        note="The list of messages prints 41 bytes, the fields add up to 49, and so do recordings and "
        "conformance tests; 2011 vehicles send 41.",
    ),
    _message(
        "BCP", 0x0600, 7, (13,), 500,
        cell_voltage("maximum_cell_voltage_v", 2816, 1, "Highest cell voltage permitted", "单体最高允许充电电压"),
        current("maximum_current_a", 2817, 3, "Largest current permitted", "最高允许充电电流", required=True),
        Field("nominal_energy_kwh", 2818, 5, 16, per_unit=10, unit="kWh", minimum=0.0, maximum=1000.0,
              en="Nominal energy", zh="标称总能量"),
        voltage("maximum_voltage_v", 2819, 7, "Highest total voltage permitted", "最高允许充电总电压", required=True),
        temperature("maximum_temperature_c", 2820, 9, "Highest temperature permitted", "最高允许温度",
                    note="One implementation uses an offset of 40 in one place; the text has 50."),
        Field("soc_percent", 2821, 10, 16, per_unit=10, unit="%", minimum=0.0, maximum=100.0,
              en="State of charge", zh="荷电状态"),
        voltage("battery_voltage_v", 2822, 12, "Present battery voltage", "当前电池电压", required=True),
        en="Charging parameters of the battery", zh="动力蓄电池充电参数", clause="10.2, table 12",
    ),
    _message(
        "BRO", 0x0900, 4, (1,), 250,
        Field("ready", 2829, 1, 8, kind=Kind.FLAG, true_raw=0xAA, optional=True, choices=READY,
              en="BMS ready to charge", zh="BMS是否充电准备好"),
        en="Battery ready to charge", zh="电池充电准备就绪状态", clause="10.2, table 15",
    ),
    _message(
        "BCL", 0x1000, 6, (5,), 50,
        voltage("voltage_v", 3072, 1, "Voltage demand", "电压需求", required=True),
        current("current_a", 3073, 3, "Current demand", "电流需求", required=True),
        Field("mode", 3074, 5, 8, minimum=1, maximum=2, choices=MODES, required=True, en="Charging mode", zh="充电模式",
              note="03 is an extension for feeding back into the grid and no demand to charge."),
        en="Charging demand of the battery", zh="电池充电需求", clause="10.3, table 17", charging_data=True,
    ),
    _message(
        "BCS", 0x1100, 7, (9,), 250,
        voltage("voltage_v", 3075, 1, "Charging voltage measured", "充电电压测量值", required=True),
        current("current_a", 3076, 3, "Charging current measured", "充电电流测量值", required=True, minimum_a=-400.0),
        cell_voltage("maximum_cell_voltage_v", 3077, 5, "Highest cell voltage", "最高单体电压", bits=12),
        Field("maximum_cell_group", 3077, 6, 4, 5, minimum=0, maximum=15,
              en="Group of that cell", zh="最高单体电压所在组号"),
        Field("soc_percent", 3078, 7, 8, unit="%", minimum=0, maximum=100, en="State of charge", zh="当前荷电状态"),
        minutes("remaining_min", 3079, 8, "Time left, estimated", "估算剩余充电时间"),
        en="Charging state of the battery", zh="电池充电总状态", clause="10.3, table 18", charging_data=True,
    ),
    _message(
        "BSM", 0x1300, 6, (7,), 250,
        Field("maximum_cell_number", 3085, 1, 8, zero=-1, minimum=1, maximum=256,
              en="Number of the cell with the highest voltage", zh="最高单体电压所在编号"),
        temperature("highest_temperature_c", 3086, 2, "Highest battery temperature", "最高动力蓄电池温度"),
        Field("highest_temperature_point", 3087, 3, 8, zero=-1, minimum=1, maximum=128,
              en="Measuring point of the highest temperature", zh="最高温度检测点编号"),
        temperature("lowest_temperature_c", 3088, 4, "Lowest battery temperature", "最低动力蓄电池温度"),
        Field("lowest_temperature_point", 3089, 5, 8, zero=-1, minimum=1, maximum=128,
              en="Measuring point of the lowest temperature", zh="最低温度检测点编号"),
        state("cell_voltage_state", 3090, 6, 1, LEVELS, "Cell voltage", "单体电压过高/过低"),
        state("soc_state", 3091, 6, 3, LEVELS, "State of charge", "荷电状态过高/过低"),
        state("over_current_state", 3092, 6, 5, FAULTS, "Charging current too high", "充电过电流"),
        state("over_temperature_state", 3093, 6, 7, FAULTS, "Battery too hot", "动力蓄电池温度过高"),
        state("insulation_state", 3094, 7, 1, FAULTS, "Insulation of the battery", "动力蓄电池绝缘状态"),
        state("connector_state", 3095, 7, 3, FAULTS, "Battery connector", "动力蓄电池组输出连接器连接状态"),
        Field("charging_permitted", 3096, 7, 2, 5, Kind.FLAG, choices=PERMITTED,
              en="Charging permitted", zh="充电允许"),
        en="State of the battery", zh="动力蓄电池状态信息", clause="10.3, table 20", charging_data=True,
        note="Bits 7 and 8 of byte 7 are spare; vehicles send them as 00 or 11.",
    ),
    _list(
        "BMV", 0x1500, 2, 256,
        cell_voltage("cell_voltages_v", 3101, 1, "Cell voltage", "单体动力蓄电池电压", bits=12, optional=True),
        Field("cell_groups", 3101, 2, 4, 5, minimum=0, maximum=15, missing=15, en="Group of the cell", zh="电池分组号"),
        en="Cell voltages", zh="单体动力蓄电池电压", clause="10.3, table 21", charging_data=True,
        note="Two bytes for each cell there is, unused cells are FF FF.",
    ),
    _list(
        "BMT", 0x1600, 1, 128,
        temperature("temperatures_c", 3361, 1, "Battery temperature", "动力蓄电池温度", optional=True,
                    note="The SPN numbers of the single points are in one source only.", confidence="medium"),
        en="Battery temperatures", zh="动力蓄电池温度", clause="10.3, table 22", charging_data=True,
    ),
    _list(
        "BSP", 0x1700, 1, 16,
        Field("reserved", 3491, 1, 8, kind=Kind.CODE, en="Reserved field", zh="预留字段", confidence="medium",
              note="Two sources."),
        en="Reserved message of the battery", zh="动力蓄电池预留报文", clause="10.3, table 23", charging_data=True,
    ),
    _message(
        "BST", 0x1900, 4, (4,), 10,
        state("soc_target_reached", 3511, 1, 1, REASONS, "State of charge reached", "达到所需求的SOC目标值"),
        state("voltage_target_reached", 3511, 1, 3, REASONS, "Total voltage reached", "达到总电压的设定值"),
        state("cell_voltage_target_reached", 3511, 1, 5, REASONS, "Cell voltage reached", "达到单体电压设定值"),
        state("stopped_by_charger", 3511, 1, 7, REASONS, "Stopped by the charger (CST)", "充电机主动中止"),
        state("insulation_fault", 3512, 2, 1, FAULTS, "Insulation fault", "绝缘故障",
              note="One test bench reads bytes 2 and 3 the other way round."),
        state("output_connector_over_temperature", 3512, 2, 3, FAULTS, "Output connector too hot",
              "输出连接器过温故障"),
        state("bms_over_temperature", 3512, 2, 5, FAULTS, "BMS component or connector too hot",
              "BMS元件、输出连接器过温"),
        state("charging_connector_fault", 3512, 2, 7, FAULTS, "Charging connector fault", "充电连接器故障"),
        state("battery_over_temperature", 3512, 3, 1, FAULTS, "Battery too hot", "电池组温度过高故障"),
        state("high_voltage_relay_fault", 3512, 3, 3, FAULTS, "High-voltage relay fault", "高压继电器故障"),
        state("detection_point_2_fault", 3512, 3, 5, FAULTS, "Voltage of detection point 2 wrong",
              "检测点2电压检测故障"),
        state("other_fault", 3512, 3, 7, FAULTS, "Other fault", "其他故障"),
        state("over_current", 3513, 4, 1, FAULTS, "Current above the demand", "电流过大"),
        state("voltage_abnormal", 3513, 4, 3, FAULTS, "Voltage abnormal", "电压异常"),
        state("parameter_mismatch", 3513, 4, 5, FAULTS, "Charging parameters do not match", "充电参数不匹配",
              since="2023"),
        en="BMS stops the charge", zh="BMS中止充电", clause="10.3, table 24",
    ),
    _message(
        "BSD", 0x1C00, 6, (7,), 250,
        Field("soc_percent", 3601, 1, 8, unit="%", minimum=0, maximum=100,
              en="State of charge at the end", zh="中止荷电状态"),
        cell_voltage("minimum_cell_voltage_v", 3602, 2, "Lowest cell voltage", "单体最低电压"),
        cell_voltage("maximum_cell_voltage_v", 3603, 4, "Highest cell voltage", "单体最高电压"),
        temperature("lowest_temperature_c", 3604, 6, "Lowest battery temperature", "动力蓄电池最低温度"),
        temperature("highest_temperature_c", 3605, 7, "Highest battery temperature", "动力蓄电池最高温度"),
        en="Statistics of the BMS", zh="BMS统计数据", clause="10.4, table 26",
    ),
    _message(
        "BEM", 0x1E00, 2, (4,), 250,
        state("crm_not_recognised_timeout", 3901, 1, 1, TIMEOUTS, "No CRM 00", "接收SPN2560=0x00的充电机辨识报文超时"),
        state("crm_recognised_timeout", 3902, 1, 3, TIMEOUTS, "No CRM AA", "接收SPN2560=0xAA的充电机辨识报文超时"),
        state("cts_cml_timeout", 3903, 2, 1, TIMEOUTS, "No CTS and CML", "接收充电机时间同步和最大输出能力报文超时"),
        state("cro_timeout", 3904, 2, 3, TIMEOUTS, "No CRO that is ready", "接收充电机完成充电准备报文超时"),
        state("ccs_timeout", 3905, 3, 1, TIMEOUTS, "No CCS", "接收充电机充电状态报文超时"),
        state("cst_timeout", 3906, 3, 3, TIMEOUTS, "No CST", "接收充电机中止充电报文超时"),
        state("csd_timeout", 3907, 4, 1, TIMEOUTS, "No CSD", "接收充电机充电统计报文超时"),
        en="BMS reports a time-out", zh="BMS错误报文", clause="10.5, table 28",
        note="One decoder places the fields elsewhere; recordings on hardware contradict it.",
    ),
)  # fmt: skip
