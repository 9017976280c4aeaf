"""DP/DN.3xxx and DP/DN.4xxx: charging, stopping, statistics, the end."""

from hil_tests.conformance.case import (
    AtThePile,
    Await,
    AwaitCurrent,
    AwaitNoSession,
    AwaitSwitch,
    Case,
    Step,
    Stop,
    TryStart,
    Vehicle,
    Wait,
)
from hil_tests.conformance.checks import (
    Between,
    Check,
    Gone,
    Reaches,
    Replied,
    Sent,
    Switched,
    Transferred,
    timeout,
)
from hil_tests.conformance.evidence import Anchor, First, Last, Mark, Text
from hil_tests.conformance.words import CEM, CEM_COMES, ENOUGH_CEM, cem_says, cst_says, opens, times_out

CROAA, CCS, CST, BST, BSD, CSD = (
    First("CRO-AA"), First("CCS"), First("CST"), First("BST"), First("BSD"), First("CSD"),
)  # fmt: skip
TOLD = Mark("state sent", "发送该状态")
BACK = Mark("permit 01", "允许充电 01")
WATCHED = Mark("end of watch", "观察结束")
STOPPED = Mark("stop command", "停止命令")
ACTED = Mark("action at the pile", "桩侧动作")
LOST = Mark("message withheld", "停发报文")
AGAIN = Mark("start without re-plugging", "不重新插枪再次启动")
FRESH = Mark("start after re-plugging", "重新插枪后启动")

_CHARGING: tuple[Step, ...] = (Await("CCS", 60, needed=True), AwaitCurrent(1.0))
_READY: tuple[Step, ...] = (Await("CRO-AA", 60, needed=True),)
_STATES: tuple[tuple[str, str, str], ...] = (
    ("cell_voltage", "SPN3090=01 单体电压过高", "SPN 3090 = 01, cell voltage too high"),
    ("cell_voltage_low", "SPN3090=10 单体电压过低", "SPN 3090 = 10, cell voltage too low"),
    ("soc", "SPN3091=01 SOC 过高", "SPN 3091 = 01, SOC too high"),
    ("soc_low", "SPN3091=10 SOC 过低", "SPN 3091 = 10, SOC too low"),
    ("over_current", "SPN3092=01 充电过流", "SPN 3092 = 01, over-current"),
    ("over_temperature", "SPN3093=01 温度过高", "SPN 3093 = 01, over-temperature"),
    ("insulation", "SPN3094=01 绝缘异常", "SPN 3094 = 01, insulation abnormal"),
    ("connector", "SPN3095=01 输出连接器异常", "SPN 3095 = 01, output connector abnormal"),
)
_REASONS: tuple[tuple[str, str, str], ...] = (
    ("soc_target_reached", "达到 SOC 目标", "SOC target reached"),
    ("voltage_target_reached", "达到总电压设定值", "total voltage target reached"),
    ("cell_voltage_target_reached", "达到单体电压设定值", "cell voltage target reached"),
    ("insulation_fault", "绝缘故障", "insulation fault"),
    ("output_connector_over_temperature", "输出连接器过温", "output connector over-temperature"),
    ("bms_over_temperature", "BMS 元件过温", "BMS over-temperature"),
    ("charging_connector_fault", "充电连接器故障", "charging connector fault"),
    ("battery_over_temperature", "电池组温度过高", "battery over-temperature"),
    ("over_current", "电流过大", "over-current"),
    ("voltage_abnormal", "电压异常", "voltage abnormal"),
    ("other_fault", "其他故障", "other fault"),
)


_TEN_SECONDS = Text(
    "2017 原文第 1) 条写 5 s,第 2) 条写 10 s;第 1 号修改单统一为 10 s,按 10 s 判定。",
    "The 2017 text gives 5 s in one line and 10 s in the next; Amendment 1 makes it 10 s, which is judged.",
)


