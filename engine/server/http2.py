"""The frames of an HTTP/2 connection that passes by: where they begin, and which are pings."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""With this a client begins."""

_HEAD_BYTES = 9
_PING_BYTES = 8
_HEADERS, _PUSH_PROMISE, _PING, _CONTINUATION = 1, 5, 6, 9
_ACK, _END_HEADERS = 0x1, 0x4
_PING_HEAD = b"\0\0\x08\x06"  # length and kind; flags and stream follow


def ping_answer(payload: bytes) -> bytes:
    """Return the frame that answers a ping."""
    return _PING_HEAD + bytes((_ACK, 0, 0, 0, 0)) + payload


class Pings:
    """Takes the pings out of what a client sends, from the preface on."""

    def __init__(self) -> None:
        self._left = len(PREFACE)
        self._waiting = b""

    def feed(self, data: bytes) -> tuple[bytes, list[bytes]]:
        """Return what is to go on, and the payloads of the pings that stood between; what is not whole yet waits."""
        data = self._waiting + data if self._waiting else data
        kept: list[bytes] = []
        pings: list[bytes] = []
        begin = at = 0
        while True:
            step = min(self._left, len(data) - at)
            at += step
            self._left -= step
            if self._left or len(data) - at < _HEAD_BYTES:
                break
            if not _is_ping(data[at : at + _HEAD_BYTES]):
                self._left = _HEAD_BYTES + int.from_bytes(data[at : at + 3])
                continue
            if len(data) - at < _HEAD_BYTES + _PING_BYTES:
                break
            kept.append(data[begin:at])
            begin = at + _HEAD_BYTES + _PING_BYTES
            pings.append(data[at + _HEAD_BYTES : begin])
            at = begin
        kept.append(data[begin:at])
        self._waiting = data[at:]
        return b"".join(kept), pings


class Gaps:
    """Finds the places between the frames that a server sends, in which other frames may stand.

    Attributes:
        is_between: all that came so far ends in such a place; before the first frame there is none.
    """

    def __init__(self) -> None:
        self.is_between = False
        self._left = 0
        self._head = b""
        self._is_open = False

    def feed(self, data: bytes) -> int | None:
        """Return the last such place in ``data``, ``None`` if there is none."""
        at, gap = 0, None
        while at < len(data):
            if self._left == 0:
                taken = data[at : at + _HEAD_BYTES - len(self._head)]
                self._head += taken
                at += len(taken)
                if len(self._head) < _HEAD_BYTES:
                    break
                self._left = int.from_bytes(self._head[:3])
                self._is_open = _leaves_headers_open(self._head)
            step = min(self._left, len(data) - at)
            at += step
            self._left -= step
            if self._left == 0:
                self._head = b""
                if not self._is_open:
                    gap = at
        self.is_between = gap == len(data)
        return gap


def _is_ping(head: bytes) -> bool:
    """Return whether a frame is a ping that is right in all, and wants an answer."""
    return head.startswith(_PING_HEAD) and not head[4] & _ACK and not int.from_bytes(head[5:]) & 0x7FFFFFFF


def _leaves_headers_open(head: bytes) -> bool:
    """Return whether only the rest of the headers may follow a frame."""
    return head[3] in (_HEADERS, _PUSH_PROMISE, _CONTINUATION) and not head[4] & _END_HEADERS
