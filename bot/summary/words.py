"""A text that grows by small pieces without being copied each time."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, Self

WordsKind = Literal["text", "reasoning"]


@dataclass(frozen=True, slots=True)
class Words:
    """A text or reasoning part as far as we have it.

    ``stale`` says that something in its middle was missed: it stays as it was shown until the
    server brings the whole. Two are equal when they are equally far, whatever the pieces were.
    """

    kind: WordsKind
    size: int
    done: bool
    stale: bool = field(compare=False)
    chunks: tuple[str, ...] = field(compare=False, repr=False)

    @classmethod
    def of(cls, kind: WordsKind, text: str, *, done: bool) -> Self:
        """Return a part that came whole, or whole so far."""
        return cls(kind, len(text), done, stale=False, chunks=(text,))

    @property
    def text(self) -> str:
        """The words so far."""
        return "".join(self.chunks)

    def grown(self, piece: str) -> "Words":
        """Return these words with ``piece`` behind them.

        Neighbours of like size are joined, so that a letter is copied a logarithmic number of
        times, however long the answer and however small the pieces.
        """
        size = self.size + len(piece)
        chunks = self.chunks
        while chunks and len(chunks[-1]) <= len(piece) * 2:
            piece = chunks[-1] + piece
            chunks = chunks[:-1]
        return Words(self.kind, size, self.done, self.stale, (*chunks, piece))

    def gone_stale(self) -> "Words":
        """Return these words, with a gap behind them unless they are whole."""
        if self.done or self.stale:
            return self
        return Words(self.kind, self.size, self.done, stale=True, chunks=self.chunks)


def paragraphs(texts: Iterable[str]) -> str:
    """Join the texts of an answer's parts with a blank line; empty ones leave no trace."""
    return "\n\n".join(text.strip("\n") for text in texts if text.strip())
