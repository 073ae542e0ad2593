"""Cuts OpenCode's event stream into frames.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

FRAME_LIMIT = 8 * 1024 * 1024  # bytes


class Splitter:
    """Cuts a stream of bytes, in whatever pieces it comes, into the data of its frames.

    A frame above the limit is left out and counted in ``dropped``; what is kept in memory
    never grows beyond the limit by more than the piece at hand.
    """

    def __init__(self, limit: int = FRAME_LIMIT) -> None:
        self.dropped = 0
        self._limit = limit
        self._pieces: list[bytes] = []
        self._size = 0
        self._dropping = False

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next piece and return the frames that it completes."""
        # No raw CR can stand inside JSON, so leaving all of them out makes CRLF a LF.
        piece = piece.replace(b"\r", b"")
        if b"\n" not in piece:
            self._keep(piece)
            return []
        *blocks, rest = b"".join((*self._pieces, piece)).split(b"\n\n")
        self._pieces.clear()
        self._size = 0
        if blocks and self._dropping:
            self._dropping = False
            del blocks[0]
        self._keep(rest)
        return [frame for block in blocks if (frame := self._frame(block)) is not None]

    def restart(self) -> None:
        """Forget the half of a frame that a broken connection left."""
        self._pieces.clear()
        self._size = 0
        self._dropping = False

    def _keep(self, rest: bytes) -> None:
        if not rest:
            return
        self._pieces.append(rest)
        self._size += len(rest)
        # One more than the limit may be waiting: the first half of the blank line.
        if not self._dropping and self._size > self._limit + 1:
            self._dropping = True
            self.dropped += 1
        if self._dropping:
            self._pieces = [rest[-1:]]
            self._size = 1

    def _frame(self, block: bytes) -> bytes | None:
        if len(block) > self._limit:
            self.dropped += 1
            return None
        if block.startswith(b"data: ") and b"\n" not in block:
            return block[6:]
        data = [line[5:] for line in block.split(b"\n") if line.startswith(b"data:")]
        return b"\n".join(line.removeprefix(b" ") for line in data) if data else None
