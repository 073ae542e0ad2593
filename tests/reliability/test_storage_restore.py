"""S7: a backup that is not whole is refused untouched; a restore that is killed is finished by the next."""

import contextlib
import gzip
import hashlib
import io
import os
import shutil
import signal
import sqlite3
import sys
import tarfile
from datetime import UTC, datetime

import orjson
import pytest

from bot.backup import Places, back_up, restore
from bot.backup.archive import MANIFEST
from bot.errors import BackupError
from store import open_store
from store.errors import SchemaTooNew, StoreDamaged, StoreUnusable
from tests.store.samples import accept

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 3, 2, 12, tzinfo=UTC)
CHANGING = {"os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.link", "shutil.rmtree"}
BLOB = hashlib.sha256(b"a copy").hexdigest()


@pytest.fixture
async def filled(places):
    """A data folder with three turns, a copy of a file and the keys."""
    async with await open_store(f"sqlite:///{places.database}") as store:
        for n in range(3):
            await accept(store, f"m{n}")
    with contextlib.closing(sqlite3.connect(places.database)) as database:
        database.execute("INSERT INTO syncs (workspace, at) VALUES ('/w', 0)")
        database.execute("INSERT INTO versions VALUES ('/w', 'a', 1, ?, 6, 0)", (BLOB,))
        database.commit()
    home = places.blobs / BLOB[:2]
    home.mkdir(parents=True)
    (home / BLOB).write_bytes(b"a copy")
    (places.data_dir / "link.key").write_bytes(b"k" * 32)
    (places.data_dir / "service.id").write_text("service-of-tests")


@pytest.fixture
def file(places, filled, tmp_path):
    """A backup of it."""
    return back_up(places, tmp_path / "b.tar.gz", now=NOW, say=lambda _: None)


def put_back(places, file):
    said = []
    restore(places, file, now=LATER, say=said.append)
    return said


