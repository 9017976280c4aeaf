"""Modbus TCP: the same requests with a number before them (Modbus messaging on TCP/IP V1.0b clause 3.1.3).

A reply repeats the number, which distinguishes a late one from the awaited one. Several unit ids behind a gateway
are several addresses.
"""

from drivers.line.exchange import Found, LineRequest, Match

_HEADER_BYTES = 6
# Unit id and PDU: at least function and one byte, at most 253 bytes of PDU.
_SHORTEST, _LONGEST = 3, 254
_PROTOCOL = b"\x00\x00"
_NO_CHECKSUM = b"\x00\x00"


class MbapFraming:
    """Numbers the requests of one connection."""

    def __init__(self) -> None:
        self._number = 0

    def wrap(self, request: LineRequest) -> bytes:
        """Header and request, without the checksum of the serial line."""
        self._number = self._number + 1 & 0xFFFF
        body = request.encode()[:-2]
        return self._number.to_bytes(2, "big") + _PROTOCOL + len(body).to_bytes(2, "big") + body

    def find_reply(self, data: bytes, request: LineRequest) -> Found:
        """Look for the reply to the request that was wrapped last.

        Everything before it is late. ``frame`` has two empty bytes in place of the checksum, so that the codec of
        the serial line reads it.
        """
        head = self._number.to_bytes(2, "big") + _PROTOCOL
        shape, exception = request.reply_shape(), request.exception_shape()
        foreign = 0
        start = data.find(head)
        while 0 <= start <= len(data) - _HEADER_BYTES:
            length = int.from_bytes(data[start + 4 : start + 6], "big")
            end = start + _HEADER_BYTES + length
            if _SHORTEST <= length <= _LONGEST and end <= len(data):
                body = data[start + _HEADER_BYTES : end]
                if body[0] == request.address and self._fits(body, request, shape, exception):
                    return Found(Match.REPLY, body + _NO_CHECKSUM, end, foreign, start)
                foreign += 1
            start = data.find(head, start + 1)
        return Found(Match.FOREIGN if foreign else Match.NOTHING, foreign_frames=foreign)

    @staticmethod
    def _fits(body: bytes, request: LineRequest, shape: bytes, exception: bytes) -> bool:
        if body[1:].startswith(shape):
            return len(body) + len(_NO_CHECKSUM) == request.reply_bytes()
        return body[1:2] == exception and len(body) == _SHORTEST
