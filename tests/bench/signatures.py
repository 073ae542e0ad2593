"""Does refusing a signature take longer the more of it is right? It must not: X7."""

import contextlib
import math
import random
import statistics
import time

from bot.errors import BadEnvelope
from handlers.wecom.envelope import Envelope
from tests.fakes.envelope import AES_KEY, TOKEN, Sealer

COUNT = 100_000  # of each kind
WARM_UP = 5_000
DIGITS = b"0123456789abcdef"
CHANCE = 0.01
TIMESTAMP, NONCE = "1700000000", "1372623149"


async def bench():
    """Return the figures as lines: two kinds of wrong signatures, and one kind against itself."""
    encrypted = Sealer().encrypt(b'{"msgtype":"text"}')
    right = Sealer().sign(TIMESTAMP, NONCE, encrypted).encode()
    last = len(right) - 1
    envelope = Envelope(TOKEN, AES_KEY)
    facts = TIMESTAMP.encode(), NONCE.encode(), encrypted.encode()

    def refuse(signature):
        with contextlib.suppress(BadEnvelope):
            envelope.open(signature, *facts)

    return [
        f"{f'{COUNT:,} wrong signatures of each kind':<40}  first ns  second ns        p",
        _line("wrong at byte 0, wrong at byte 39", *_timed(refuse, right, (0, last))),
        _line("wrong at byte 0, wrong at byte 0", *_timed(refuse, right, (0, 0))),
        "  (Mann-Whitney; a p above 0.01 tells no difference)",
    ]


def _timed(refuse, right, places):
    """Return how long each kind took, in an order by chance, so that what disturbs disturbs both.

    Nothing but the signature tells the kinds apart while the clock runs: all of them lie in one
    place of the memory, and are written and noted alike.
    """
    order = [0, 1] * (WARM_UP + COUNT)
    random.shuffle(order)
    ends = [_ends(right, places[which]) for which in order]
    taken, clock, signature = [], time.perf_counter_ns, bytearray(right)
    for first, last in ends:
        signature[0], signature[-1] = first, last
        begun = clock()
        refuse(signature)
        taken.append(clock() - begun)
    labelled = list(zip(order, taken, strict=True))[2 * WARM_UP :]
    return [[took for which, took in labelled if which == kind] for kind in (0, 1)]


def _ends(right, place):
    """Return the first and the last byte, of which one is wrong."""
    wrong = random.choice(DIGITS.replace(right[place : place + 1], b""))
    return (wrong, right[-1]) if place == 0 else (right[0], wrong)


def _line(what, early, late):
    p = p_value(early, late)
    verdict = "no difference" if p > CHANCE else "A DIFFERENCE"
    first, last = statistics.median(early), statistics.median(late)
    return f"  {what:<38} {first:>9,.0f}   {last:>10,.0f}   {p:>6.3f}   {verdict}"


def p_value(ours, others):
    """Return the two-sided p of Mann and Whitney's test, by its normal approximation with ties."""
    values = sorted([(value, 0) for value in ours] + [(value, 1) for value in others])
    n, m, whole = len(ours), len(others), len(values)
    ranks, ties, at = 0.0, 0.0, 0
    while at < whole:
        end = at
        while end < whole and values[end][0] == values[at][0]:
            end += 1
        ranks += sum(1 - which for _, which in values[at:end]) * (at + 1 + end) / 2
        ties += (end - at) ** 3 - (end - at)
        at = end
    u = ranks - n * (n + 1) / 2
    spread = math.sqrt(n * m / 12 * (whole + 1 - ties / (whole * (whole - 1))))
    z = (u - n * m / 2) / spread if spread else 0.0
    return math.erfc(abs(z) / math.sqrt(2))
