"""The mirror remembers what each path was at each look."""

from store.records import FileChange, FileVersion
from tests.store.samples import accept, end

WORKSPACE = "/w"


def version(path, sync, blob="b1", size=3):
    return FileVersion(path, sync, blob, size, 1_700_000_000_123_456_789)


async def test_looks_are_numbered_upwards(store):
    first = await store.files.begin(WORKSPACE, 1)
    assert await store.files.begin("/other", 2) > first


async def test_the_latest_version_of_each_path_is_known(store):
    await store.files.put(WORKSPACE, [version("a", 1), version("b", 1)])
    await store.files.put(WORKSPACE, [version("a", 2, "b2"), version("b", 3, "", -1)])
    await store.files.put("/other", [version("c", 1)])
    await store.files.put(WORKSPACE, [])
    latest = await store.files.latest(WORKSPACE)
    assert latest == {"a": version("a", 2, "b2"), "b": version("b", 3, "", -1)}


async def test_a_path_is_found_as_it_was_at_a_look(store):
    await store.files.put(WORKSPACE, [version("a", 2, "b2"), version("a", 5, "b5")])
    assert await store.files.at(WORKSPACE, "a", 1) is None
    assert (await store.files.at(WORKSPACE, "a", 4)).blob == "b2"
    assert (await store.files.at(WORKSPACE, "a", 5)).blob == "b5"


async def test_a_second_look_of_the_same_sync_corrects_the_first(store):
    await store.files.put(WORKSPACE, [version("a", 1, "b1")])
    await store.files.put(WORKSPACE, [version("a", 1, "b2")])
    assert (await store.files.at(WORKSPACE, "a", 1)).blob == "b2"


async def test_many_versions_are_kept_in_several_writes(store, monkeypatch):
    monkeypatch.setattr("store.files.PUT_AT_ONCE", 2)
    await store.files.put(WORKSPACE, [version(f"p{n}", 1) for n in range(5)])
    assert len(await store.files.latest(WORKSPACE)) == 5


async def test_what_a_turn_changed_is_replaced_as_a_whole(store):
    changed = FileChange(1, "b.html", "modified", "b2", "b1", 10, 3, 1)
    added = FileChange(1, "a.png", "added", "b3", "", 10, None, None)
    await store.files.save_changes(1, [changed])
    await store.files.save_changes(1, [changed, added])
    assert await store.files.changes(1) == [added, changed]
    assert await store.files.changes(2) == []


async def test_blobs_of_versions_and_changes_are_in_use(store):
    await store.files.put(WORKSPACE, [version("a", 1, "b1"), version("b", 1, "")])
    await store.files.save_changes(1, [FileChange(1, "c", "modified", "b2", "b0", 1, 0, 0)])
    assert await store.files.blobs_in_use() == {"b0", "b1", "b2"}


async def test_versions_are_forgotten_once_they_were_replaced_long_ago(store, monkeypatch):
    monkeypatch.setattr("store.files.PUT_AT_ONCE", 1)
    syncs = [await store.files.begin(WORKSPACE, at) for at in (10, 20, 30)]
    await store.files.put(WORKSPACE, [version("a", sync, f"b{sync}") for sync in syncs])
    await store.files.put(WORKSPACE, [version("kept", syncs[0])])
    assert await store.files.purge(25) == 1
    assert await store.files.at(WORKSPACE, "a", syncs[0]) is None
    assert (await store.files.at(WORKSPACE, "a", syncs[1])).blob == f"b{syncs[1]}"
    assert "kept" in await store.files.latest(WORKSPACE)


async def test_the_changes_of_a_purged_turn_go_with_it(store):
    await accept(store)
    await store.files.save_changes(1, [FileChange(1, "c", "added", "b2", "", 1, 0, 0)])
    await end(store, 1, at=10)
    assert await store.purge(2000) == 2  # the turn and its message
    assert await store.files.changes(1) == []
