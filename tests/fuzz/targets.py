"""What a stranger can reach with bytes of their own: each target takes any bytes and raises only for a bug.

The suite feeds them with hypothesis, ``make fuzz`` with a fuzzer that watches which code is reached.
"""

import atexit
import contextlib
import functools
import os
import re
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from urllib.parse import unquote

from bot.claims import claimed
from bot.errors import BadEnvelope
from bot.fitting import fit
from bot.links import Links
from bot.messages import InboundMessage
from bot.opencode import model
from bot.opencode.events import parse
from bot.opencode.fields import as_json, decoded
from bot.opencode.stream import Splitter
from bot.render import Frame, progress
from bot.sandbox.cipher import Cipher, Refused
from bot.sandbox.rules import ALLOWED, CLICK, read_reply
from bot.snapshot.beneath import Beneath, names_of
from bot.snapshot.places import found, inside
from bot.snapshot.secret_paths import withheld
from bot.summary import begin, fold
from commands import COMMANDS
from handlers.viewer import markdown
from handlers.wecom import incoming, wire
from handlers.wecom.app import markup as app_markup
from handlers.wecom.app.app_wire import AppWire
from handlers.wecom.connection import frames, reception
from handlers.wecom.envelope import BLOCK, Envelope
from handlers.wecom.mention import Mentions
from tests.fakes.envelope import AES_KEY, TOKEN, Sealer
from tests.fuzz import seeds

NOW_MS = 1_800_000_000_000
TIMESTAMP, NONCE = "1700000000", "1372623149"
LIMIT_BYTES = 2_048
FRAME_BYTES = 8_192
WECOM = Sealer()
ENVELOPE = Envelope(TOKEN, AES_KEY)
CIPHER = Cipher(TOKEN, AES_KEY)
WIRES = (
    wire.Wire(bot_id="", name="", per_user=False),
    wire.Wire(bot_id="aibX", name="Open Code", per_user=True),
)
APP = AppWire(corp_id=seeds.CORP_ID, agent_id=1000002)
MENTIONS = (Mentions(), Mentions("Open Code"), Mentions("小助手"))
LINKS = Links(bytes(32), "https://bot.example.com", 3600, lambda: NOW_MS)
SAFE_TARGET = re.compile(r"(?:https?|mailto):|#|raw/(?!\.\./)", re.IGNORECASE)
LEADS = re.compile(r'(?:href|src)="([^"]*)"')
INSIDE, OUTSIDE = b"inside", b"outside"
MODELS = (
    model.Message.parse,
    model.Message.parse_info,
    model.Session.parse,
    model.ServerError.parse,
    model.Status.parse,
    model.Todo.parse,
    model.PermissionRequest.parse,
    model.QuestionRequest.parse,
    model.Agent.parse,
    model.Command.parse,
    model.FileDiff.parse,
    model.Paths.parse,
    model.parse_part,
)


@dataclass(frozen=True, slots=True)
class Target:
    """Code behind an edge: ``run`` feeds it, ``seeds`` are what it meets on a good day."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]


def envelope(data: bytes) -> None:
    """Open what a stranger signed, and what only WeCom could have signed."""
    kind, rest = data[:1], data[1:]
    with contextlib.suppress(BadEnvelope):
        if kind == b"q":  # a query of their own, with no signature that holds
            seal = incoming.seal_of(f"/wecom/bot?{rest.decode('ascii', 'ignore')}")
            ENVELOPE.open(seal.signature, seal.timestamp, seal.nonce, seal.echo)
            raise AssertionError("believed")
        if kind == b"s":  # a signature around anything
            _open_signed(rest.decode("ascii", "ignore"))
            return
    blocks = rest[: len(rest) // BLOCK * BLOCK]
    if blocks:
        try:
            opened = _open_signed(WECOM.encrypt_blocks(blocks))
        except BadEnvelope:
            opened = None
        assert opened == _as_the_page_says(blocks)


def _open_signed(encrypted: str) -> bytes:
    signature = WECOM.sign(TIMESTAMP, NONCE, encrypted)
    return ENVELOPE.open(signature.encode(), TIMESTAMP.encode(), NONCE.encode(), encrypted.encode())


def _as_the_page_says(blocks: bytes) -> bytes | None:
    """Unwrap decrypted blocks word by word as the vendor's page says; None: not whole."""
    pad = blocks[-1]
    if not 1 <= pad <= BLOCK or blocks[-pad:] != bytes([pad]) * pad:
        return None
    message = blocks[20:-pad]
    return message if len(message) == int.from_bytes(blocks[16:20], "big") else None


def plaintext(data: bytes) -> None:
    """Read what was inside an envelope, and the shell around one."""
    with contextlib.suppress(BadEnvelope):
        wire.ciphertext(data).decode()
    for reader in WIRES:
        with contextlib.suppress(BadEnvelope):
            inbound = reader.parse(data, NOW_MS)
            _is_storable(inbound)
            assert not isinstance(inbound, InboundMessage) or inbound.sender


def pushed(data: bytes) -> None:
    """Read a frame of the long connection, and what it brings."""
    with contextlib.suppress(BadEnvelope):
        frame = frames.parse(data)
        _is_storable(frame)
        if isinstance(frame, frames.Told):
            plaintext(reception._encoded(frame.body))


def markup(data: bytes) -> None:
    """Read the XML of an application: the shell around a ciphertext, and what was inside."""
    with contextlib.suppress(BadEnvelope):
        app_markup.ciphertext(data).decode()
    with contextlib.suppress(BadEnvelope):
        _is_storable(APP.parse(data, NOW_MS))


