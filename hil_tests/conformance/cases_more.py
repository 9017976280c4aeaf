"""What is known of class A of the 2023 edition, reconnecting after time-outs, and manners of real vehicles.

These are no items of GB/T 34658-2017; their ids are the project's own. Sources: reference sections 3 and 5.
"""

from hil_tests.conformance.case import (
    START,
    Await,
    AwaitCurrent,
    AwaitNoSession,
    AwaitSwitch,
    Case,
    Step,
    TryStart,
    Vehicle,
    Wait,
)
from hil_tests.conformance.checks import (
    Between,
    Bytes,
    EitherReading,
    Gone,
    Reaches,
    Reading,
    Replied,
    Rounds,
    Sent,
    Switched,
    Transferred,
    timeout,
)
from hil_tests.conformance.evidence import First, Last, Mark, Switch, Text
from hil_tests.conformance.words import CEM, CEM_COMES, ENOUGH_CEM, cem_says, cst_says, opens

CHM, CRM00, CML, CCS, CST = First("CHM"), First("CRM-00"), First("CML"), First("CCS"), First("CST")
LOST = Mark("message withheld", "停发报文")
TOLD = Mark("state sent", "发送该状态")
WATCHED = Mark("end of watch", "观察结束")
AGAIN = Mark("start without re-plugging", "不重新插枪再次启动")
_CHARGING: tuple[Step, ...] = (Await("CCS", 60, needed=True), AwaitCurrent(1.0))
_FIVE_OR_TEN = Text(
    "2015 版通用规则为 5 s;两个 2023 版实现为 10 s;标准文本未公开。",
    "The general rule of 2015 is 5 s; two implementations of 2023 wait 10 s; the text is not public.",
)
_BIT_UNSURE = Text(
    "2023 版 CST 中参数不匹配的位未公开;只要求 CML 在先、CST 报故障。",
    "The bit of CST for a mismatch in 2023 is not public; only CML first and a CST with a fault are required.",
)

EDITION_2015: tuple[Case, ...] = (
    Case(
        "T.BHM-2015",
        Text("无 BHM(2015)", "no BHM (2015)"),
        Text("不发送 BHM", "no BHM at all"),
        (
            Sent("CHM", since=CHM, until=Last("CHM"), at_least=8),
            EitherReading(
                (
                    Reading(Text("5 s", "5 s"), (Between(CHM, Last("CHM"), 4.5, 5.5),)),
                    Reading(Text("10 s", "10 s"), (Between(CHM, Last("CHM"), 9.6, 13.0),)),
                )
            ),
            Gone("CEM", CHM),
            Switched("auxiliary", False, Last("CHM"), 10.0),
            Switched("lock", False, Last("CHM"), 10.0),
        ),
        (Await("CHM", 20, needed=True), AwaitNoSession(30), AwaitSwitch("lock", False, 15), Wait(1.0)),
        before=("silence BHM",),
        seconds=28,
        uncertain=_FIVE_OR_TEN,
    ),
    Case(
        "T.BSM-2015",
        Text("充电中 BSM 丢失(2015:不因此停机)", "BSM lost while charging (2015: no reason to stop)"),
        Text("停发 BSM 8 s,其余正常", "BSM silent for 8 s, everything else normal"),
        (Sent("CCS", since=CCS, until=WATCHED, at_least=150), Gone("CEM", CCS, until=WATCHED)),
        (*_CHARGING, Vehicle("silence BSM", LOST), Wait(8.0), Wait(0.0, WATCHED)),
        seconds=34,
    ),
)

