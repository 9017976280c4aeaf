"""The bodies of records other than events and audits: each key with type, unit, range and meaning.

mypy checks the code that builds a body against its class; ``agent.vocabulary.check`` checks real bodies in tests and on
the bench. A key that may be absent is ``NotRequired``: absent means not known, never zero.
"""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from agent.vocabulary.meta import (
    Ah,
    CentiV,
    Count,
    DeciA,
    DeciC,
    DeciV,
    Hex,
    Level,
    MilliWh,
    Minutes,
    MoneyE4,
    Ms,
    Number,
    Percent,
    PriceE5,
    Seconds,
    Us,
    V,
    W,
    WallMs,
    Wh,
    say,
)

Reasons = Annotated[list["ReasonBody"], say("原因,代码与细节分开", "the reasons, code and detail apart")]


class ReasonBody(TypedDict):
    """One reason: a code, and a detail if one helps."""

    code: Annotated[str, say("原因代码或故障编号", "code of the reason, or a fault id")]
    detail: NotRequired[Annotated[str, say("细节:信号、状态、数值", "detail: a signal, a state, a number")]]


class TariffBody(TypedDict):
    """The tariff as it was at the start, so that the bill can be rebuilt."""

    id: Annotated[str, say("电价编号", "id of the tariff")]
    version: Annotated[int, say("电价版本", "version of the tariff")]
    electricity_e5: Annotated[dict[str, PriceE5], say("各费率电价", "price of electricity by rate, 0.00001 CNY/kWh")]
    service_e5: Annotated[dict[str, PriceE5], say("各费率服务费价", "price of service by rate, 0.00001 CNY/kWh")]
    slots: Annotated[list[str], say("48 个半小时时段的费率", "rate of each of the 48 half-hours of the local day")]
    utc_offset_minutes: Annotated[Minutes, say("本地时差", "local time less UTC")]


class MeterBody(TypedDict):
    """The billing meter of a session."""

    model: NotRequired[Annotated[str, say("电表型号", "model of the meter")]]
    address: NotRequired[Annotated[int | str, say("电表地址", "address on the line, or meter number (DL/T 645)")]]
    serial_number: NotRequired[Annotated[str, say("表号", "serial number")]]
    certificate_number: NotRequired[Annotated[str, say("检定证书号", "number of the verification certificate")]]
    accuracy_class: NotRequired[Annotated[str, say("准确度等级", "accuracy class")]]
    verification_due: NotRequired[Annotated[str, say("检定有效期至", "last day of the verification, YYYY-MM-DD")]]
    energy_unit_wh: NotRequired[Annotated[str, say("寄存器单位", "unit of the register as set in the site file, Wh")]]
    register_step_mwh: NotRequired[Annotated[MilliWh, say("电表最小读数", "resolution of the register")]]
    register_modulus_wh: NotRequired[Annotated[Wh, say("电表翻转值", "where the register begins again at 0")]]
    unit_proven: NotRequired[Annotated[bool, say("电能单位已核实", "the unit of the register is proven or undisputed")]]


class LimitsBody(TypedDict):
    """Where the customer wants the charge to end."""

    energy_wh: NotRequired[Annotated[Wh, say("电量上限", "energy")]]
    duration_s: NotRequired[Annotated[Seconds, say("时长上限", "duration")]]
    amount_e4: NotRequired[Annotated[MoneyE4, say("金额上限", "amount")]]
    soc_percent: NotRequired[Annotated[Percent, say("SOC 上限", "state of charge")]]


class SliceBody(TypedDict):
    """A stretch of a session at one rate."""

    start_wall_ms: Annotated[WallMs, say("开始时间", "begin")]
    end_wall_ms: Annotated[WallMs, say("结束时间", "end")]
    rate: Annotated[str, say("费率", "name of the rate: sharp, peak, flat, valley")]
    price_electricity_e5: Annotated[PriceE5, say("电价", "price of electricity")]
    price_service_e5: Annotated[PriceE5, say("服务费价", "price of service")]
    energy_wh: Annotated[Wh, say("电量", "energy")]
    electricity_e4: Annotated[MoneyE4, say("电费", "amount for electricity, rounded half up")]
    service_e4: Annotated[MoneyE4, say("服务费", "amount for service, rounded half up")]


