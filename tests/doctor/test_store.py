"""Faults of the database, of what waits in it, and of the disk: each is named with its mend."""

import contextlib
import os
import sqlite3

import pytest

from bot.doctor.checks.store import looked_at
from store import open_store
from store.database import Statement
from store.looking import newest_schema
from tests.doctor.scenes import (
    DAY,
    HOUR,
    MINUTE,
    NOW,
    as_nobody,
    at,
    live,
    only,
    scene_in,
    seen,
    seen_in,
    theirs,
)
from tests.small_disk import small_disk
from tests.store.samples import accept

CHAT = "wecom:direct:zhangsan"


@pytest.fixture
def scene(tmp_path, store):
    return scene_in(tmp_path, told=live())


async def closed(scene):
    """Make the database, and leave it as a service does that ended properly."""
    async with await open_store(scene.settings.store.url):
        pass


def change(scene, *statements):
    with contextlib.closing(sqlite3.connect(scene.database)) as sqlite:
        for statement in statements:
            sqlite.execute(statement)
        sqlite.commit()


async def test_a_database_that_is_well_has_nothing_to_mend(scene):
    found = await seen_in(at(scene, NOW), "store")
    assert [one.check for one in found if one.grade != "fine"] == ["store.backup"]


async def test_a_database_that_was_never_made_is_told_once(tmp_path):
    found = await seen_in(scene_in(tmp_path), "store")
    assert [(one.check, one.grade) for one in found] == [
        ("store.file", "warning"),
        ("store.disk", "fine"),
    ]


async def test_looking_puts_nothing_beside_a_database_that_was_closed(tmp_path):
    scene = scene_in(tmp_path)
    await closed(scene)
    before = {path.name for path in scene.data_dir.iterdir()}
    assert len(await seen_in(scene, "store")) == 9
    assert {path.name for path in scene.data_dir.iterdir()} == before


async def test_a_log_that_was_left_by_a_kill_is_read_and_left_as_it_was(tmp_path, store):
    await accept(store, at=NOW)
    killed = scene_in(tmp_path / "copy")
    for path in (tmp_path / "data").glob("bot.db*"):
        if not path.name.endswith("-shm"):
            (killed.data_dir / path.name).write_bytes(path.read_bytes())
    kept = {end: (killed.data_dir / f"bot.db{end}").read_bytes() for end in ("", "-wal")}
    assert (await only(at(killed, NOW), "store.turns")).evidence.startswith("1, the oldest #1")
    assert {end: (killed.data_dir / f"bot.db{end}").read_bytes() for end in kept} == kept


@pytest.mark.parametrize("deep", [False, True])
async def test_a_damaged_database_is_named_with_the_way_back(tmp_path, deep):
    scene = scene_in(tmp_path, deep=deep)
    await closed(scene)
    with scene.database.open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xff" * 4096 * 4)
    found = await only(scene, "store.integrity")
    assert found.grade == "error"
    assert "is damaged" in found.evidence
    assert found.mend.startswith("python -m bot restore FILE")


async def test_what_is_no_database_at_all_is_damaged_and_nothing_else_is_said_of_it(tmp_path):
    scene = scene_in(tmp_path)
    scene.database.write_bytes(b"no database" * 1000)
    found = [one for one in await seen_in(scene, "store") if one.grade == "error"]
    assert [one.check for one in found] == ["store.integrity"]
    scene.database.write_bytes(b"")
    assert "it is empty" in (await only(scene, "store.integrity")).evidence


async def test_a_log_that_is_broken_in_the_middle_is_found_before_the_start_refuses_it(
    tmp_path, store
):
    for n in range(6):
        await accept(store, f"m{n}")
    broken = scene_in(tmp_path / "copy")
    for end in ("", "-wal"):
        source = tmp_path / "data" / f"bot.db{end}"
        (broken.data_dir / source.name).write_bytes(source.read_bytes())
    log = broken.data_dir / "bot.db-wal"
    whole = bytearray(log.read_bytes())
    whole[32 + (24 + 4096) * 30 + 100] ^= 0xFF
    log.write_bytes(whole)
    found = await only(broken, "store.integrity")
    assert (found.grade, "broken in the middle" in found.evidence) == ("error", True)


