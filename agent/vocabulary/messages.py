"""The messages of the uplink and their topics: what the pile sends, and what it takes. MQTT 5, UTF-8 JSON.

The classes are the contract: the uplink encodes and decodes with them, the JSON Schemas and docs/uplink.md are made
from them. A change that would break a platform gets a new ``SCHEME``.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from agent.vocabulary.meta import ConnectorNumber, Count, Number, WallMs, say

SCHEME: Final = 1
"""Version of topics and envelope."""
MAXIMUM_BYTES: Final = 64 * 1024 - 1
"""Largest message of the pile (own); a broker may allow less."""
MAXIMUM_COMMAND_BYTES: Final = 4096
"""Largest command or watermark message (own)."""
LONGEST_VALIDITY_MS: Final = 300_000
"""A start that is to act at once is valid for at most this long (own; platforms use 60 s)."""

Scheme = Annotated[int, Meta(ge=1), say("协议版本", "version of topics and envelope")]
BootId = Annotated[str, say("运行标识", "run of the process that made the record or message")]
Sent = Annotated[WallMs, say("时间", "when it happened")]
Word = Annotated[str, Meta(min_length=1, max_length=32)]
Short = Annotated[str, Meta(max_length=64)]
Whole = Annotated[int, Meta(ge=-(2**53), le=2**53)]
CommandId = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_.:-]{1,64}$"), say("命令编号,不得重复使用", "id of the command, never used twice")
]


class Envelope(msgspec.Struct, kw_only=True):
    """One record."""

    v: Scheme
    s: Annotated[str, say("流", "stream: alarm, session, state, event, tele")]
    q: Annotated[Number, say("流内序号,连续", "sequence number within the stream, without gaps")]
    b: BootId
    t: Sent
    tq: Annotated[str, say("时钟质量", "quality of the clock: synced, holdover, unset")]
    h: Annotated[int, Meta(ge=0, le=1), say("补发", "1: sent again, or later than it happened")]
    c: Annotated[ConnectorNumber, say("枪号", "connector")]
    k: Annotated[str, say("记录种类", "kind of the record")]
    sid: Annotated[str, say("充电编号", "session it belongs to")] | UnsetType = UNSET
    d: Annotated[Any, say("记录内容", "body of the record, see Kinds")]


class Oversize(msgspec.Struct):
    """Takes the place of a body that does not fit a message; the whole record is on the pile."""

    oversize_bytes: Annotated[Number, say("原内容字节数", "bytes of the body")]


class ReasonPart(msgspec.Struct, omit_defaults=True):
    """One reason."""

    code: Annotated[str, say("原因代码或故障编号", "code of the reason, or a fault id")]
    detail: Annotated[str, say("细节", "detail: a signal, a state, a number")] = ""


class Response(msgspec.Struct, kw_only=True):
    """An answer to a command: accepted or rejected first, later done or failed."""

    v: Scheme
    id: Annotated[str, say("命令编号(无法识别时为空)", "id of the command; empty if it could not be read")]
    result: Annotated[str, say("结果", "accepted, rejected, done, failed")]
    t: Sent
    b: BootId
    code: Annotated[str, say("原因(文本)", "the reasons as one text")] | UnsetType = UNSET
    sid: Annotated[str, say("充电编号", "session that it is about")] | UnsetType = UNSET
    reasons: (
        Annotated[list[ReasonPart], say("原因,代码与细节分开", "the reasons, code and detail apart")] | UnsetType
    ) = UNSET


class Versions(msgspec.Struct):
    """What runs on the pile."""

    agent: Annotated[str, say("程序版本", "version of the agent")]
    scheme: Scheme


class Birth(msgspec.Struct, kw_only=True):
    """Identity of the pile and numbers still to come, on every connection."""

    v: Scheme
    online: Annotated[bool, say("在线", "true")]
    b: BootId
    ledger: Annotated[str, say("充电记录标识", "id of the ledger; a new one goes on with higher sequence numbers")]
    t: Sent
    role: Annotated[str, say("角色", "role of the first connector: charger, or monitor (listens only)")]
    versions: Annotated[Versions, say("版本", "versions")]
    unacknowledged: Annotated[
        dict[str, tuple[Number, Number]], say("待送序号", "first and last number still to come, by stream")
    ]
    watermarks: Annotated[dict[str, Count], say("平台已保存序号", "kept by the platform up to this number, by stream")]
    connectors: Annotated[dict[str, str], say("各枪角色", "role of each connector, by number")]


class Farewell(msgspec.Struct, kw_only=True):
    """The will of the connection, or the last message of a service that is stopped."""

    v: Scheme
    online: Annotated[bool, say("离线", "false")]
    b: BootId
    graceful: Annotated[bool, say("正常退出", "true: stopped normally; false: the connection was lost (will)")]


class CommandMessage(msgspec.Struct, forbid_unknown_fields=True):
    """A command of the platform."""

    id: CommandId
    name: Annotated[Word, say("命令名", "start, stop or limit")]
    c: Annotated[ConnectorNumber, say("枪号", "connector; may be left out if the pile has one")] | None = None
    args: Annotated[dict[Word, Whole | Short], Meta(max_length=16), say("参数", "arguments")] = {}
    iat: Annotated[WallMs, say("发出时间", "when it was issued")] | None = None
    exp: Annotated[WallMs, say("有效期至", "when it expires; a start needs it, at most 300 s ahead")] | None = None


Watermarks = Annotated[
    dict[Annotated[str, Meta(max_length=16)], Annotated[int, Meta(ge=0, le=2**53)]],
    Meta(max_length=16),
    say("平台已保存序号", "kept by the platform up to this number, by stream"),
]


class Topics:
    """Topics of one pile: ``ev/1/{operator}/{pile}/up|down/{class}``. The connector is a key of each message."""

    def __init__(self, operator_id: str, pile_id: str) -> None:
        self.operator_root = f"ev/{SCHEME}/{operator_id}/"
        root = f"{self.operator_root}{pile_id}"
        self._up = f"{root}/up/"
        self.birth = f"{root}/up/birth"
        self.response = f"{root}/up/rsp"
        self.command = f"{root}/down/cmd"
        self.watermark = f"{root}/down/wm"

    def up(self, stream: str) -> str:
        """Topic of a stream."""
        return self._up + stream

    def response_topic(self, wanted: str | None) -> str:
        """Where the answer to a command goes: where the command wants it, as long as that is the operator's tree."""
        if (
            wanted is None
            or len(wanted) > 256
            or not wanted.startswith(self.operator_root)
            or any(mark in wanted for mark in "+#\0")
        ):
            return self.response
        return wanted
