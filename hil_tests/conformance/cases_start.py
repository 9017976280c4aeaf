"""DP/DN.1xxx and DP/DN.2xxx: handshake, recognition, parameters, ready."""

from hil_tests.conformance.case import Await, AwaitSwitch, Case, Wait
from hil_tests.conformance.checks import Between, Bytes, EitherReading, Gone, Reading, Sent, Switched, timeout
from hil_tests.conformance.evidence import First, Last, Mark, Switch, Text
from hil_tests.conformance.words import CEM, CEM_COMES, ENOUGH_CEM, cem_says, opens, times_out

CHM, CRM00, CRMAA, CML = First("CHM"), First("CRM-00"), First("CRM-AA"), First("CML")
CRO00, CROAA, CCS = First("CRO-00"), First("CRO-AA"), First("CCS")
AUX_ON = Switch("auxiliary", True)
WATCHED = Mark("end of watch", "观察结束")

_AMENDED = Text(
    "GB/T 34658-2017 第 1 号修改单改动了本项措辞,原文未公开;两种读法都列出。",
    "Amendment 1 of GB/T 34658-2017 changed the wording of this item and is not public; both readings are given.",
)

POSITIVE: tuple[Case, ...] = (
    Case(
        "DP.1001",
        Text("充电机发送 CHM", "the charger sends CHM"),
        Text("插枪,启动", "plug in, start"),
        (
            Sent("CHM", at_least=8),
            Bytes("CHM", bytes.fromhex("01 01 00"), Text("版本 V1.1", "version 1.1")),
            Between(Switch("lock", True), AUX_ON, 0.0, 10.0),
            Between(AUX_ON, CHM, 0.0, 1.0),
        ),
        (Await("CHM", 15, count=10, needed=True),),
        seconds=12,
        short=True,
    ),
    Case(
        "DP.1002",
        Text("绝缘监测期间保持 CHM,随后 CRM-00", "CHM goes on through the insulation test, then CRM-00"),
        Text("BHM 每 250 ms", "BHM every 250 ms"),
        (
            Sent("CHM", until=CRM00, at_least=8),
            Between(First("BHM"), Switch("insulation_monitor", True), -0.1, 10.0),
            Gone("CHM", CRM00),
            Sent("CRM-00", since=CRM00),
            Switched("contactors", False, CRM00, 0.0, until=CRMAA),
        ),
        (Await("CRM-00", 40, count=4, needed=True), Await("CRM-AA", 10)),
        before=("when CRM-00 1.2 speak BRM", "silence BRM"),
        seconds=18,
    ),
    Case(
        "DP.1003",
        Text("收到完整 BRM 后 CRM-AA", "CRM-AA after a complete BRM"),
        Text("以传输协议每 250 ms 发送 BRM", "BRM by transport protocol every 250 ms"),
        (
            Sent("CRM-00", until=First("BRM")),
            Between(First("BRM"), CRMAA, 0.0, 0.35),
            Gone("CRM-00", CRMAA),
            Sent("CRM-AA", since=CRMAA),
        ),
        (Await("CRM-AA", 40, count=4, needed=True),),
        before=("silence BRM", "silence BCP", "when CRM-00 0.8 speak BRM", "when CRM-AA 1.2 speak BCP"),
        seconds=18,
    ),
    Case(
        "DP.2001",
        Text("收到完整 BCP 后发送 CML、CTS", "CML and CTS after a complete BCP"),
        Text("以传输协议每 500 ms 发送 BCP", "BCP by transport protocol every 500 ms"),
        (
            Between(First("BCP"), CML, 0.0, 0.35),
            Gone("CRM-AA", CML),
            Sent("CML", since=CML, at_least=5),
            Sent("CTS", at_least=3, optional=True),
        ),
        (Await("CML", 40, count=7, needed=True),),
        before=("silence BRO", "when CML 1.6 speak BRO"),
        seconds=20,
    ),
    Case(
        "DP.2002",
        Text("BRO=00:继续 CML、CTS", "BRO = 00: CML and CTS go on"),
        Text("BRO=00 每 250 ms,共 8 s", "BRO = 00 every 250 ms for 8 s"),
        (
            Sent("CML", since=First("BRO-00"), until=WATCHED, at_least=20),
            Sent("CTS", since=First("BRO-00"), until=WATCHED, at_least=10, optional=True),
            Gone("CRO", CML, until=WATCHED),
            Gone("CEM", CML),
        ),
        (Await("CML", 40, needed=True), Wait(8.0), Wait(0.0, WATCHED)),
        before=("ready no",),
        seconds=26,
    ),
    Case(
        "DP.2003",
        Text("BRO=AA:停发 CML、CTS,CRO-00,预充后 CRO-AA", "BRO = AA: CML and CTS end, CRO-00, CRO-AA after precharge"),
        Text("BRO=AA 每 250 ms", "BRO = AA every 250 ms"),
        (
            Sent("CML", until=First("BRO-AA")),
            Gone("CML", First("BRO-AA")),
            Gone("CTS", First("BRO-AA")),
            Between(First("BRO-AA"), CRO00, 0.0, 0.35),
            Sent("CRO-00", since=CRO00, until=CROAA, at_least=2),
            Between(Switch("contactors", True, CRO00), CROAA, 0.0, 1.0),
            Sent("CRO-AA", since=CROAA, until=Last("CRO-AA"), at_least=1),
        ),
        (Await("CRO-AA", 60, needed=True), Wait(0.5)),
        seconds=20,
    ),
)