async def test_a_database_of_another_user_is_said_to_be_unreadable():
    with theirs("data/") as folder:
        scene = scene_in(folder.parent)
        await closed(scene)
        for beside in folder.glob("bot.db*"):
            beside.chmod(0o600)
        with as_nobody(scene.database):
            found = await only(scene, "store.integrity")
    assert (found.grade, found.mend) == ("error", "run doctor as the user of the service")
    assert "cannot be read" in found.evidence


async def test_a_look_that_takes_too_long_is_cut_short_and_said_to_be(scene, store):
    for n in range(200):
        await accept(store, f"m{n}")
    found = await looked_at(scene, -1)
    assert (found.grade, "--deep" in found.mend) == ("warning", True)
    assert "not all of it was seen" in found.evidence


async def test_a_disk_that_failed_before_is_remembered(scene):
    scene.database.with_name("bot.db.suspect").touch()
    assert (await only(scene, "store.integrity")).mend.startswith("look at the disk")


async def test_a_restore_that_was_cut_off_is_named(scene):
    scene.database.with_name("bot.db.restoring").touch()
    found = await only(scene, "store.file")
    assert (found.grade, "not finished" in found.evidence) == ("error", True)


async def test_a_database_of_a_newer_version_is_named(tmp_path):
    scene = scene_in(tmp_path)
    await closed(scene)
    change(scene, "INSERT INTO schema_versions VALUES (99, 'later', 1)")
    found = await only(scene, "store.schema")
    assert found.grade == "error"
    assert (
        found.evidence == f"the database has schema 99, this version knows up to {newest_schema()}"
    )
    assert found.mend.startswith("start the newer version")


async def test_somebody_elses_database_is_named(tmp_path):
    scene = scene_in(tmp_path)
    change(scene, "CREATE TABLE notes (text)")
    assert "not a database of this service" in (await only(scene, "store.schema")).evidence


async def test_a_log_that_has_grown_is_named_with_its_size(tmp_path):
    scene = scene_in(tmp_path)
    await closed(scene)
    log = scene.data_dir / "bot.db-wal"
    log.touch()
    os.truncate(log, 300_000_000)
    found = await only(scene, "store.log")
    assert (found.grade, found.evidence[:8]) == ("warning", "300.0 MB")


async def test_a_turn_that_waits_for_ever_is_named_with_its_age(scene, store):
    await accept(store, at=NOW - 3 * HOUR)
    found = await only(scene, "store.turns")
    assert found.grade == "error"
    assert found.evidence == "1, the oldest #1 queued for 3 h; turn.timeout is over for 1"
    assert found.mend == "/status and /stop in its chat"
    stopped = scene_in(scene.data_dir.parent)
    assert (await only(stopped, "store.turns")).mend == "python -m bot run"


async def test_turns_that_wait_behind_one_that_runs_are_no_fault(scene, store):
    await accept(store, at=NOW - 3 * HOUR)
    await store.turns.claim(CHAT, NOW - MINUTE)
    await accept(store, "m2", at=NOW - 2 * HOUR)
    found = await only(scene, "store.turns")
    assert (found.grade, found.evidence) == ("fine", "2, the oldest #2 queued for 2 h")


async def answered(store, *, changed_at, state="due", cause=""):
    """Let an answer wait whose message came a moment before."""
    await accept(store, at=changed_at)
    columns = "chat, turn, message, body, footer, state, cause, created_at, changed_at"
    values = f"'{CHAT}', 1, 'm1', 'b', '', '{state}', '{cause}', {changed_at}, {changed_at}"
    await store.database.write(
        Statement(f"INSERT INTO deliveries ({columns}) VALUES ({values})"),
        Statement("UPDATE inbound SET reply_url_state = 'fresh'"),
    )