RECONNECT: tuple[Case, ...] = (
    Case(
        "R.1",
        Text("超时后重连,最多三次,之后需重新插枪", "new recognitions after time-outs, three at most, then re-plugging"),
        Text("始终不发送 BRM;结束后不插拔再次启动", "no BRM ever; start again at the end without re-plugging"),
        (
            Rounds("CRM-00", 4),
            Rounds("CEM", 4),
            Gone("CHM", CRM00),
            Replied(AGAIN.name, AGAIN.name_zh, "rejected"),
        ),
        (Await("CRM-00", 40, needed=True), AwaitNoSession(110), Wait(1.0), Vehicle("normal"), TryStart(AGAIN)),
        before=("timers off", "silence BRM"),
        seconds=75,
    ),
    Case(
        "R.2",
        Text("超时后第二次辨识成功并充电", "the second recognition succeeds and the charge runs"),
        Text("首轮不发送 BRM,收到 CEM 后恢复", "no BRM in the first round, normal again from CEM on"),
        (
            Rounds("CRM-00", 2),
            Between(CEM, First("CRM-AA"), 0.0, 20.0),
            Sent("CCS", since=CCS, until=WATCHED, at_least=20),
            Reaches("current_a", 20.0, 400.0, CCS, 15.0),
        ),
        (
            Await("CEM", 60, needed=True),
            Vehicle("speak BRM"),
            Await("CCS", 60, needed=True),
            AwaitCurrent(2.0),
            Wait(0.0, WATCHED),
        ),
        before=("silence BRM", "timers off"),
        seconds=45,
    ),
    Case(
        "R.3",
        Text("充电中 BCL 超时后重连并恢复充电", "BCL lost while charging, then a new recognition and a new charge"),
        Text("停发 BCL 直到 CEM,随后恢复", "BCL silent until CEM, normal again after it"),
        (
            cem_says(3925),
            Between(CEM, Switch("contactors", False, CEM), -1.0, 10.0),
            Between(CEM, First("CRM-00", after=CEM), 0.0, 25.0),
            Between(First("CRM-00", after=CEM), First("CCS", after=First("CRM-00", after=CEM)), 0.0, 60.0),
        ),
        (
            *_CHARGING,
            Vehicle("timers off"),
            Vehicle("silence BCL", LOST),
            Await("CEM", 10, needed=True),
            Vehicle("speak BCL"),
            Await("CCS", 60),
            Wait(1.0),
        ),
        seconds=55,
    ),
    Case(
        "R.4",
        Text("车辆发送 BEM", "the vehicle sends BEM"),
        Text("充电中发送 BEM(SPN3905=01),停发 BCL、BCS", "BEM (SPN 3905 = 01) while charging, BCL and BCS end"),
        (
            Gone("CCS", First("BEM"), until=First("CRM-00", after=First("BEM")), grace_s=0.2),
            Reaches("current_a", -5.0, 5.0, First("BEM"), 3.0),
            Between(First("BEM"), Switch("contactors", False, First("BEM")), 0.0, 10.0),
        ),
        (
            *_CHARGING,
            Vehicle("timers off"),
            Vehicle("raw 081E56F4 F0F0F1FC", TOLD),
            Vehicle("silence all"),
            AwaitSwitch("contactors", False, 12),
            Wait(1.0),
        ),
        seconds=34,
    ),
)

