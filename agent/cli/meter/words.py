"""What the signals of meters are called, in Chinese and English."""

from functools import cache

from drivers.meters.signals import AC_SIGNALS, DC_SIGNALS
from drivers.text import Text

GROUPS = {
    "live": Text("实时", "live"),
    "energy": Text("电能", "energy"),
    "quality": Text("电能质量及其他慢变量", "power quality and other slow quantities"),
}

KINDS = {
    "dc": Text("直流,用于充电枪", "DC, for a connector"),
    "ac1": Text("单相交流", "AC, one phase"),
    "ac3": Text("三相交流", "AC, three phases"),
}

PROTOCOLS = {
    "modbus": Text("Modbus RTU", "Modbus RTU"),
    "dlt645-2007": Text("DL/T 645-2007", "DL/T 645-2007"),
}

CONFIDENCE = {
    "high": Text("高", "high"),
    "medium": Text("中", "medium"),
    "low": Text("低", "low"),
}

_QUANTITIES = {
    "voltage_unbalance": Text("电压不平衡度", "voltage unbalance"),
    "current_unbalance": Text("电流不平衡度", "current unbalance"),
    "voltage_line_average": Text("平均线电压", "average line voltage"),
    "voltage_average": Text("平均相电压", "average phase voltage"),
    "current_average": Text("平均电流", "average current"),
    "current_sum": Text("电流之和", "sum of the currents"),
    "current_neutral": Text("中性线电流", "neutral current"),
    "current_rated": Text("额定电流", "rated current"),
    "thd_voltage": Text("电压总谐波畸变率", "THD of the voltage"),
    "thd_current": Text("电流总谐波畸变率", "THD of the current"),
    "reactive_energy_import": Text("正向无功电能", "reactive energy, import"),
    "reactive_energy_export": Text("反向无功电能", "reactive energy, export"),
    "reactive_energy_total": Text("无功电能总计", "reactive energy, total"),
    "energy_resettable": Text("可清零电能", "resettable energy"),
    "energy_reverse": Text("反向电能", "reverse energy"),
    "energy_import": Text("正向有功电能", "energy, import"),
    "energy_export": Text("反向有功电能", "energy, export"),
    "energy_total": Text("组合有功电能", "energy, total"),
    "energy": Text("正向电能", "energy"),
    "active_power": Text("有功功率", "active power"),
    "reactive_power": Text("无功功率", "reactive power"),
    "apparent_power": Text("视在功率", "apparent power"),
    "power_factor": Text("功率因数", "power factor"),
    "phase_angle": Text("相角", "phase angle"),
    "demand_maximum": Text("最大需量", "maximum demand"),
    "demand": Text("需量", "demand"),
    "frequency": Text("频率", "frequency"),
    "temperature": Text("表内温度", "internal temperature of the meter"),
    "broken_wire": Text("断线标志", "broken-wire flag"),
    "overload": Text("过载标志", "overload flag"),
    "voltage": Text("电压", "voltage"),
    "current": Text("电流", "current"),
    "power": Text("功率", "power"),
}

_PARTS = {
    "l1": Text("L1 相", "L1"),
    "l2": Text("L2 相", "L2"),
    "l3": Text("L3 相", "L3"),
    "l12": Text("L1-L2 线", "L1 to L2"),
    "l23": Text("L2-L3 线", "L2 to L3"),
    "l31": Text("L3-L1 线", "L3 to L1"),
    "t1": Text("费率 1", "tariff 1"),
    "t2": Text("费率 2", "tariff 2"),
    "t3": Text("费率 3", "tariff 3"),
    "t4": Text("费率 4", "tariff 4"),
}
_UNITS = ("wh", "varh", "w", "var", "va", "v", "a", "hz", "percent", "deg", "c")


@cache
def signal_text(signal: str) -> Text:
    """The name of a signal for people. Raises KeyError for a name that is none."""
    if signal not in DC_SIGNALS and signal not in AC_SIGNALS:
        raise KeyError(signal)
    words = signal.removeprefix("meter_").split("_")
    if words[-1] in _UNITS:
        words.pop()
    part = words.pop() if words[-1] in _PARTS else ""
    quantity = _QUANTITIES["_".join(words)]
    if not part:
        return quantity
    return Text(f"{quantity.zh},{_PARTS[part].zh}", f"{quantity.en}, {_PARTS[part].en}")
