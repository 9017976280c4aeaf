"""Texts and shorthand that many cases share."""

from hil_tests.conformance.case import Await, Step
from hil_tests.conformance.checks import Bytes, Check, Gone, Sent, Switched, timeout
from hil_tests.conformance.evidence import Anchor, First, Mark, Text

CEM_BITS: dict[int, tuple[int, int, Text]] = {
    3921: (0, 0, Text("接收 BRM 超时", "BRM timed out")),
    3922: (1, 0, Text("接收 BCP 超时", "BCP timed out")),
    3923: (1, 2, Text("接收 BRO 超时", "BRO timed out")),
    3924: (2, 0, Text("接收 BCS 超时", "BCS timed out")),
    3925: (2, 2, Text("接收 BCL 超时", "BCL timed out")),
    3926: (2, 4, Text("接收 BST 超时", "BST timed out")),
    3927: (3, 0, Text("接收 BSD 超时", "BSD timed out")),
    3928: (3, 2, Text("接收 BSM 超时", "BSM timed out")),
}
"""Byte (from 0), lowest bit (from 0) and meaning of each field of CEM; every field is two bits wide."""

CEM = First("CEM")
ENOUGH_CEM = Mark("third CEM", "第 3 帧 CEM", of_charger=True)
CEM_COMES: tuple[Step, ...] = (Await("CEM", 12.0, count=3, mark=ENOUGH_CEM),)


def cem_payload(spn: int, edition: str = "2015") -> bytes:
    """CEM with one time-out set, the other fields normal and the spare bits one."""
    payload = bytearray.fromhex("FC F0 C0 FC" if edition == "2015" else "FC F0 C0 F0")
    byte, bit, _ = CEM_BITS[spn]
    payload[byte] |= 1 << bit
    return bytes(payload)


def cem_says(spn: int, edition: str = "2015") -> Bytes:
    """The first CEM reports exactly this time-out."""
    meaning = CEM_BITS[spn][2]
    return Bytes("CEM", cem_payload(spn, edition), Text(f"SPN{spn}=01,{meaning.zh}", f"SPN {spn} = 01, {meaning.en}"))


def times_out(spn: int, since: Anchor, limit_s: float, sent: str, edition: str = "2015") -> tuple[Check, ...]:
    """``sent`` goes on until ``limit_s`` after ``since``, then CEM with this field and nothing else."""
    return (
        Sent(sent, until=CEM),
        timeout(since, CEM, limit_s),
        cem_says(spn, edition),
        Sent("CEM", since=CEM, until=ENOUGH_CEM),
        Gone(sent, CEM, until=ENOUGH_CEM),
    )


def opens(after: Anchor, within_s: float) -> Check:
    """K1 and K2 open."""
    return Switched("contactors", False, after, within_s)


CST_MEANING: dict[str, Text] = {
    "40 00 F0 F0": Text("BMS 主动中止", "stopped by the vehicle"),
    "04 00 F0 F0": Text("人工中止", "stopped by hand"),
    "01 00 F0 F0": Text("达到充电机设定的条件", "condition set at the charger reached"),
    "10 00 F0 F0": Text("故障中止", "fault stop"),
    "10 00 F1 F0": Text("急停故障", "emergency stop"),
    "10 00 F4 F0": Text("其他故障", "other fault"),
    "10 01 F0 F0": Text("充电机过温", "charger over-temperature"),
    "10 00 10 F0": Text("自检故障(2023)", "self-test fault (2023)"),
    "10 00 40 F0": Text("预充故障(2023)", "precharge fault (2023)"),
}


def cst_says(payload: str, mask: str = "FF FF 0F 0F") -> Bytes:
    """The first CST gives this cause. Byte 3 and 4 have spare bits in 2015, which the mask leaves out."""
    return Bytes("CST", bytes.fromhex(payload), CST_MEANING[payload], bytes.fromhex(mask))
