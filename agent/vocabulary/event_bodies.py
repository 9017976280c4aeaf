"""The bodies of events and audits: each key with type, unit, range and meaning. See ``agent.vocabulary.bodies``."""

from typing import Annotated, Any, Literal, NotRequired, TypedDict

from agent.vocabulary.meta import A, C, Count, DeciV, Kohm, KWh, MilliWh, Number, OhmPerV, PercentFloat, V, W, Wh, say

Detail = Annotated[dict[str, Any], say("规约层细节", "detail of the protocol")]


class Battery(TypedDict):
    """The battery as BCP describes it; what the vehicle does not send is absent."""

    event: Literal["battery"]
    maximum_cell_voltage_v: NotRequired[Annotated[V, say("单体最高允许充电电压", "highest cell voltage permitted")]]
    maximum_current_a: NotRequired[Annotated[A, say("最高允许充电电流", "largest current permitted")]]
    nominal_energy_kwh: NotRequired[Annotated[KWh, say("标称总能量", "nominal energy")]]
    maximum_voltage_v: NotRequired[Annotated[V, say("最高允许充电总电压", "highest total voltage permitted")]]
    maximum_temperature_c: NotRequired[Annotated[C, say("最高允许温度", "highest temperature permitted")]]
    soc_percent: NotRequired[Annotated[PercentFloat, say("荷电状态", "state of charge")]]
    battery_voltage_v: NotRequired[Annotated[V, say("当前电池电压", "present battery voltage")]]


class ChargerLimits(TypedDict):
    """The output range that the followed charger sent in CML."""

    event: Literal["charger_limits"]
    maximum_voltage_v: NotRequired[Annotated[V, say("最高输出电压", "highest output voltage")]]
    minimum_voltage_v: NotRequired[Annotated[V, say("最低输出电压", "lowest output voltage")]]
    maximum_current_a: NotRequired[Annotated[A, say("最大输出电流", "largest output current")]]
    minimum_current_a: NotRequired[Annotated[A, say("最小输出电流", "smallest output current")]]


class Insulation(TypedDict):
    """The insulation test of this session: resistances at the test voltage; none by the profile, none in the record."""

    event: Literal["insulation"]
    plus_kohm: NotRequired[Annotated[Kohm, say("正极对地电阻", "resistance of the positive pole to earth")]]
    minus_kohm: NotRequired[Annotated[Kohm, say("负极对地电阻", "resistance of the negative pole to earth")]]
    voltage_dv: Annotated[DeciV, say("试验电压", "test voltage")]
    ohm_per_v: NotRequired[Annotated[OhmPerV, say("较小电阻除以电压", "the lower resistance divided by the voltage")]]


class VehicleStop(TypedDict):
    """The vehicle asks for the end (BST)."""

    event: Literal["vehicle_stop"]
    detail: Detail


class Paused(TypedDict):
    """The vehicle asks for a pause (BSM)."""

    event: Literal["paused"]
    detail: Detail


class Resumed(TypedDict):
    """The vehicle goes on after a pause (BSM)."""

    event: Literal["resumed"]
    detail: Detail


class VersionNegotiation(TypedDict):
    """The vehicle offers a newer protocol; the charge goes on as 2015."""

    event: Literal["version_negotiation"]
    detail: Detail


class MessageRefused(TypedDict):
    """A message of the vehicle could not be used; recorded once for each message of a session."""

    event: Literal["message_refused"]
    message: Annotated[str, say("报文名", "name of the message")]
    detail: Detail


class ContactLost(TypedDict):
    """The dialogue broke; a new handshake is being prepared."""

    event: Literal["contact_lost"]
    cause: Annotated[str, say("故障编号", "fault id of what broke it")]
    reconnects_left: Annotated[Count, say("剩余重连次数", "new handshakes left")]
    detail: Detail


class Reconnect(TypedDict):
    """A new handshake begins."""

    event: Literal["reconnect"]
    number: Annotated[Number, say("插枪后第几次", "which one since the plug was put in")]
    cause: Annotated[str | None, say("故障编号", "fault id of what broke the dialogue")]


class ProtocolViolation(TypedDict):
    """A side broke a rule of the protocol; the first time in a session (listener)."""

    event: Literal["protocol_violation"]
    code: Annotated[str, say("规则代码", "code of the rule (docs/gbt27930-messages.md)")]
    message: Annotated[str, say("报文名", "name of the message")]
    expected: Annotated[str, say("应为", "what the rule expects")]
    seen: Annotated[str, say("实际", "what was seen")]
    text_zh: Annotated[str, say("中文说明", "the rule in Chinese")]
    text_en: Annotated[str, say("英文说明", "the rule in English")]


class StopAsked(TypedDict):
    """A side of a followed charge asks for the end (BST or CST)."""

    event: Literal["stop_asked"]
    message: Annotated[str, say("报文名", "BST or CST")]
    causes: Annotated[str, say("原因", "causes named in the message")]
    first_side: Annotated[Literal["charger", "vehicle"] | None, say("先提出的一方", "who asked first")]


class VehicleFaultState(TypedDict):
    """The followed vehicle reports a fault state."""

    event: Literal["vehicle_fault"]
    message: Annotated[str, say("报文名", "name of the message")]
    states: Annotated[str, say("故障状态", "the states")]


class VehicleAttempt(TypedDict):
    """The followed vehicle is connected again."""

    event: Literal["vehicle_attempt"]
    attempt: Annotated[Count, say("第几次", "number of the attempt")]


class VehiclePause(TypedDict):
    """The followed vehicle asks for a pause."""

    event: Literal["vehicle_pause"]
    attempt: Annotated[Count, say("第几次连接", "number of the attempt to connect")]