EDITION_2023: tuple[Case, ...] = (
    Case(
        "A.CHM",
        Text("辅助电源闭合后 1 s 内首帧 CHM", "first CHM within 1 s of the auxiliary supply"),
        Text("插枪,启动", "plug in, start"),
        (Between(Switch("auxiliary", True), CHM, 0.0, 1.0), Sent("CHM", at_least=4)),
        (Await("CHM", 15, count=5, needed=True),),
        edition="2023",
        seconds=12,
    ),
    Case(
        "A.BHM",
        Text("无 BHM(2023)", "no BHM (2023)"),
        Text("不发送 BHM", "no BHM at all"),
        (
            Sent("CHM", since=CHM, until=Last("CHM"), at_least=8),
            EitherReading(
                (
                    Reading(Text("10 s", "10 s"), (Between(CHM, Last("CHM"), 9.6, 13.0),)),
                    Reading(Text("5 s", "5 s"), (Between(CHM, Last("CHM"), 4.5, 5.5),)),
                )
            ),
            Gone("CEM", CHM),
            Switched("auxiliary", False, Last("CHM"), 10.0),
        ),
        (Await("CHM", 20, needed=True), AwaitNoSession(30), AwaitSwitch("lock", False, 15), Wait(1.0)),
        before=("silence BHM",),
        edition="2023",
        seconds=32,
        uncertain=_FIVE_OR_TEN,
    ),
    Case(
        "A.BSM",
        Text("充电中 BSM 丢失", "BSM lost while charging"),
        Text("停发 BSM;结束后不插拔再次启动", "BSM silent; start again at the end without re-plugging"),
        (
            timeout(Last("BSM", before=CEM), CEM, 5.0),
            cem_says(3928, "2023"),
            Sent("CEM", since=CEM, until=ENOUGH_CEM),
            opens(CEM, 5.0),
            Gone("CRM", CEM),
            Replied(AGAIN.name, AGAIN.name_zh, "rejected"),
        ),
        (
            *_CHARGING,
            Vehicle("timers off"),
            Vehicle("silence BSM", LOST),
            *CEM_COMES,
            AwaitNoSession(60),
            Wait(1.0),
            TryStart(AGAIN),
        ),
        edition="2023",
        seconds=50,
    ),
    Case(
        "A.BSM-never",
        Text("从未收到 BSM:不因此停机", "no BSM ever: no reason to stop"),
        Text("不发送 BSM,其余正常", "no BSM, everything else normal"),
        (Sent("CCS", since=CCS, until=WATCHED, at_least=140), Gone("CEM", CCS, until=WATCHED)),
        (*_CHARGING, Wait(7.0), Wait(0.0, WATCHED)),
        before=("silence BSM",),
        edition="2023",
        seconds=34,
    ),
    Case(
        "A.SELFTEST",
        Text("自检(绝缘)失败:CST SPN3522 自检故障", "self-test (insulation) fails: CST self-test fault"),
        Text("两极对地 20 kΩ", "20 kohm from both poles to earth"),
        (
            Sent("CST", since=CST, until=Last("CST"), at_least=5),
            cst_says("10 00 10 F0", "30 00 F0 0F"),
            Gone("CRM", CHM),
        ),
        (Await("CHM", 20, needed=True), Await("CST", 40, count=10), AwaitSwitch("contactors", False, 10)),
        pile=("leak 20",),
        edition="2023",
        seconds=26,
        uncertain=Text(
            "位的位置来自 2023 版实现(中等把握)。",
            "The position of the bit comes from implementations of 2023 (medium).",
        ),
    ),
    Case(
        "A.PRECHARGE",
        Text("BRO 回到 00:CST SPN3522 预充故障", "BRO falls back to 00: CST precharge fault"),
        Text("CRO-00 期间 BRO=00", "BRO = 00 during CRO-00"),
        (
            Between(First("BRO-00", after=First("CRO-00")), CST, 0.0, 1.0),
            cst_says("10 00 40 F0", "30 00 F0 0F"),
            opens(First("BRO-00", after=First("CRO-00")), 1.0),
        ),
        (Await("CRO-00", 60, needed=True), Await("CST", 10, count=10), AwaitSwitch("contactors", False, 10)),
        before=("timers off", "contactors open", "when CRO-00 0.6 ready no"),
        edition="2023",
        seconds=30,
        uncertain=Text(
            "位的位置来自 2023 版实现(中等把握)。",
            "The position of the bit comes from implementations of 2023 (medium).",
        ),
    ),
    Case(
        "A.MISMATCH",
        Text("参数不匹配:先 CML 后 CST", "parameters do not match: CML first, then CST"),
        Text(
            "BCP 电池电压仅为实际的 20%(低于充电机下限)",
            "BCP gives 20 % of the battery voltage, below the charger's minimum",
        ),
        (
            Between(CML, CST, 0.0, 2.0),
            Bytes("CST", bytes.fromhex("10 00 00 00"), Text("故障中止", "fault stop"), b"\x10\0\0\0"),
            Gone("CRO", CML),
        ),
        (Await("CRM-AA", 60, needed=True), Await("CST", 10, count=10), Wait(0.5)),
        before=("mismatch -80", "timers off"),
        edition="2023",
        seconds=28,
        uncertain=_BIT_UNSURE,
    ),
    Case(
        "A.BST-MISMATCH",
        Text("收到 BST 参数不匹配(SPN3513)", "BST with parameter mismatch (SPN 3513)"),
        Text("充电中 BST,参数不匹配", "BST with parameter mismatch while charging"),
        (Between(First("BST"), CST, -0.05, 0.1), cst_says("40 00 F0 F0", "C0 00 00 00"), opens(CST, 4.0)),
        (
            *_CHARGING,
            Vehicle("stop parameter_mismatch", TOLD),
            Await("CST", 5, count=10),
            AwaitSwitch("contactors", False, 8),
        ),
        edition="2023",
        seconds=26,
    ),
    Case(
        "A.OPEN",
        Text("通信超时后 5 s 内断开", "K1/K2 open within 5 s of a time-out"),
        Text("停发 BCL", "BCL silent"),
        (
            timeout(Last("BCL", before=CEM), CEM, 1.0),
            cem_says(3925, "2023"),
            opens(CEM, 5.0),
            Reaches("outside_v", -5.0, 60.0, CEM, 10.0),
        ),
        (
            *_CHARGING,
            Vehicle("timers off"),
            Vehicle("silence BCL", LOST),
            *CEM_COMES,
            AwaitSwitch("contactors", False, 8),
            Wait(1.5),
        ),
        edition="2023",
        seconds=32,
    ),
    Case(
        "A.DEMAND",
        Text("需求低于充电机最小能力:停机", "demand below the charger's minimum: stop"),
        Text("BCL 需求 0.2 A(最小 1 A)", "BCL demands 0.2 A (minimum 1 A)"),
        (Between(TOLD, CST, 0.0, 10.0), opens(CST, 4.0), Gone("CCS", CST)),
        (
            *_CHARGING,
            Vehicle("demand 400 0.2", TOLD),
            Await("CST", 12, count=10),
            AwaitSwitch("contactors", False, 8),
        ),
        edition="2023",
        seconds=34,
        uncertain=Text(
            "2023 版取消零需求规则,只保留“低于最小能力则停机”;时限未公开,取 10 s。",
            "2023 drops the zero-demand rule and keeps “below the minimum: stop”; no time is public, 10 s is taken.",
        ),
    ),
)

