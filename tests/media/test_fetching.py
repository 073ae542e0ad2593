"""Media are fetched at once, again where that helps, and not for ever; a crash forgets none."""

import asyncio
import contextlib
import errno
import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from structlog.testing import capture_logs

from bot.background import Background
from bot.errors import MediaError, StoreFull
from bot.media import Download, Media, Sources, fetching, receiving
from store import open_store
from store.records import NewAttachment
from tests.fakes.edge import until
from tests.media.pictures import PNG
from tests.store.samples import a_chat, a_turn, an_inbound

LIMIT = 10_000
MINUTE_MS = 60_000
SECRET = "https://x.myqcloud.com/a?sign=secret"
KEY = "the-key-of-this-medium"


class Clock:
    now = 1_760_000_000_000

    def __call__(self):
        return self.now


class Channel:
    """A channel whose media come as a test says: each time the next of ``script``."""

    def __init__(self):
        self.script = []
        self.asked = []
        self.at_once = self.most = 0

    @contextlib.asynccontextmanager
    async def fetch(self, medium, limit):
        self.asked.append((medium.url, medium.key, limit))
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            step = self.script.pop(0) if self.script else PNG
            if isinstance(step, Exception):
                raise step
            yield Download("照片.png", self.pieces(step))
        finally:
            self.at_once -= 1

    async def pieces(self, step):
        if isinstance(step, asyncio.Event):
            await step.wait()
            step = PNG
        for piece in step if isinstance(step, list) else [step]:
            if isinstance(piece, Exception):
                raise piece
            yield piece


