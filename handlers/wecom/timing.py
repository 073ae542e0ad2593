"""How long each way out of a callback stays open."""

from dataclasses import dataclass

from handlers.wecom.connection.pace import STEADY, Pace

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Timing:
    """Spans of time, counted from the person's message where nothing else is said.

    WeCom polls a bubble for 6 minutes and takes a late answer for an hour; both are
    left a margin. How often it polls is not documented.
    """

    window_ms: int = 6 * MINUTE_MS
    hand_over_ms: int = 5 * MINUTE_MS
    late_ms: int = 55 * MINUTE_MS
    last_words_ms: int = 54 * MINUTE_MS
    patience_s: float = 10.0  # without a poll, a final leaves by another way
    again_after_s: float = 1.0  # before the one repeat of a late answer in doubt
    flush_every_s: float = 0.5
    remember_ms: int = MINUTE_MS  # a finished bubble, from then on; the store has it longer
    store_s: float = 3.0  # for the store, while WeCom waits for an answer
    pace: Pace = STEADY  # of the long connection