NEGATIVE: tuple[Case, ...] = (
    Case(
        "DN.1001",
        Text("无 BRM", "no BRM"),
        Text("收到 CRM-00 后停发一切", "silence from CRM-00 on"),
        times_out(3921, CRM00, 5.0, "CRM-00"),
        (Await("CRM-00", 40, needed=True), *CEM_COMES),
        before=("timers off", "when CRM-00 silence all"),
        seconds=24,
        missing="BRM",
        short=True,
    ),
    Case(
        "DN.1002",
        Text("BRM 未使用传输协议", "BRM without the transport protocol"),
        Text("BRM 作为单帧每 250 ms", "BRM in a single frame every 250 ms"),
        times_out(3921, CRM00, 5.0, "CRM-00"),
        (Await("CRM-00", 40, needed=True), *CEM_COMES),
        before=("timers off", "single BRM"),
        seconds=24,
        missing="BRM",
    ),
    Case(
        "DN.1003",
        Text("继续发送 BHM", "BHM goes on"),
        Text("收到 CRM-00 后仍每 250 ms 发送 BHM", "BHM every 250 ms goes on after CRM-00"),
        times_out(3921, CRM00, 5.0, "CRM-00"),
        (Await("CRM-00", 40, needed=True), *CEM_COMES),
        before=("timers off", "keep BHM", "silence BRM"),
        seconds=24,
        missing="BRM",
    ),
    Case(
        "DN.1004",
        Text("继续发送 BRM,无 BCP", "BRM goes on, no BCP"),
        Text("收到 CRM-AA 后仍每 250 ms 发送 BRM", "BRM every 250 ms goes on after CRM-AA"),
        times_out(3922, CRMAA, 5.0, "CRM-AA"),
        (Await("CRM-AA", 40, needed=True), *CEM_COMES),
        before=("timers off", "keep BRM", "silence BCP"),
        seconds=24,
        missing="BCP",
    ),
    Case(
        "DN.2001",
        Text("无 BCP", "no BCP"),
        Text("收到 CRM-AA 后停发一切", "silence from CRM-AA on"),
        times_out(3922, CRMAA, 5.0, "CRM-AA"),
        (Await("CRM-AA", 40, needed=True), *CEM_COMES),
        before=("timers off", "when CRM-AA silence all"),
        seconds=24,
        missing="BCP",
    ),
    Case(
        "DN.2002",
        Text("BCP 未使用传输协议", "BCP without the transport protocol"),
        Text("BCP 作为单帧每 500 ms", "BCP in a single frame every 500 ms"),
        times_out(3922, CRMAA, 5.0, "CRM-AA"),
        (Await("CRM-AA", 40, needed=True), *CEM_COMES),
        before=("timers off", "single BCP"),
        seconds=24,
        missing="BCP",
    ),
    Case(
        "DN.2003",
        Text("无 BRO", "no BRO"),
        Text("收到 CML 后停发一切", "silence from CML on"),
        times_out(3923, CML, 5.0, "CML"),
        (Await("CML", 40, needed=True), *CEM_COMES),
        before=("timers off", "when CML silence all"),
        seconds=26,
        missing="BRO",
    ),
    Case(
        "DN.2004",
        Text("以错误报文代替 BRO", "a wrong message instead of BRO"),
        Text("BHM 代替 BRO,每 250 ms", "BHM instead of BRO, every 250 ms"),
        times_out(3923, CML, 5.0, "CML"),
        (Await("CML", 40, needed=True), *CEM_COMES),
        before=("timers off", "replace BRO BHM"),
        seconds=26,
        missing="BRO",
    ),
    Case(
        "DN.2005",
        Text("BRO 始终为 00", "BRO never becomes AA"),
        Text("BRO=00 每 250 ms", "BRO = 00 every 250 ms"),
        times_out(3923, CML, 60.0, "CML"),
        (Await("CML", 40, needed=True), Await("CEM", 75, count=3, mark=ENOUGH_CEM)),
        before=("timers off", "ready no"),
        seconds=80,
        missing="BRO",
    ),
    Case(
        "DN.2006",
        Text("以 BCP 代替 BRO", "BCP repeated instead of BRO"),
        Text("BCP 每 500 ms,无 BRO", "BCP every 500 ms, no BRO"),
        times_out(3923, CML, 5.0, "CML"),
        (Await("CML", 40, needed=True), *CEM_COMES),
        before=("timers off", "keep BCP", "silence BRO"),
        seconds=26,
        missing="BRO",
    ),
    Case(
        "DN.2007a",
        Text("CRO-00 期间 BRO 丢失,充电机未就绪", "BRO lost during CRO-00, charger not ready"),
        Text(
            "收到 CRO-00 后停发一切,K5K6 断开使预充不能完成",
            "silence from CRO-00 on; K5/K6 open, so precharge cannot end",
        ),
        times_out(3923, Last("BRO-AA"), 5.0, "CRO-00"),
        (Await("CRO-00", 60, needed=True), *CEM_COMES),
        before=("timers off", "contactors open", "when CRO-00 silence all"),
        seconds=28,
        missing="BRO",
        uncertain=_AMENDED,
    ),
    Case(
        "DN.2007b",
        Text("CRO-00 期间 BRO 丢失,充电机在 5 s 内就绪", "BRO lost during CRO-00, charger ready within 5 s"),
        Text("收到 CRO-00 后停发 BRO,其余正常", "BRO silent from CRO-00 on, everything else normal"),
        (
            EitherReading(
                (
                    Reading(
                        Text("第 1 号修改单:5 s 内就绪则继续", "Amendment 1: ready within 5 s goes on"),
                        (
                            Between(Last("BRO-AA"), CROAA, 0.0, 5.0),
                            Sent("CCS", since=CCS, until=Mark("charging", "充电中")),
                        ),
                    ),
                    Reading(
                        Text("2017 原文:5 s 后 CEM", "2017 text: CEM after 5 s"),
                        (timeout(Last("BRO-AA"), CEM, 5.0), cem_says(3923)),
                    ),
                )
            ),
        ),
        (Await("CRO-00", 60, needed=True), Await("CRO-AA", 8), Wait(3.0), Wait(0.0, Mark("charging", "充电中"))),
        before=("when CRO-00 silence BRO",),
        seconds=26,
        uncertain=_AMENDED,
    ),
    Case(
        "DN.2008",
        Text("CRO-00 期间以错误报文代替 BRO", "a wrong message instead of BRO during CRO-00"),
        Text(
            "收到 CRO-00 后以 BHM 代替 BRO,K5K6 断开使预充不能完成",
            "from CRO-00 on BHM instead of BRO; K5/K6 open, so precharge cannot end",
        ),
        times_out(3923, Last("BRO-AA"), 5.0, "CRO-00"),
        (Await("CRO-00", 60, needed=True), *CEM_COMES),
        before=("timers off", "contactors open", "when CRO-00 replace BRO BHM"),
        seconds=28,
        missing="BRO",
        uncertain=_AMENDED,
    ),
    Case(
        "DN.2009",
        Text("CRO-00 期间 BRO 回到 00", "BRO falls back to 00 during CRO-00"),
        Text("收到 CRO-00 后 BRO=00,每 250 ms", "from CRO-00 on BRO = 00, every 250 ms"),
        (
            EitherReading(
                (
                    Reading(
                        Text(
                            "2017 原文:1 s 内停止通信,断 K3K4,解锁",
                            "2017 text: silent within 1 s, K3/K4 open, unlocked",
                        ),
                        (
                            Gone("CRO", First("BRO-00", after=CRO00), grace_s=1.0),
                            Gone("CEM", CRO00),
                            Gone("CST", CRO00),
                            Switched("auxiliary", False, First("BRO-00", after=CRO00), 10.0),
                            Switched("lock", False, First("BRO-00", after=CRO00), 15.0),
                        ),
                    ),
                    Reading(
                        Text("修改单/2023:CST 报故障后结束", "amended / 2023: CST with a fault, then the end"),
                        (
                            Between(First("BRO-00", after=CRO00), First("CST"), 0.0, 1.0),
                            Bytes("CST", bytes.fromhex("10 00 00 00"), Text("故障中止", "fault stop"), b"\x10\0\0\0"),
                        ),
                    ),
                )
            ),
            opens(First("BRO-00", after=CRO00), 1.0),
        ),
        (Await("CRO-00", 60, needed=True), AwaitSwitch("lock", False, 30.0)),
        before=("timers off", "contactors open", "when CRO-00 0.6 ready no"),
        seconds=32,
        uncertain=_AMENDED,
    ),
    Case(
        "DN.2010",
        Text("CRO-AA 后仍为 BRO-AA,无 BCL", "BRO-AA goes on after CRO-AA, no BCL"),
        Text("BRO=AA 每 250 ms,无 BCL、BCS", "BRO = AA every 250 ms, neither BCL nor BCS"),
        (*times_out(3925, CROAA, 1.0, "CRO-AA"), opens(CEM, 10.0)),
        (Await("CRO-AA", 60, needed=True), *CEM_COMES, AwaitSwitch("contactors", False, 11.0)),
        before=("timers off", "keep BRO", "silence BCL", "silence BCS", "silence BSM"),
        seconds=24,
        missing="BCL",
    ),
)

CASES: tuple[Case, ...] = (*POSITIVE, *NEGATIVE)