class VehicleResume(TypedDict):
    """The followed vehicle ends a pause."""

    event: Literal["vehicle_resume"]
    attempt: Annotated[Count, say("第几次连接", "number of the attempt to connect")]


class EnergyDisagrees(TypedDict):
    """The register and the total that the followed charger sent differ by more than the limit."""

    event: Literal["energy_disagrees"]
    register_wh: Annotated[Wh, say("电表电量", "energy by the register")]
    csd_wh: Annotated[Wh, say("CSD 电量", "energy by CSD")]


class RegisterLower(TypedDict):
    """The register went back: exchanged, or wrong."""

    event: Literal["register_lower"]
    former_wh: Annotated[Wh, say("原示数", "the reading before")]
    register_wh: Annotated[Wh, say("现示数", "the reading now")]
    since: NotRequired[Annotated[Literal["last_session"], say("与上次充电结束相比", "compared with the last session")]]
    session: NotRequired[Annotated[str | None, say("所属充电", "the session that was closed from the record")]]


class RegisterJumped(TypedDict):
    """The register went up by more than the pile can deliver."""

    event: Literal["register_jumped"]
    former_wh: Annotated[Wh, say("原示数", "the reading before")]
    register_wh: Annotated[Wh, say("现示数", "the reading now")]
    since: NotRequired[Annotated[Literal["last_session"], say("与上次充电结束相比", "compared with the last session")]]
    session: NotRequired[Annotated[str | None, say("所属充电", "the session that was closed from the record")]]


class RegisterRolledOver(TypedDict):
    """The register began again at 0."""

    event: Literal["register_rolled_over"]
    modulus_wh: Annotated[Wh | None, say("翻转值", "where it begins again")]
    former_wh: Annotated[Wh, say("原示数", "the reading before")]
    register_wh: Annotated[Wh, say("现示数", "the reading now")]


class RegisterResumed(TypedDict):
    """The register is plausible again, after a reading was held off."""

    event: Literal["register_resumed"]
    former_wh: Annotated[Wh, say("原示数", "the last good reading")]
    register_wh: Annotated[Wh, say("现示数", "the reading now")]


class InternalError(TypedDict):
    """An error of the program; the outputs were opened."""

    event: Literal["internal_error"]
    error: Annotated[str, say("错误", "the error")]
    place: Annotated[str, say("位置", "function and line")]


class RecordsOmitted(TypedDict):
    """Records were left out while the recorder was away."""

    event: Literal["records_omitted"]
    count: Annotated[Number, say("条数", "how many")]


RecordsMissing = TypedDict(
    "RecordsMissing",
    {
        "event": Literal["records_missing"],
        "boot_id": Annotated[str, say("运行标识", "run of the field process that made them")],
        "from": Annotated[Number, say("首个编号", "first number missing")],
        "to": Annotated[Number, say("最后编号", "last number missing")],
    },
)
RecordsMissing.__doc__ = "Records were acknowledged once and are gone from here (a damaged ledger)."


class ReadingsDamaged(TypedDict):
    """The readings file was damaged and moved aside."""

    event: Literal["readings_damaged"]
    file: Annotated[str, say("另存的文件名", "name of the file moved aside")]


class PowerBudget(TypedDict):
    """Power for all connectors together has changed, or what sets it."""

    event: Literal["power_budget"]
    power_w: Annotated[W, say("功率预算", "power for all connectors together, DC side")]
    by: Annotated[str, say("限值来源", "what sets it: profile, incomer, command:<origin> or default")]


class PowerLimitExpired(TypedDict):
    """A power limit by command has run out; the default of the site holds for its origin."""

    event: Literal["power_limit_expired"]
    origin: Annotated[str, say("指令来源", "who had sent it: platform, site or local")]


class PowerGroup(TypedDict):
    """A switched group of power modules has entered another state."""

    event: Literal["power_group"]
    group: Annotated[str, say("模块组", "the group")]
    state: Annotated[str, say("状态", "parked, matching, closing, joined, unloading, opening or faulted")]
    connector: Annotated[int | None, say("目标枪号", "connector that it feeds or is on its way to, if any")]


class MeterUnitProven(TypedDict):
    """A person compared the display of the meter with the register."""

    audit: Literal["meter_unit_proven"]
    proof: Annotated[str, say("核实对象", "meter and setting that it holds for")]
    model: Annotated[Any, say("电表型号", "model of the meter")]
    serial_number: Annotated[Any, say("表号", "serial number")]
    energy_unit_wh: Annotated[str, say("寄存器单位", "unit of the register, Wh")]
    display_mwh: Annotated[MilliWh, say("显示值", "what the display shows")]
    display_step_mwh: Annotated[MilliWh, say("显示分辨率", "last digit of the display")]
    register_wh: Annotated[Wh, say("寄存器读数", "register of the meter")]
    by: Annotated[str, say("操作人", "who did it")]


class OldMeterBody(TypedDict):
    """The meter that was taken out."""

    serial_number: Annotated[str, say("表号", "serial number")]
    register_end_wh: Annotated[Wh, say("止码", "its last register")]


class NewMeterBody(TypedDict):
    """The meter that was put in."""

    serial_number: Annotated[str, say("表号", "serial number")]
    register_start_wh: Annotated[Wh, say("起码", "its first register")]


class MeterExchanged(TypedDict):
    """A person exchanged the meter."""

    audit: Literal["meter_exchanged"]
    old: Annotated[OldMeterBody, say("旧表", "the meter taken out")]
    new: Annotated[NewMeterBody, say("新表", "the meter put in")]
    register_wh: Annotated[Wh, say("现示数", "the register now")]
    former_wh: Annotated[Wh | None, say("换表前最后示数", "the last register before, if known")]
    by: Annotated[str, say("操作人", "who did it")]
    reason: Annotated[str, say("原因", "why")]