def _letter(number: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[number]


def stops(since: Anchor, *, react_s: float) -> tuple[Check, ...]:
    """CCS ends, CST every 10 ms, current below 5 A and K1/K2 open."""
    return (
        Between(since, CST, -0.05, react_s),
        Gone("CCS", CST),
        Sent("CST", since=CST, until=Last("CST"), at_least=5),
        Reaches("current_a", -5.0, 5.0, CST, 3.0),
        opens(CST, 4.0),
    )


POSITIVE: tuple[Case, ...] = (
    Case(
        "DP.3001",
        Text("收到 BCS、BCL 后停发 CRO-AA,发送 CCS", "CCS after BCS and BCL, CRO-AA ends"),
        Text("BCL 每 50 ms,以传输协议每 250 ms 发送 BCS", "BCL every 50 ms, BCS by transport protocol every 250 ms"),
        (
            Between(First("BCS"), CCS, -0.05, 0.1),
            Gone("CRO-AA", CCS),
            Sent("CCS", since=CCS, until=WATCHED, at_least=50),
            Reaches("current_a", 20.0, 400.0, CCS, 15.0),
        ),
        (*_CHARGING, Wait(4.0), Wait(0.0, WATCHED)),
        seconds=26,
    ),
    Case(
        "DP.3002",
        Text("BMV、BMT、BSP", "BMV, BMT, BSP"),
        Text(
            "126 串电池的客车:以传输协议发送 BMV、BMT、BSP", "bus with 126 cells: BMV, BMT, BSP by transport protocol"
        ),
        (
            Transferred("BMV"),
            Transferred("BMT"),
            Transferred("BSP"),
            Transferred("BCS"),
            Sent("CCS", since=CCS, until=WATCHED, at_least=150),
            Gone("CEM", CCS),
        ),
        (*_CHARGING, Wait(12.0), Wait(0.0, WATCHED)),
        profile="bus",
        seconds=36,
    ),
    *(
        Case(
            f"DP.3003{_letter(number)}",
            Text(f"BSM 异常:{zh}", f"BSM abnormal: {en}"),
            Text(f"BSM {zh}", f"BSM with {en}"),
            (*stops(TOLD, react_s=0.6), cst_says("10 00 F0 F0", "30 00 00 00")),
            (
                *_CHARGING,
                Vehicle(f"fault {state}", TOLD),
                Await("CST", 5, count=10),
                AwaitSwitch("contactors", False, 8),
            ),
            seconds=24,
        )
        for number, (state, zh, en) in enumerate(_STATES)
    ),
    Case(
        "DP.3004",
        Text("BSM 不可信状态:继续充电", "BSM with untrusted states: charging goes on"),
        Text("依次 SPN3092–3095=10,各 2 s", "SPN 3092 to 3095 = 10 one after the other, 2 s each"),
        (
            Sent("CCS", since=TOLD, until=WATCHED, at_least=100),
            Gone("CST", CCS, until=WATCHED),
            Reaches("current_a", 20.0, 400.0, TOLD, 8.0, all_time=True),
            Switched("contactors", True, TOLD, 0.0, until=WATCHED),
        ),
        (
            *_CHARGING,
            Wait(3.0),
            Vehicle("untrusted over_current", TOLD),
            Wait(2.0),
            Vehicle("untrusted over_temperature"),
            Wait(2.0),
            Vehicle("untrusted insulation"),
            Wait(2.0),
            Vehicle("untrusted connector"),
            Wait(2.0),
            Wait(0.0, WATCHED),
        ),
        seconds=36,
    ),
    Case(
        "DP.3005a",
        Text("BSM 禁止充电后恢复", "BSM forbids charging, then permits it"),
        Text("BSM 全部正常且 SPN3096=00,10 s 后 01", "BSM all normal with SPN 3096 = 00, 01 after 10 s"),
        (
            Sent("CCS", since=TOLD, until=WATCHED, at_least=150),
            Reaches("current_a", -1.0, 1.0, TOLD, 9.0, begins_s=3.0, all_time=True),
            Gone("CST", TOLD, until=WATCHED),
            Reaches("current_a", 20.0, 400.0, BACK, 8.0),
            Reaches("current_a", -1.0, 150.0, BACK, 8.0, all_time=True),
        ),
        (
            *_CHARGING,
            Wait(2.0),
            Vehicle("permit off", TOLD),
            Wait(10.0),
            Vehicle("permit on", BACK),
            Wait(8.0),
            Wait(0.0, WATCHED),
        ),
        seconds=44,
    ),
    Case(
        "DP.3005b",
        Text("BSM 禁止充电超过 10 min", "BSM forbids charging for more than 10 minutes"),
        Text("BSM 全部正常且 SPN3096=00,直到 CST", "BSM all normal with SPN 3096 = 00 until CST"),
        (
            Sent("CCS", since=TOLD, until=CST, at_least=1000),
            Between(TOLD, CST, 540.0, 660.0),
            Reaches("current_a", -1.0, 1.0, TOLD, 590.0, begins_s=3.0, all_time=True),
            Sent("CST", since=CST, until=Last("CST"), at_least=5),
            opens(CST, 4.0),
        ),
        (
            *_CHARGING,
            Wait(2.0),
            Vehicle("permit off", TOLD),
            Await("CST", 670, count=10),
            AwaitSwitch("contactors", False, 8),
        ),
        seconds=640,
    ),
    *(
        Case(
            f"DP.3006{_letter(number)}",
            Text(f"收到 BST:{zh}", f"BST: {en}"),
            Text(f"BST 每 10 ms,{zh}", f"BST every 10 ms, {en}"),
            (*stops(BST, react_s=0.1), cst_says("40 00 F0 F0")),
            (
                *_CHARGING,
                Vehicle(f"stop {reason}", STOPPED),
                Await("CST", 5, count=10),
                AwaitSwitch("contactors", False, 8),
            ),
            seconds=24,
        )
        for number, (reason, zh, en) in enumerate(_REASONS)
    ),
    Case(
        "DP.3007a",
        Text("充电机主动中止:人工", "stopped by the charger: by hand"),
        Text("充电中在桩侧停止", "stop at the pile while charging"),
        (*stops(STOPPED, react_s=0.3), cst_says("04 00 F0 F0")),
        (*_CHARGING, Stop(STOPPED), Await("CST", 5, count=10), AwaitSwitch("contactors", False, 8)),
        seconds=24,
    ),
    Case(
        "DP.3007b",
        Text("充电机主动中止:达到设定电量", "stopped by the charger: ordered energy reached"),
        Text("启动时设定 60 Wh", "started with 60 Wh ordered"),
        (*stops(CCS, react_s=40.0), cst_says("01 00 F0 F0")),
        (*_CHARGING, Await("CST", 40, count=10), AwaitSwitch("contactors", False, 8)),
        start={"energy_wh": 60},
        seconds=34,
    ),
    Case(
        "DP.3007c",
        Text("充电机主动中止:急停", "stopped by the charger: emergency stop"),
        Text("充电中按下急停", "emergency stop pressed while charging"),
        (
            Between(ACTED, CST, -0.05, 0.3),
            Gone("CCS", CST),
            cst_says("10 00 F1 F0"),
            Sent("CST", since=CST, until=Last("CST"), at_least=5),
            opens(ACTED, 0.3),
        ),
        (*_CHARGING, AtThePile("press estop", ACTED), Await("CST", 5, count=10), AwaitSwitch("contactors", False, 8)),
        seconds=26,
    ),
    Case(
        "DP.3007d",
        Text("充电机主动中止:触头过温", "stopped by the charger: connector too hot"),
        Text("充电中枪头触头 110 °C", "connector contacts at 110 degC while charging"),
        (*stops(ACTED, react_s=6.0), cst_says("10 00 F0 F0", "30 00 00 00")),
        (
            *_CHARGING,
            AtThePile("heat connector 110", ACTED),
            Await("CST", 8, count=10),
            AwaitSwitch("contactors", False, 8),
        ),
        seconds=28,
    ),
    Case(
        "DP.4001",
        Text("收到 BSD 后发送 CSD,关闭辅助电源", "CSD after BSD, then auxiliary supply off"),
        Text("BST 停止后每 250 ms 发送 BSD", "BSD every 250 ms after BST has ended"),
        (
            Between(BSD, CSD, 0.0, 0.35),
            Gone("CST", CSD),
            Sent("CSD", since=CSD, until=Last("CSD"), at_least=3),
            Switched("auxiliary", False, CSD, 10.0),
            Switched("lock", False, CSD, 15.0),
            Gone("CEM", CSD),
        ),
        (
            *_CHARGING,
            Vehicle("stop soc_target_reached", STOPPED),
            Await("CSD", 12, count=3),
            AwaitSwitch("auxiliary", False, 12),
            AwaitNoSession(),
            AwaitSwitch("lock", False, 10),
        ),
        seconds=30,
        short=True,
    ),
    Case(
        "DP.4002",
        Text("b、c 类故障停机后不插拔不能再次启动", "no restart without re-plugging after a stop of mode b or c"),
        Text(
            "CRO-00 期间 BRO 回到 00(处理方式 b);结束后不插拔启动,再插拔后启动",
            "BRO falls back to 00 during CRO-00 (mode b); start at the end without, then after re-plugging",
        ),
        (
            Replied(AGAIN.name, AGAIN.name_zh, "rejected"),
            Replied(FRESH.name, FRESH.name_zh, "accepted"),
            opens(First("BRO-00", after=First("CRO-00")), 1.0),
        ),
        (
            Await("CRO-00", 60, needed=True),
            AwaitNoSession(),
            AwaitSwitch("lock", False, 30),
            Wait(1.0),
            Vehicle("normal"),
            TryStart(AGAIN),
            Wait(0.5),
            AtThePile("unplug"),
            Wait(1.5),
            AtThePile("plug"),
            Wait(3.0),
            TryStart(FRESH),
        ),
        before=("timers off", "contactors open", "when CRO-00 0.6 ready no"),
        seconds=44,
    ),
)

NEGATIVE: tuple[Case, ...] = (
    Case(
        "DN.3001",
        Text("只有 BCL,无 BCS", "BCL only, no BCS"),
        Text("CRO-AA 后每 50 ms 发送 BCL", "BCL every 50 ms after CRO-AA"),
        (*times_out(3924, CROAA, 5.0, "CRO-AA"), opens(CEM, 10.0)),
        (*_READY, *CEM_COMES, AwaitSwitch("contactors", False, 11)),
        before=("timers off", "silence BCS", "silence BSM"),
        seconds=28,
        missing="BCS",
    ),
    Case(
        "DN.3002",
        Text("只有 BCS,无 BCL", "BCS only, no BCL"),
        Text("CRO-AA 后以传输协议每 250 ms 发送 BCS", "BCS by transport protocol every 250 ms after CRO-AA"),
        (Transferred("BCS"), *times_out(3925, CROAA, 1.0, "CRO-AA"), opens(CEM, 10.0)),
        (*_READY, *CEM_COMES, AwaitSwitch("contactors", False, 11)),
        before=("timers off", "silence BCL", "silence BSM"),
        seconds=24,
        missing="BCL",
    ),
    Case(
        "DN.3003",
        Text("BCS 未使用传输协议", "BCS without the transport protocol"),
        Text("BCL 每 50 ms,BCS 作为单帧", "BCL every 50 ms, BCS in a single frame"),
        (*times_out(3924, CROAA, 5.0, "CRO-AA"), opens(CEM, 10.0)),
        (*_READY, *CEM_COMES, AwaitSwitch("contactors", False, 11)),
        before=("timers off", "single BCS", "silence BSM"),
        seconds=28,
        missing="BCS",
    ),
    Case(
        "DN.3004a",
        Text("BCL 被错误报文代替", "a wrong message instead of BCL"),
        Text("BCS 正常,BHM 代替 BCL", "BCS normal, BHM instead of BCL"),
        (Transferred("BCS"), *times_out(3925, CROAA, 1.0, "CRO-AA"), opens(CEM, 10.0)),
        (*_READY, *CEM_COMES, AwaitSwitch("contactors", False, 11)),
        before=("timers off", "replace BCL BHM", "silence BSM"),
        seconds=24,
        missing="BCL",
    ),
    Case(
        "DN.3004b",
        Text("BCL 长度错误", "BCL with a wrong length"),
        Text("BCS 正常,BCL 只有 4 字节", "BCS normal, BCL with 4 bytes"),
        (Transferred("BCS"), *times_out(3925, CROAA, 1.0, "CRO-AA"), opens(CEM, 10.0)),
        (*_READY, *CEM_COMES, AwaitSwitch("contactors", False, 11)),
        before=("timers off", "length BCL 4", "silence BSM"),
        seconds=24,
        missing="BCL",
    ),
    *(
        Case(
            case_id,
            title,
            sent,
            (
                Sent("CCS", since=CCS, until=CEM, at_least=20),
                timeout(since, CEM, limit_s),
                cem_says(spn),
                Sent("CEM", since=CEM, until=ENOUGH_CEM),
                Gone("CCS", CEM, until=ENOUGH_CEM),
                opens(CEM, 10.0),
            ),
            (
                *_CHARGING,
                Vehicle("timers off"),
                Vehicle(command, LOST),
                *CEM_COMES,
                AwaitSwitch("contactors", False, 11),
            ),
            seconds=30,
            missing=missing,
            short=case_id == "DN.3006",
        )
        for case_id, title, sent, command, since, limit_s, spn, missing in (
            (
                "DN.3005",
                Text("充电中 BCS 丢失", "BCS lost while charging"),
                Text("停发 BCS,BCL 正常", "BCS silent, BCL normal"),
                "silence BCS",
                Last("BCS", before=CEM),
                5.0,
                3924,
                "BCS",
            ),
            (
                "DN.3006",
                Text("充电中 BCL 丢失", "BCL lost while charging"),
                Text("停发 BCL,BCS 正常", "BCL silent, BCS normal"),
                "silence BCL",
                Last("BCL", before=CEM),
                1.0,
                3925,
                "BCL",
            ),
            (
                "DN.3007",
                Text("充电中 BCS 未使用传输协议", "BCS without the transport protocol while charging"),
                Text("BCS 改为单帧,BCL 正常", "BCS in a single frame, BCL normal"),
                "single BCS",
                Last("BCS", before=LOST),
                5.0,
                3924,
                "BCS",
            ),
            (
                "DN.3008a",
                Text("充电中 BCL 被错误报文代替", "a wrong message instead of BCL while charging"),
                Text("BHM 代替 BCL,BCS 正常", "BHM instead of BCL, BCS normal"),
                "replace BCL BHM",
                Last("BCL", before=CEM),
                1.0,
                3925,
                "BCL",
            ),
            (
                "DN.3008b",
                Text("充电中 BCL 长度错误", "BCL with a wrong length while charging"),
                Text("BCL 只有 4 字节,BCS 正常", "BCL with 4 bytes, BCS normal"),
                "length BCL 4",
                Last("BCL", before=LOST),
                1.0,
                3925,
                "BCL",
            ),
        )
    ),
    Case(
        "DN.3009",
        Text("CST 后无 BST", "no BST after CST"),
        Text("桩侧停止;收到 CST 后停发一切", "stopped at the pile; silence from CST on"),
        times_out(3926, CST, 5.0, "CST"),
        (*_CHARGING, Stop(STOPPED), *CEM_COMES),
        before=("timers off", "when CST silence all"),
        seconds=32,
        missing="BST",
    ),
    Case(
        "DN.3010",
        Text("CST 后以错误报文代替 BST", "a wrong message instead of BST after CST"),
        Text("桩侧停止;BSM 代替 BST 每 10 ms", "stopped at the pile; BSM instead of BST every 10 ms"),
        times_out(3926, CST, 5.0, "CST"),
        (*_CHARGING, Stop(STOPPED), *CEM_COMES),
        before=("timers off", "replace BST BSM", "silence BSD"),
        seconds=32,
        missing="BST",
    ),
    *(
        Case(
            case_id,
            title,
            sent,
            (*times_out(3927, CST, 10.0, "CST"), opens(CST, 4.0)),
            (*_CHARGING, step, Await("CEM", 16, count=3, mark=ENOUGH_CEM)),
            before=("timers off", command),
            seconds=38,
            missing="BSD",
            uncertain=_TEN_SECONDS if case_id == "DN.4002" else None,
        )
        for case_id, title, sent, step, command in (
            (
                "DN.4001",
                Text("BST 后无 BSD", "no BSD after BST"),
                Text("车辆停止(BST);收到 CST 后不发 BSD", "stopped by the vehicle (BST); no BSD after CST"),
                Vehicle("stop soc_target_reached", STOPPED),
                "silence BSD",
            ),
            (
                "DN.4002",
                Text("BST 后以错误报文代替 BSD", "a wrong message instead of BSD after BST"),
                Text("车辆停止(BST);BHM 代替 BSD", "stopped by the vehicle (BST); BHM instead of BSD"),
                Vehicle("stop soc_target_reached", STOPPED),
                "replace BSD BHM",
            ),
            (
                "DN.4003",
                Text("充电机停止后有 BST 无 BSD", "BST but no BSD after a stop by the charger"),
                Text("桩侧停止;发送 BST 后不发 BSD", "stopped at the pile; BST, then no BSD"),
                Stop(STOPPED),
                "silence BSD",
            ),
            (
                "DN.4004",
                Text("充电机停止后以错误报文代替 BSD", "a wrong message instead of BSD after a stop by the charger"),
                Text("桩侧停止;BST 后以 BHM 代替 BSD", "stopped at the pile; BST, then BHM instead of BSD"),
                Stop(STOPPED),
                "replace BSD BHM",
            ),
        )
    ),
)

CASES: tuple[Case, ...] = (*POSITIVE, *NEGATIVE)