class Room:
    """A service's media, on a store of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.clock = Clock()
        self.channel = Channel()

    async def __aenter__(self):
        self.stack = contextlib.AsyncExitStack()
        url = f"sqlite:///{self.folder}/bot.db"
        self.store = await self.stack.enter_async_context(await open_store(url))
        self.background = await self.stack.enter_async_context(Background())
        self.sources = Sources()
        self.sources.put("callback", self.channel)
        self.media = Media(
            self.store, self.folder, self.sources, self.background, self.clock, limit=LIMIT
        )
        return self

    async def __aexit__(self, *exc):
        await self.stack.aclose()

    async def arrive(self, message="m1", *, count=1, channel="callback"):
        """Let a message with media be kept."""
        one = NewAttachment("image", channel, SECRET, KEY, "", self.clock.now)
        turn = a_turn(message, media=(one,) * count)
        await self.store.inbox.accept(an_inbound(message), a_chat(), turn)

    async def settled(self, message="m1"):
        """Wait until nothing of a message is due; return what became of it."""
        async with asyncio.timeout(20):
            while await self.media.due(message):
                await self.media.wait(5)
        return await self.store.attachments.of(message)

    def blob(self, one):
        return self.folder / "blobs" / one.blob[:2] / one.blob

    @property
    def drafts(self):
        return list((self.folder / "blobs" / "drafts").glob("*"))


@pytest.fixture
async def room(tmp_path, monkeypatch):
    monkeypatch.setattr(fetching, "PAUSES_S", (0.01, 0.01))
    async with Room(tmp_path) as room:
        yield room


async def test_a_medium_is_kept_whole_and_its_address_and_key_are_forgotten(room):
    await room.arrive()
    room.media.begin("m1")
    (one,) = await room.settled()
    assert (one.state, one.mime, one.size, one.name) == ("kept", "image/png", len(PNG), "照片.png")
    assert one.blob == hashlib.sha256(PNG).hexdigest()
    assert room.blob(one).read_bytes() == PNG
    assert room.blob(one).stat().st_mode & 0o777 == 0o600
    assert (one.url, one.key) == ("", "")
    assert room.channel.asked == [(SECRET, KEY, LIMIT)]
    assert room.drafts == []


async def test_what_may_pass_is_tried_again_and_what_will_not_is_told(room):
    await room.arrive("m1")
    room.channel.script = [
        MediaError("busy", again=True),
        [PNG[:9], MediaError("busy", again=True)],
    ]
    (one,) = await room.settled("m1")
    assert (one.state, len(room.channel.asked)) == ("kept", 3)
    await room.arrive("m2")
    room.channel.script = [MediaError("busy", again=True)] * 9
    (one,) = await room.settled("m2")
    assert (one.state, one.cause, one.url, one.key) == ("failed", "busy", "", "")
    assert len(room.channel.asked) == 6
    await room.arrive("m3")
    room.channel.script = [MediaError("gone")]
    (one,) = await room.settled("m3")
    assert (one.state, one.cause, len(room.channel.asked)) == ("failed", "gone", 7)
    assert room.drafts == []


async def test_no_try_begins_when_the_address_is_dead(room):
    await room.arrive()
    room.clock.now += 6 * MINUTE_MS
    room.channel.script = [MediaError("busy", again=True)]
    (one,) = await room.settled()
    assert (one.cause, len(room.channel.asked)) == ("busy", 1)


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ([[b"x" * LIMIT, b"x"]], "large"),
        ([[]], "empty"),
        ([OSError(errno.ENOSPC, "full")] * 3, "disk"),
        ([TimeoutError()] * 3, "slow"),
    ],
)
async def test_what_cannot_be_kept_says_why_and_leaves_nothing(room, script, cause):
    await room.arrive()
    room.channel.script = script
    (one,) = await room.settled()
    assert (one.state, one.cause) == ("failed", cause)
    assert room.drafts == []


async def test_a_channel_that_is_off_now_has_nothing_to_give(room):
    await room.arrive(channel="app")
    (one,) = await room.settled()
    assert (one.state, one.cause) == ("failed", "gone")


async def test_only_so_many_come_at_once_and_none_twice(room):
    gate = asyncio.Event()
    room.channel.script = [gate] * 12
    await room.arrive(count=12)
    room.media.begin("m1")
    await room.media.recover()
    await until(lambda: room.channel.at_once == fetching.AT_ONCE)
    gate.set()
    media = await room.settled()
    assert {one.state for one in media} == {"kept"}
    assert (len(room.channel.asked), room.channel.most) == (12, fetching.AT_ONCE)
    assert len({one.blob for one in media}) == 1


async def test_what_was_due_at_the_end_is_fetched_at_the_next_start(room, tmp_path):
    gate = asyncio.Event()
    room.channel.script = [gate]
    await room.arrive()
    room.media.begin("m1")
    await until(lambda: room.channel.at_once)
    await room.__aexit__()
    assert room.channel.at_once == 0
    async with Room(tmp_path) as again:
        assert [one.state for one in await again.store.attachments.of("m1")] == ["due"]
        await again.media.recover()
        assert [one.state for one in await again.settled()] == ["kept"]
        assert again.drafts == []
    await room.__aenter__()


def test_a_draft_that_was_let_go_of_while_it_was_written_leaves_nothing(tmp_path):
    copies = receiving.Copies(tmp_path)
    draft = copies.begin()
    draft.discard()
    draft.write(PNG)
    assert list(tmp_path.glob("*/*")) == []


def test_a_draft_that_is_being_written_is_cleaned_up_by_who_writes_it(tmp_path, monkeypatch):
    copies = receiving.Copies(tmp_path)
    draft, syncing, go_on = copies.begin(), threading.Event(), threading.Event()

    def slow(_):
        syncing.set()
        assert go_on.wait(10)

    draft.write(PNG)
    monkeypatch.setattr(receiving, "crashpoint", slow)
    with ThreadPoolExecutor(1) as threads:
        job = threads.submit(draft.settle)
        assert syncing.wait(10)
        draft.discard()
        assert draft._opened is not None
        go_on.set()
        assert job.result(10).size == len(PNG)
    assert draft._opened is None
    assert list((tmp_path / "drafts").iterdir()) == []


async def test_what_is_given_up_stays_so_though_it_comes_after_all(room):
    gate = asyncio.Event()
    room.channel.script = [gate]
    await room.arrive()
    due = await room.media.due("m1")
    await until(lambda: room.channel.at_once)
    await room.media.give_up(due)
    gate.set()
    await until(lambda: not len(room.background))
    await room.media.give_up(due)
    (one,) = await room.store.attachments.of("m1")
    assert (one.state, one.cause, one.blob) == ("failed", "slow", "")
    assert [one.cause for one in await room.media.failed("m1")] == ["slow"]


async def test_a_store_that_cannot_keep_it_now_has_it_fetched_again(room, monkeypatch):
    kept, failures = room.store.attachments.kept, [StoreFull("no space left")]

    async def full(*args, **kwargs):
        if failures:
            raise failures.pop()
        return await kept(*args, **kwargs)

    monkeypatch.setattr(room.store.attachments, "kept", full)
    await room.arrive()
    assert [one.state for one in await room.settled()] == ["kept"]
    assert len(room.channel.asked) == 2


async def test_the_copy_has_no_name_before_it_is_on_the_disk(room, monkeypatch):
    seen = []

    def look(name):
        seen.append((name, room.drafts, list((room.folder / "blobs").glob("??/*"))))

    monkeypatch.setattr(receiving, "crashpoint", look)
    await room.arrive()
    await room.settled()
    ((name, (draft,), blobs),) = seen
    assert (name, blobs, draft.exists()) == ("C21", [], False)


async def test_copies_are_swept_when_nothing_names_them_any_more(room):
    await room.arrive()
    (one,) = await room.settled()
    assert one.blob in await room.store.files.blobs_in_use()
    await room.store.turns.drop(1, "zhangsan", room.clock.now)
    await room.store.turns.purge(room.clock.now + 1)
    assert await room.store.attachments.of("m1") == []
    assert await room.store.files.blobs_in_use() == set()


async def test_the_log_holds_neither_address_nor_key_nor_name(room):
    await room.arrive("m1")
    room.channel.script = [MediaError("busy", again=True), PNG, MediaError("gone")]
    with capture_logs() as logged:
        await room.settled("m1")
        await room.arrive("m2")
        await room.settled("m2")
    assert [one["event"].split(".")[1] for one in logged] == ["delayed", "kept", "failed"]
    told = str(logged) + repr(await room.store.attachments.of("m1"))
    assert not any(word in str(logged) for word in (SECRET, KEY, "照片"))
    assert KEY not in told