class BillBody(TypedDict):
    """The bill: energy = end - start + roll-overs x modulus of the register."""

    register_start_wh: Annotated[Wh, say("起码", "register at the start")]
    register_end_wh: Annotated[Wh, say("止码", "register at the end, as the meter shows it")]
    register_rollovers: NotRequired[Annotated[Number, say("翻转次数", "how often the register began again at 0")]]
    register_modulus_wh: NotRequired[Annotated[Wh, say("电表翻转值", "where the register begins again at 0")]]
    energy_wh: Annotated[Wh, say("电量", "energy")]
    slices: Annotated[list[SliceBody], say("分时段明细", "the bill by rate")]
    amount_e4: Annotated[MoneyE4, say("应付金额(0.01 元的整数倍)", "amount to pay, a multiple of 0.01 CNY")]
    rounding: NotRequired[Annotated[str, say("舍入规则", "rounding rule: half-up-per-slice")]]


class RejectedBody(TypedDict):
    """The first reading of the register that was held off in a session; nothing after it is billed."""

    why: Annotated[Literal["lower", "jumped"], say("原因:变小或跳变", "it went back, or up by too much")]
    register_wh: Annotated[Wh, say("被拒读数", "the reading")]
    plausible_wh: Annotated[Wh, say("最后可信读数", "the last plausible reading")]


Result = Literal["settled", "failed", "refused"]
RegisterSource = Literal["meter", "last_reading", "last_plausible", "last_record", "none"]


class SessionStarted(TypedDict):
    """A charge was granted; it is durable before a contactor closes."""

    origin: Annotated[Literal["local", "platform"], say("启动方式", "who started it")]
    command_id: Annotated[str, say("启动命令编号", "id of the start command")]
    user: Annotated[str, say("用户", "user as named in the command")]
    limits: Annotated[LimitsBody, say("充电设定", "limits of the charge")]
    register_wh: Annotated[Wh, say("起码", "register at the start")]
    tariff: Annotated[TariffBody, say("电价", "tariff in force")]
    meter: Annotated[MeterBody, say("电表", "billing meter")]
    maximum_power_w: Annotated[float, say("额定功率(瓦)", "most power the connector can deliver, W")]
    started_wall_ms: Annotated[WallMs, say("开始时间", "begin")]


class FollowedStarted(TypedDict):
    """A charge of another maker's charger is followed from here (role ``monitor``)."""

    role: Annotated[Literal["monitor"], say("角色:只监听", "the agent only listens")]
    origin: Annotated[Literal["observed"], say("启动方式:他方充电机", "started by another maker's charger")]
    from_start: Annotated[bool, say("自开始监听", "the dialogue was heard from its beginning")]
    energy_source: Annotated[Literal["meter", "vehicle_bus"], say("电量来源", "where the energy comes from")]
    started_wall_ms: Annotated[WallMs, say("开始时间", "begin of the dialogue")]
    register_wh: NotRequired[Annotated[Wh, say("起码", "register at the start")]]
    tariff: NotRequired[Annotated[TariffBody, say("电价", "tariff in force")]]
    meter: NotRequired[Annotated[MeterBody, say("电表", "billing meter")]]


class SessionEnded(BillBody):
    """The end of a start attempt: settled, failed, or refused (no energy, no money)."""

    result: Annotated[Result, say("结果", "how it ended")]
    stop_reason: Annotated[str, say("停止原因:代码或故障编号", "code of the stop reason or fault id; refusal: text")]
    reasons: NotRequired[Reasons]
    faults: Annotated[list[str], say("充电中的故障", "faults of the session, oldest first")]
    origin: NotRequired[Annotated[str, say("启动方式", "who started it: local, platform")]]
    command_id: NotRequired[Annotated[str, say("启动命令编号", "id of the start command")]]
    register_source: NotRequired[Annotated[RegisterSource, say("止码来源", "where the last register comes from")]]
    duration_s: Annotated[Seconds, say("时长", "duration")]
    started_wall_ms: Annotated[WallMs, say("开始时间", "begin")]
    ended_wall_ms: Annotated[WallMs, say("结束时间", "end")]
    closed_by: Annotated[Literal["control", "recovery"], say("结算方", "closed in operation, or from the record later")]
    soc_start_percent: NotRequired[Annotated[Percent, say("起始 SOC", "state of charge at the start")]]
    soc_end_percent: NotRequired[Annotated[Percent, say("结束 SOC", "state of charge at the end")]]
    vin: NotRequired[Annotated[str, say("车辆识别码", "vehicle identification number")]]
    reconnects: NotRequired[Annotated[Number, say("重新握手次数", "new handshakes in the session")]]
    register_step_mwh: NotRequired[Annotated[MilliWh, say("电表最小读数", "resolution of the register")]]
    register_rejected: NotRequired[Annotated[RejectedBody, say("被拒的电表读数", "reading held off")]]
    problem: NotRequired[Annotated[str, say("记录无法结算的原因", "why the record could not be billed")]]