def tree(folder):
    """Return every file below a folder with its content, but for the lock."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith((".lock", "-shm", "-wal"))
    }


# A backup that is not whole.


def unpacked(file):
    with tarfile.open(file) as archive:
        return [(member, archive.extractfile(member).read()) for member in archive]


def packed(file, members):
    with tarfile.open(file, "w:gz") as archive:
        for member, content in members:
            member.size = len(content) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(content))


def with_manifest(change):
    def spoil(file):
        (head, raw), *rest = unpacked(file)
        fields = orjson.loads(raw)
        change(fields)
        packed(file, [(head, orjson.dumps(fields)), *rest])

    return spoil


def with_members(change):
    def spoil(file):
        packed(file, change(unpacked(file)))

    return spoil


def named(name, **facts):
    member = tarfile.TarInfo(name)
    for key, value in facts.items():
        setattr(member, key, value)
    return member


def cut(file):
    os.truncate(file, file.stat().st_size * 2 // 3)


def flip(file):
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    file.write_bytes(raw)


def spoil_the_database(members):
    return [
        (head, content[:5000] + b"!" + content[5001:] if head.name == "bot.db" else content)
        for head, content in members
    ]


def lead_out(fields):
    fields["files"]["../../outside"] = {"bytes": 1, "sha256": "0" * 64}


def misname_a_blob(fields):
    fields["files"][f"blobs/00/{'0' * 64}"] = {"bytes": 6, "sha256": BLOB}


SPOILT = {
    "cut off": cut,
    "a flipped byte": flip,
    "no archive": lambda file: file.write_bytes(b"no archive"),
    "empty": lambda file: file.write_bytes(b""),
    "an archive of nothing": lambda file: packed(file, []),
    "compressed rubbish": lambda file: file.write_bytes(gzip.compress(b"rubbish" * 999)),
    "no table of contents": with_members(lambda members: members[1:]),
    "a table that is no JSON": with_members(lambda members: [(members[0][0], b"{"), *members[1:]]),
    "a table that is a list": with_members(lambda members: [(members[0][0], b"[]"), *members[1:]]),
    "a table that is a link": with_members(
        lambda members: [(named(MANIFEST, type=tarfile.SYMTYPE, linkname="/etc"), b"")]
    ),
    "another format": with_manifest(lambda fields: fields.update(format=2)),
    "no database": with_manifest(lambda fields: fields["files"].pop("bot.db")),
    "a field too many": with_manifest(lambda fields: fields.update(more=1)),
    "a path that leads out": with_manifest(lead_out),
    "a blob with another name": with_manifest(misname_a_blob),
    "the sum of the database is another one": with_members(spoil_the_database),
    "a file is missing": with_members(lambda members: members[:-1]),
    "a file twice": with_members(lambda members: [*members, members[-1]]),
    "a file that is not in the table": with_members(
        lambda members: [*members, (named("../outside"), b"x")]
    ),
    "a link in the place of a file": with_members(
        lambda members: [
            *members[:1],
            (named(members[1][0].name, type=tarfile.SYMTYPE, linkname="/etc/passwd"), b""),
            *members[2:],
        ]
    ),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_s7_a_backup_that_is_not_whole_is_refused_and_nothing_is_touched(
    places, file, spoil, tmp_path
):
    spoil(file)
    before = tree(tmp_path)
    with pytest.raises(BackupError, match="not a whole backup"):
        put_back(places, file)
    assert tree(tmp_path) == before


def rewritten(file, sql):
    """Change the database in a backup, and its sum with it."""
    (head, raw), *rest = unpacked(file)
    path = file.with_name("rewritten.db")
    members = []
    for member, content in rest:
        if member.name == "bot.db":
            path.write_bytes(content)
            with contextlib.closing(sqlite3.connect(path)) as database:
                database.executescript(sql)
            content = path.read_bytes()  # noqa: PLW2901 - what it becomes
        members.append((member, content))
    content = path.read_bytes()
    fields = orjson.loads(raw)
    fields["files"]["bot.db"] = {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    packed(file, [(head, orjson.dumps(fields)), *members])
    path.unlink()


@pytest.mark.parametrize(
    ("sql", "error", "words"),
    [
        ("INSERT INTO schema_versions VALUES (9999, 'x', 0)", SchemaTooNew, "schema 9999"),
        ("DROP TABLE inbound", StoreDamaged, "not one of this service"),
        ("DELETE FROM schema_versions", None, ""),
        (
            "PRAGMA writable_schema = 1; UPDATE sqlite_schema SET rootpage = 9999 WHERE name = 'inbound'",
            StoreDamaged,
            "is damaged",
        ),
        (
            "INSERT INTO versions VALUES ('/w', 'b', 1, 'abc', 1, 1)",
            BackupError,
            "a copy of a file is not in it",
        ),
        (
            "CREATE TRIGGER never BEFORE UPDATE ON turns BEGIN SELECT RAISE(ABORT, 'no'); END",
            BackupError,
            "cannot be used",
        ),
    ],
)
def test_s7_a_database_that_cannot_be_gone_on_with_is_refused_and_nothing_is_touched(
    places, file, tmp_path, sql, error, words
):
    rewritten(file, sql)
    before = tree(tmp_path)
    if error is None:
        put_back(places, file)
        return
    with pytest.raises(error, match=words):
        put_back(places, file)
    assert tree(tmp_path) == before


def no_database(_):
    return b"no database" * 1000


def another_number_of_free_pages(content):
    return content[:36] + (5).to_bytes(4, "big") + content[40:]


@pytest.mark.parametrize("spoil", [no_database, another_number_of_free_pages])
def test_s7_a_database_that_contradicts_itself_is_refused_though_its_sum_is_right(
    places, file, spoil
):
    (head, raw), *rest = unpacked(file)
    members = [(one, spoil(old) if one.name == "bot.db" else old) for one, old in rest]
    (content,) = [content for one, content in members if one.name == "bot.db"]
    fields = orjson.loads(raw)
    fields["files"]["bot.db"] = {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    packed(file, [(head, orjson.dumps(fields)), *members])
    with pytest.raises(StoreDamaged, match="is damaged"):
        put_back(places, file)


async def test_s7_a_backup_of_nothing_unfinished_says_nothing_of_it(places, tmp_path):
    async with await open_store(f"sqlite:///{places.database}"):
        pass
    file = back_up(places, tmp_path / "b.tar.gz", now=NOW, say=lambda _: None)
    said = put_back(places, file)
    assert said[1] == "Lost: all that was accepted since, 0 messages, 0 turns."
    assert said[2].startswith("New tasks are numbered from #")
    assert said[3].startswith("What was there before is in ")


def test_s7_a_data_folder_that_cannot_be_made_is_said(file, tmp_path):
    (tmp_path / "in the way").write_text("")
    folder = tmp_path / "in the way" / "data"
    with pytest.raises(BackupError, match="cannot be restored"):
        put_back(Places(folder, folder / "bot.db"), file)


def test_s7_what_is_damaged_is_moved_aside_as_well(places, file):
    places.database.write_bytes(b"rubbish")
    (places.data_dir / "bot.db.suspect").touch()
    said = put_back(places, file)
    assert any("cannot be read" in line for line in said)
    (aside,) = places.data_dir.glob("before-restore-*")
    assert (aside / "bot.db").read_bytes() == b"rubbish"
    assert (aside / "bot.db.suspect").exists()
    assert not (places.data_dir / "bot.db.suspect").exists()


def test_s7_many_turns_are_not_all_named(places, file):
    rewritten(
        file,
        "WITH RECURSIVE n (i) AS (SELECT 10 UNION SELECT i + 1 FROM n WHERE i < 40) "
        "INSERT INTO turns (n, chat, epoch, message, sender, kind, text, language, state, "
        "created_at) SELECT i, 'c', 0, i, 's', 'prompt', 't', 'en', 'queued', 0 FROM n",
    )
    assert any("#26 and 14 more" in line for line in put_back(places, file))


# Killed at any step.


def killed_at(step, work):
    """Do the work in a process that dies before it changes the file system for the n-th time."""
    pid = os.fork()
    if pid == 0:
        left = [step]

        def count(event, arguments):
            writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
            if event in CHANGING or writes:
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            work()
        except BaseException:  # noqa: BLE001 - nothing of the test may go on in here
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert status in {0, signal.SIGKILL}, "the work failed"
    return os.WIFSIGNALED(status)


async def test_s7_a_restore_that_is_killed_at_any_step_is_finished_by_the_next(
    places, file, tmp_path
):
    async with await open_store(f"sqlite:///{places.database}") as store:
        await accept(store, "came later")
    shutil.copytree(places.data_dir, tmp_path / "as it was")
    before = tree(places.data_dir)
    step, refused, untouched = 0, 0, 0
    while True:
        step += 1
        shutil.rmtree(places.data_dir)
        shutil.copytree(tmp_path / "as it was", places.data_dir)
        killed = killed_at(step, lambda: put_back(places, file))
        if killed:
            try:
                async with await open_store(f"sqlite:///{places.database}"):
                    untouched += 1
            except StoreUnusable:
                refused += 1
            put_back(places, file)
        check_restored(places, before)
        if not killed:
            break
    assert refused > 4, "while it is half in place no service starts"
    assert untouched > 4


def check_restored(places, before):
    with contextlib.closing(sqlite3.connect(places.database)) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert {m for (m,) in database.execute("SELECT message FROM inbound")} == {"m0", "m1", "m2"}
    now = tree(places.data_dir)
    assert now["link.key"] == before["link.key"]
    assert now[f"blobs/{BLOB[:2]}/{BLOB}"] == b"a copy"
    (aside,) = {name.partition("/")[0] for name in now if name.startswith("before-restore-")}
    for name in ("link.key", "service.id", f"blobs/{BLOB[:2]}/{BLOB}"):
        assert now[f"{aside}/{name}"] == before[name]
    with contextlib.closing(sqlite3.connect(places.data_dir / aside / "bot.db")) as database:
        assert database.execute("SELECT COUNT(*) FROM inbound").fetchone() == (4,)
    assert not [name for name in now if name.endswith((".new", ".restoring"))]
    assert not list(places.data_dir.glob("*.new"))


def test_s7_another_restore_is_finished_before_one_begins(places, file, tmp_path):
    other = back_up(places, tmp_path / "other.tar.gz", now=LATER, say=lambda _: None)
    step = 1
    while killed_at(step, lambda: put_back(places, file)) and not places.restoring.exists():
        step += 1
    said = put_back(places, other)
    assert said[0] == "A restore that was cut off is finished."
    assert said[-1] == "bot.db and what belongs to it are in place. Start the service."
    assert len(list(places.data_dir.glob("before-restore-*"))) == 2


def test_s7_a_backup_that_is_killed_at_any_step_leaves_no_half_of_one(places, filled):
    step = 1
    while killed_at(step, lambda: back_up(places, None, now=NOW, say=lambda _: None)):
        done = list(places.backups.glob("*.tar.gz")) if places.backups.exists() else []
        if done:  # it had its name already
            done[0].unlink()
        file = back_up(places, None, now=NOW, say=lambda _: None)
        assert [path for path in places.data_dir.iterdir() if path.name.startswith(".")] == []
        assert list(places.backups.iterdir()) == [file]
        file.unlink()
        step += 1
    assert step > 8