def words(data: bytes) -> None:
    """Take the mention off what somebody wrote, and see whether it is a command."""
    text = data.decode(errors="ignore")
    for mentions in MENTIONS:
        for group in (False, True):
            left = mentions.off(text, group=group)
            assert len(left) <= len(text)
            parsed = COMMANDS.parse(left)
            if parsed is not None:
                COMMANDS.find(parsed.name)
                COMMANDS.nearest(parsed.name)


def events(data: bytes) -> None:
    """Cut, read, fold and show what an OpenCode says, in two ways of cutting."""
    whole, cut = Splitter(FRAME_BYTES), Splitter(FRAME_BYTES)
    frames = whole.feed(data)
    middle = len(data) // 2
    assert frames == cut.feed(data[:middle]) + cut.feed(data[middle:])
    summary = begin("ses_1", "msg_100", NOW_MS)
    for frame in frames:
        with contextlib.suppress(ValueError):
            event = parse(frame)
            if event is not None:
                _is_storable(event)
                summary = fold(summary, event, NOW_MS)
    for detail in ("quiet", "normal", "full"):
        shown = progress(
            summary,
            Frame(1, "t", "build", "a/b", detail, "zh", NOW_MS + 60_000, NOW_MS),
        )
        assert shown.strip()
        assert len(fit(shown, LIMIT_BYTES).encode()) <= LIMIT_BYTES


def answers(data: bytes) -> None:
    """Read what an OpenCode answers, as each of the things that it could be."""
    try:
        json = as_json(decoded(data))
    except ValueError:
        return
    for read in MODELS:
        with contextlib.suppress(ValueError):
            _is_storable(read(json))


def paths(data: bytes) -> None:
    """Ask for a path of a workspace full of ways out, as it is written and percent-decoded."""
    written, root = data.decode(errors="surrogateescape"), _trap()
    for path in {written, unquote(written)}:
        if names_of(path) is not None:
            withheld(path)
        inside(path, root)
        found(path, root, ("a.txt", "dir/b.txt"))
        with Beneath(root) as tree:
            tree.stat(path)
            tree.names(path)
            opened = tree.open(path)
        if opened is not None:
            with os.fdopen(opened, "rb") as file:
                assert file.read() == INSIDE


def prose(data: bytes) -> None:
    """Look for claims in an answer, and make it a page."""
    text = data.decode(errors="ignore")
    assert all(claimed(text))
    page = markdown.to_html(text, "/w")
    assert all(SAFE_TARGET.match(address) for address in LEADS.findall(page)), page
    assert "<script" not in page
    assert len(fit(text, LIMIT_BYTES).encode()) <= LIMIT_BYTES


def links(data: bytes) -> None:
    """Guess a link, and guess again with half of a real one."""
    guess, real = data.decode(errors="surrogateescape"), LINKS.token(7)
    for token in (guess, real[:16] + guess, guess + real[16:]):
        assert token == real or LINKS.check(7, token) == "forged"
    assert LINKS.check(8, real) == "forged"


def sandbox(data: bytes) -> None:
    """Give the stand-in for WeCom an answer to judge."""
    with contextlib.suppress(Refused):
        CIPHER.open_reply(data, nonce=NONCE, now_s=int(TIMESTAMP))
    with contextlib.suppress(Refused):
        CIPHER.decrypt(data)
    for situation in (*ALLOWED, CLICK, "feedback_event"):
        with contextlib.suppress(Refused):
            _is_storable(read_reply(data, situation))


def _is_storable(value: object) -> None:
    """Every text in a value can be written to the database and shown: it is whole UTF-8."""
    if isinstance(value, str):
        value.encode()
    elif is_dataclass(value):
        for field in fields(value):
            _is_storable(getattr(value, field.name))
    elif isinstance(value, dict):
        for key, held in value.items():
            _is_storable(key)
            _is_storable(held)
    elif isinstance(value, list | tuple):
        for held in value:
            _is_storable(held)


@functools.cache
def _trap() -> Path:
    """Make a folder with two files in it and every way out that a link can be."""
    holder = tempfile.TemporaryDirectory(prefix="fuzz-")
    atexit.register(holder.cleanup)
    top = Path(holder.name).resolve()
    root = top / "w"
    (root / "dir").mkdir(parents=True)
    (top / "out.txt").write_bytes(OUTSIDE)
    for name in ("a.txt", "dir/b.txt"):
        (root / name).write_bytes(INSIDE)
    (root / "link").symlink_to(top / "out.txt")
    (root / "up").symlink_to("..")
    (root / "etc").symlink_to("/etc")
    (root / "proc").symlink_to("/proc/self")
    os.link(top / "out.txt", root / "hard")
    os.mkfifo(root / "fifo")
    return root


TARGETS = {
    "envelope": Target(envelope, seeds.envelopes),
    "plaintext": Target(plaintext, seeds.plaintexts),
    "pushed": Target(pushed, seeds.pushed),
    "markup": Target(markup, seeds.markup),
    "words": Target(words, seeds.words),
    "events": Target(events, seeds.events),
    "answers": Target(answers, seeds.answers),
    "paths": Target(paths, seeds.paths),
    "prose": Target(prose, seeds.prose),
    "links": Target(links, seeds.links),
    "sandbox": Target(sandbox, seeds.sandbox),
}