class FollowedEnded(TypedDict):
    """The end of a charge that was only followed; a bill only with an own meter."""

    role: Annotated[Literal["monitor"], say("角色:只监听", "the agent only listens")]
    result: Annotated[Result, say("结果", "how it ended")]
    stop_reason: Annotated[str, say("停止原因:代码或故障编号", "code of the stop reason or fault id")]
    faults: Annotated[list[str], say("充电中的故障", "faults of the session, oldest first")]
    origin: Annotated[str, say("启动方式:他方充电机", "started by another maker's charger")]
    command_id: NotRequired[Annotated[str, say("无", "empty: there is no command")]]
    from_start: NotRequired[Annotated[bool, say("自开始监听", "the dialogue was heard from its beginning")]]
    energy_source: Annotated[Literal["meter", "vehicle_bus"] | None, say("电量来源", "where the energy comes from")]
    energy_wh: Annotated[Wh, say("电量", "energy")]
    energy_quality: NotRequired[
        Annotated[Literal["estimate", "charger_total"], say("电量性质", "estimate, or the total that the charger sent")]
    ]
    billing_grade: NotRequired[Annotated[bool, say("可用于结算", "may be billed: false without a meter")]]
    register_start_wh: NotRequired[Annotated[Wh, say("起码", "register at the start")]]
    register_end_wh: NotRequired[Annotated[Wh, say("止码", "register at the end")]]
    register_rollovers: NotRequired[Annotated[Number, say("翻转次数", "how often the register began again at 0")]]
    register_modulus_wh: NotRequired[Annotated[Wh, say("电表翻转值", "where the register begins again at 0")]]
    slices: NotRequired[Annotated[list[SliceBody], say("分时段明细", "the bill by rate")]]
    amount_e4: NotRequired[Annotated[MoneyE4, say("应付金额", "amount to pay")]]
    rounding: NotRequired[Annotated[str, say("舍入规则", "rounding rule")]]
    register_source: NotRequired[Annotated[RegisterSource, say("止码来源", "where the last register comes from")]]
    duration_s: Annotated[Seconds, say("时长", "duration")]
    started_wall_ms: Annotated[WallMs, say("开始时间", "begin")]
    ended_wall_ms: Annotated[WallMs, say("结束时间", "end")]
    closed_by: Annotated[Literal["control", "recovery"], say("结算方", "closed in operation, or from the record later")]
    attempts: NotRequired[Annotated[Count, say("连接次数", "attempts to connect")]]
    pauses: NotRequired[Annotated[Count, say("暂停次数", "pauses")]]
    violations: NotRequired[Annotated[dict[str, int], say("规约违例次数", "broken rules with counts")]]
    complete: NotRequired[Annotated[bool, say("统计报文完整", "both sides exchanged their statistics")]]
    stop_side: NotRequired[Annotated[Literal["charger", "vehicle"], say("停止方", "who asked for the end first")]]
    soc_start_percent: NotRequired[Annotated[Percent, say("起始 SOC", "state of charge at the start")]]
    soc_end_percent: NotRequired[Annotated[Percent, say("结束 SOC", "state of charge at the end")]]
    vin: NotRequired[Annotated[str, say("车辆识别码", "vehicle identification number")]]
    csd_energy_wh: NotRequired[Annotated[Wh, say("CSD 电量", "energy that the charger sent in CSD")]]


class SessionVehicle(TypedDict):
    """The vehicle as its BRM describes it; what it does not send is absent."""

    version: NotRequired[Annotated[str, say("BMS 通信协议版本号", "protocol version of the BMS")]]
    battery_type: NotRequired[Annotated[int, say("电池类型(SPN 2566)", "battery type (SPN 2566)")]]
    rated_capacity_ah: NotRequired[Annotated[Ah, say("额定容量", "rated capacity")]]
    rated_voltage_v: NotRequired[Annotated[V, say("额定总电压", "rated total voltage")]]
    maker: NotRequired[Annotated[str, say("电池生产厂商", "battery maker")]]
    pack_serial: NotRequired[Annotated[int, say("电池组序号", "serial number of the pack")]]
    production_year: NotRequired[Annotated[int, say("生产日期:年", "production year")]]
    production_month: NotRequired[Annotated[int, say("生产日期:月", "production month")]]
    production_day: NotRequired[Annotated[int, say("生产日期:日", "production day")]]
    charge_count: NotRequired[Annotated[int, say("充电次数", "number of charges")]]
    battery_owned_by_vehicle: NotRequired[Annotated[bool, say("电池组产权归车", "the battery belongs to the vehicle")]]
    reserved: NotRequired[Annotated[int, say("预留", "reserved")]]
    vin: NotRequired[Annotated[str, say("车辆识别码", "vehicle identification number")]]
    software_version: NotRequired[Annotated[Any, say("BMS 软件版本号", "software version of the BMS")]]