async def test_an_answer_that_could_leave_and_does_not_is_named(scene, store):
    await answered(store, changed_at=NOW - 20 * MINUTE)
    found = await only(scene, "store.outbox")
    assert found.grade == "error"
    assert found.evidence == "1, the oldest for 20 min; 1 could leave and do not"


async def test_an_answer_that_waits_for_its_chat_is_no_fault(scene, store):
    await answered(store, changed_at=NOW - 5 * HOUR)
    found = await only(scene, "store.outbox")
    assert (found.grade, "they wait for their chat" in found.evidence) == ("fine", True)


async def test_an_answer_that_is_on_its_way_for_too_long_is_named(scene, store):
    await answered(store, changed_at=NOW - 5 * HOUR, state="sending")
    assert (await only(scene, "store.outbox")).grade == "error"


async def test_answers_in_doubt_are_counted_and_shown_how_to_fetch(scene, store):
    await answered(store, changed_at=NOW - HOUR, state="unknown")
    found = await only(scene, "store.doubts")
    assert (found.grade, found.evidence) == ("warning", "1, the newest 1 h ago")
    assert found.mend.startswith("/result n")
    assert (await only(at(scene, NOW + 2 * DAY), "store.doubts")).grade == "fine"


async def test_answers_that_failed_of_late_are_named_with_the_cause(scene, store):
    await answered(store, changed_at=NOW - HOUR, state="failed", cause="errcode 40008")
    found = await only(scene, "wecom.ways_out")
    assert (found.grade, found.evidence[-15:]) == ("warning", "(errcode 40008)")


async def test_a_backup_that_is_missing_or_old_is_named(scene):
    made_at = await _first_made(scene)
    assert (await only(at(scene, made_at + HOUR), "store.backup")).grade == "fine"
    missing = await only(at(scene, made_at + 3 * DAY), "store.backup")
    assert (missing.grade, missing.mend) == ("warning", "python -m bot backup")
    folder = scene.data_dir / "backups"
    folder.mkdir()
    (folder / "bot-20260101-000000.tar.gz").touch()
    os.utime(folder / "bot-20260101-000000.tar.gz", (NOW / 1000, NOW / 1000))
    assert (await only(at(scene, NOW + DAY), "store.backup")).grade == "fine"
    old = await only(at(scene, NOW + 30 * DAY), "store.backup")
    assert (old.grade, old.evidence[-11:]) == ("warning", "30 days old")


async def _first_made(scene):
    with contextlib.closing(sqlite3.connect(scene.database)) as sqlite:
        return sqlite.execute("SELECT MIN(applied_at) FROM schema_versions").fetchone()[0]


async def test_a_full_disk_is_named_with_what_is_left(tmp_path):
    with small_disk(tmp_path / "disk", "size=4m") as disk:
        (disk / "filler").write_bytes(b"\0" * 3_900_000)
        scene = scene_in(disk)
        full = [one for one in await seen(scene, "store.disk") if one.grade == "error"]
        assert len(full) == 1
        assert f"free at {scene.data_dir}" in full[0].evidence
        assert full[0].mend == "make space on the disk; nothing else is needed"


async def test_a_disk_that_will_be_full_is_named_in_time(tmp_path):
    with small_disk(tmp_path / "disk", "size=100m") as disk:
        (found,) = await seen(scene_in(disk), "store.disk")
    assert (found.grade, found.mend) == ("warning", "make space on the disk before it is full")


async def test_a_disk_without_room_for_another_file_is_named(tmp_path):
    with small_disk(tmp_path / "disk", "size=2g,nr_inodes=4") as disk:
        scene = scene_in(disk)
        (disk / "one").touch()
        (disk / "two").touch()
        found = await only(scene, "store.disk")
        assert (found.grade, "(inodes)" in found.evidence) == ("error", True)
