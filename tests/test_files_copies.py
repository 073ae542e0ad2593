"""The copies of files that turns left: how they are swept, who reads them, a full disk."""

import os

from bot.snapshot import blobs

pytest_plugins = ["tests.desk_fixtures"]


async def test_copies_without_a_use_are_swept_when_they_are_old(desk):
    n = await desk.begin()
    desk.write("a.txt", "kept")
    await desk.end(n)
    assert await desk.files.sweep(set()) == 0
    desk.now = desk.clock() + int(blobs.SWEEP_AGE_S + 60) * 1000
    assert await desk.files.sweep(await desk.store.files.blobs_in_use()) == 0
    assert await desk.files.sweep(set()) == 1
    assert await desk.content(n, "a.txt") is None


async def test_a_copy_that_is_used_anew_is_young_again(desk):
    n = await desk.begin()
    desk.write("a.txt", "same")
    await desk.look(n)
    (copy,) = (desk.data / "blobs").glob("??/*")
    os.utime(copy, (0, 0))
    desk.write("b.txt", "same")
    await desk.look(n)
    assert await desk.files.sweep(set()) == 0


async def test_copies_are_for_the_owner_alone(desk):
    n = await desk.begin()
    desk.write("a.txt", "kept").chmod(0o666)
    await desk.end(n)
    (copy,) = (desk.data / "blobs").glob("??/*")
    assert copy.stat().st_mode & 0o777 == 0o600
    assert copy.parent.stat().st_mode & 0o077 == 0


async def test_a_full_disk_leaves_the_files_listed(desk):
    n = await desk.begin()
    desk.data.mkdir(exist_ok=True)
    (desk.data / "blobs").write_text("not a folder")
    desk.write("a.txt", "1")
    desk.write("b.txt", "2")
    looked = await desk.end(n)
    assert {desk.files.obstacle(change) for change in looked.changes} == {"unkept"}
    assert await desk.content(n, "a.txt") == b"1"