class Measured(TypedDict):
    """What is valid at this moment; what is stale is absent."""

    register_wh: NotRequired[Annotated[Wh, say("电表示数", "register of the meter")]]
    voltage_dv: NotRequired[Annotated[DeciV, say("输出电压", "output voltage")]]
    current_da: NotRequired[Annotated[DeciA, say("输出电流", "output current, positive into the vehicle")]]
    power_w: NotRequired[Annotated[W, say("输出功率", "output power")]]
    temperature_dc: NotRequired[Annotated[DeciC, say("枪头正极温度", "temperature of the positive contact")]]
    energy_wh: NotRequired[Annotated[Wh, say("已充电量", "energy of the session so far")]]
    soc_percent: NotRequired[Annotated[Percent, say("SOC", "state of charge")]]
    demand_voltage_dv: NotRequired[Annotated[DeciV, say("车辆需求电压", "voltage that the vehicle demands (BCL)")]]
    demand_current_da: NotRequired[Annotated[DeciA, say("车辆需求电流", "current that the vehicle demands (BCL)")]]
    limit_w: NotRequired[Annotated[W, say("当前限值", "limit of the output power in force")]]
    source: NotRequired[
        Annotated[Literal["meter", "ccs", "bcs"], say("测量来源(监听)", "source of the measurement (listener)")]
    ]
    energy_source: NotRequired[
        Annotated[Literal["meter", "vehicle_bus"], say("电量来源(监听)", "where the energy comes from (listener)")]
    ]


class SessionProgress(Measured):
    """The session at an interval and at every change of rate."""

    rate: NotRequired[Annotated[str, say("费率", "rate in force")]]


class Telemetry(Measured):
    """What the connector does, at an interval; left out first when records wait."""

    state: Annotated[str, say("状态", "state of the connector")]
    role: NotRequired[Annotated[Literal["monitor"], say("角色:只监听", "the agent only listens")]]


class SessionSigned(TypedDict):
    """The end of a session was signed with the key of the pile (Ed25519 over the hash of the end record)."""

    seq: Annotated[Number, say("结束记录在 session 流中的序号", "number of the end record in the stream session")]
    record_id: Annotated[Number, say("结束记录在链中的位置", "place of the end record in the chain")]
    number: Annotated[Number, say("结束记录在本次运行中的编号", "number of the end record in its boot")]
    at_us: Annotated[Us, say("结束记录的单调时间", "monotonic time of the end record")]
    previous_hash: Annotated[Hex, say("前一记录的散列", "hash of the record before")]
    hash: Annotated[Hex, say("结束记录的散列", "hash of the end record")]
    public_key: Annotated[Hex, say("公钥", "public key of the pile")]
    signature: Annotated[Hex, say("签名", "signature over the hash")]


class State(TypedDict):
    """The connector has entered a state."""

    state: Annotated[str, say("新状态", "the new state")]
    previous: Annotated[str, say("原状态", "the state before")]
    reasons: Annotated[list[str], say("当时阻止启动的故障", "faults that refuse a start at this moment")]


class NumbersBody(TypedDict):
    """Numbers of a stream around a damaged ledger."""

    last_known: Annotated[Count | None, say("损坏文件中最后可读序号", "last number readable in the damaged file")]
    next: Annotated[Number, say("新文件首个序号", "first number of the new file")]


class AlarmCleared(TypedDict):
    """A fault is over."""

    fault: Annotated[str, say("故障编号", "id of the fault (docs/faults.md)")]
    level: Annotated[Level, say("级别", "1 personal safety, 2 equipment safety, 3 notice")]
    action: Annotated[Literal["open", "stop", "inhibit", "derate", "log"], say("动作", "what the pile does")]
    role: NotRequired[Annotated[Literal["monitor"], say("角色:只监听", "the agent only listens")]]