MANNERS: tuple[Case, ...] = (
    Case(
        "V.RECORDED",
        Text(
            "实录风格的车辆:周期抖动、迟到帧、外来地址", "a vehicle as recorded: jitter, late frames, foreign addresses"
        ),
        Text(
            "BCL 23–81 ms、阶段切换后仍有上一阶段报文、总线上有其他地址",
            "BCL 23 to 81 ms, messages of the former phase, other senders on the bus",
        ),
        (
            Transferred("BCS"),
            Sent("CCS", since=CCS, until=WATCHED, at_least=150),
            Gone("CEM", CHM, until=WATCHED),
            Reaches("current_a", 20.0, 400.0, CCS, 15.0),
        ),
        (*_CHARGING, Wait(10.0), Wait(0.0, WATCHED)),
        profile="recorded-car",
        seconds=36,
    ),
    Case(
        "V.NEGOTIATION",
        Text(
            "27930.2-2024 版本协商帧:忽略并按 2015 流程",
            "version negotiation of 27930.2-2024: left alone, flow of 2015",
        ),
        Text("握手期间发送 0C3956F4", "0C3956F4 during the handshake"),
        (
            Sent("CHM", until=CRM00, at_least=8),
            Gone("CEM", CHM),
            Between(START, CRM00, 0.0, 60.0),
            Between(CRM00, First("CRM-AA"), 0.0, 1.5),
        ),
        (
            Await("CHM", 20, needed=True),
            Vehicle("raw 0C3956F4 000000000200FFFF"),
            Wait(0.05),
            Vehicle("raw 0C3956F4 000000000200FFFF"),
            Await("CRM-AA", 40),
        ),
        seconds=20,
    ),
    Case(
        "V.LENGTHS",
        Text("BRM 41 字节(2011 字段)亦被接受", "BRM with 41 bytes is accepted too"),
        Text("BRM 长度 41", "BRM with 41 bytes"),
        (Transferred("BRM"), Between(First("BRM"), First("CRM-AA"), 0.0, 0.35), Gone("CEM", CHM)),
        (Await("CRM-AA", 40),),
        before=("length BRM 41",),
        seconds=18,
    ),
)

_BRM_2011 = "000100" + "03E803401F" + "FF" * 33
"""BRM of a vehicle of the 2011 edition: version 1.0, 41 bytes, iron phosphate, 100 Ah, 800 V, no other data."""

OLD: tuple[Case, ...] = (
    Case(
        "V.2011",
        Text("2011 版车辆:不发 BHM,直接发 BRM", "a vehicle of the 2011 edition: BRM without BHM"),
        Text(
            "以传输协议发送 41 字节、版本 00 01 00 的 BRM",
            "BRM with 41 bytes and version 00 01 00 by transport protocol",
        ),
        (
            Sent("CHM", since=CHM, until=Last("CHM"), at_least=2),
            Between(First("BRM"), Last("CHM"), -0.5, 10.0),
            Gone("CRM", CHM),
            Gone("CEM", CHM),
            Switched("auxiliary", False, Last("CHM"), 10.0),
            Switched("contactors", False, CHM, 0.0),
        ),
        (Await("BRM", 20, needed=True), AwaitNoSession(30), AwaitSwitch("auxiliary", False, 10), Wait(0.5)),
        before=("timers off", "replace BHM BRM", f"payload BRM {_BRM_2011}"),
        seconds=20,
        uncertain=Text(
            "2015 版只要求“应能与上一版配合”,未给出规程;本桩的回答是不充电并明确告知。",
            "2015 only requires compatibility with the previous edition; this pile refuses the charge with its reason.",
        ),
    ),
)

CASES: tuple[Case, ...] = (*EDITION_2015, *RECONNECT, *EDITION_2023, *MANNERS, *OLD)
