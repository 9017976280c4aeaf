"""Asks the kernel over netlink whether a CAN interface is listen-only.

Layout: Linux rtnetlink(7) and linux/can/netlink.h. One request, one answer, no wait: the kernel answers in the call.
"""

import socket
import struct

_RTM_NEWLINK, _RTM_GETLINK, _NLMSG_ERROR = 16, 18, 2
_NLM_F_REQUEST = 1
_MESSAGE = struct.Struct("=IHHII")
"""Header of a netlink message: length, kind, flags, sequence, port."""
_LINK = struct.Struct("=BxHiII")
"""struct ifinfomsg: family, type, index, flags, change mask."""
_ATTRIBUTE = struct.Struct("=HH")
"""Header of an attribute: length with this header, kind."""
_KIND_MASK = 0x3FFF
_IFLA_LINKINFO, _IFLA_INFO_KIND, _IFLA_INFO_DATA = 18, 1, 2
_IFLA_CAN_CTRLMODE = 5
_CAN_CTRLMODE_LISTENONLY = 0x02
_ANSWER_BYTES = 65536


class LinkModeError(OSError):
    """The kernel cannot be asked or refuses; the text says why."""


def listen_only_of(channel: str) -> bool | None:
    """Whether the interface is listen-only; None for one that has no such mode. Raises LinkModeError."""
    try:
        index = socket.if_nametoindex(channel)
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as line:
            line.setblocking(False)
            line.sendto(request_for(index), (0, 0))
            answer = line.recv(_ANSWER_BYTES)
    except OSError as error:
        raise LinkModeError(str(error)) from error
    return parse(answer)


def request_for(index: int) -> bytes:
    """The question about the interface with this index."""
    body = _LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0)
    return _MESSAGE.pack(_MESSAGE.size + len(body), _RTM_GETLINK, _NLM_F_REQUEST, 1, 0) + body


def parse(answer: bytes) -> bool | None:
    """What an answer says, None if it says nothing about it. Raises LinkModeError if it is none or a refusal."""
    if len(answer) < _MESSAGE.size:
        raise LinkModeError("short answer")
    length, kind, _, _, _ = _MESSAGE.unpack_from(answer)
    body = answer[_MESSAGE.size : length]
    if kind == _NLMSG_ERROR:
        code = int.from_bytes(body[:4], "little", signed=True)
        raise LinkModeError(f"refused with error {-code}")
    if kind != _RTM_NEWLINK or len(body) < _LINK.size:
        raise LinkModeError(f"unexpected answer of kind {kind}")
    info = _attributes(_attributes(body[_LINK.size :]).get(_IFLA_LINKINFO, b""))
    if info.get(_IFLA_INFO_KIND, b"").rstrip(b"\0") != b"can":
        return None
    mode = _attributes(info.get(_IFLA_INFO_DATA, b"")).get(_IFLA_CAN_CTRLMODE, b"")
    if len(mode) < 8:
        return None
    _, flags = struct.unpack_from("=II", mode)
    return bool(flags & _CAN_CTRLMODE_LISTENONLY)


def _attributes(data: bytes) -> dict[int, bytes]:
    """Attributes by kind; a length that makes no sense ends the list."""
    found: dict[int, bytes] = {}
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size or offset + length > len(data):
            break
        found[kind & _KIND_MASK] = data[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    return found