class AlarmRaised(AlarmCleared):
    """A fault is in force."""

    snapshot: Annotated[dict[str, Any], say("当时各信号值", "the signals at this moment, keyed by name")]
    reason: NotRequired[Annotated[str, say("文件损坏的原因", "record_damaged: what is wrong with the file")]]
    file: NotRequired[Annotated[str, say("另存的文件名", "record_damaged: name of the file moved aside")]]
    numbers: NotRequired[Annotated[dict[str, NumbersBody], say("各流序号", "record_damaged: numbers by stream")]]


class CommandAnswered(TypedDict):
    """A command was decided."""

    id: Annotated[str, say("命令编号", "id of the command")]
    name: Annotated[str, say("命令名", "name of the command")]
    origin: Annotated[Literal["local", "platform"], say("来源", "who asked")]
    result: Annotated[Literal["accepted", "rejected"], say("结果", "the decision")]
    reason: Annotated[str, say("拒绝原因", "why it was rejected, as one text; empty if accepted")]
    reasons: NotRequired[Reasons]


class RegisterSnapshot(TypedDict):
    """The register at a quarter of an hour of local time. Nothing is filled in."""

    quarter_wall_ms: Annotated[WallMs, say("刻钟时刻", "begin of the quarter")]
    delay_ms: Annotated[Ms, say("记录延迟", "how long after it the record was made")]
    clock_set_back: NotRequired[Annotated[Literal[True], say("时钟曾回拨", "the clock was set back")]]
    missing_quarters: NotRequired[Annotated[Number, say("缺失的刻钟数", "quarters before this one without a record")]]
    late: NotRequired[Annotated[Literal[True], say("延迟超过 2 秒", "more than 2 s late")]]
    missing: NotRequired[Annotated[Literal[True], say("电表无应答", "the meter does not answer")]]
    register_wh: NotRequired[Annotated[Wh, say("电表示数", "register of the meter")]]
    age_ms: NotRequired[Annotated[Ms, say("读数时龄", "age of the reading")]]


class StatisticsBody(TypedDict):
    """Ten minutes of one quantity; value = integer / scale, the unit is the last word of its name."""

    count: Annotated[Number, say("读数个数", "number of readings")]
    scale: Annotated[Number, say("倍率", "the integers are values times this")]
    minimum: Annotated[int, say("最小值", "smallest")]
    mean: Annotated[int, say("平均值", "mean")]
    maximum: Annotated[int, say("最大值", "largest")]
    p95: Annotated[int, say("95% 概率值", "value that 95 % of the readings do not exceed")]


class PowerQuality(TypedDict):
    """Ten minutes of the supply (IEC 61000-4-30), from a meter at the grid side."""

    meter: Annotated[str, say("电表型号", "model of the meter")]
    begin_wall_ms: Annotated[WallMs, say("窗口开始时间", "begin of the ten minutes")]
    indicative: Annotated[bool, say("仅供参考(非 A/S 级)", "the meter is no class A or S instrument")]
    values: Annotated[dict[str, StatisticsBody], say("各量统计值", "statistics by quantity")]
    exceeded: Annotated[list[str], say("超限项", "ids of the limits exceeded")]
    partial: NotRequired[Annotated[Literal[True], say("窗口不完整", "not whole ten minutes; judges nothing")]]
    missing: NotRequired[Annotated[Literal[True], say("无读数", "no reading")]]
    unbalance: NotRequired[
        Annotated[Literal["from_magnitudes"], say("不平衡度由幅值计算", "unbalance is calculated from magnitudes")]
    ]


class PowerQualityEvent(TypedDict):
    """A sag, swell or interruption of one voltage, as far as a polled meter sees it."""

    meter: Annotated[str, say("电表型号", "model of the meter")]
    what: Annotated[Literal["sag", "swell", "interruption"], say("类型:暂降、暂升、中断", "kind of the event")]
    signal: Annotated[str, say("信号", "the voltage")]
    begin_wall_ms: Annotated[WallMs, say("开始时间", "begin")]
    duration_ms: Annotated[Ms, say("持续时间", "duration")]
    extreme_cv: Annotated[CentiV, say("极值电压", "lowest or highest voltage")]
    nominal_cv: Annotated[CentiV, say("标称电压", "nominal voltage")]
    resolution_ms: Annotated[Ms, say("采样间隔", "interval of the readings")]
    indicative: Annotated[bool, say("仅供参考(非 A/S 级)", "the meter is no class A or S instrument")]
    cut_short: NotRequired[Annotated[Literal[True], say("读数中断", "the readings ended before the event")]]
