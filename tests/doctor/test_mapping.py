"""Faults of sessions, folders and repositories: each is named with its mend."""

from dataclasses import astuple, replace

import pytest

from bot.doctor.scene import Scene
from bot.opencode.client import OpenCode
from bot.opencode.probe import Address
from config.settings import load_settings
from tests.doctor.scenes import HOUR, NOW, as_nobody, live, only, scene_in, seen, seen_in, theirs
from tests.fakes.opencode import FakeOpenCode
from tests.opencode_fixtures import git_init
from tests.service_fixtures import free_port
from tests.store.samples import CHAT, accept

MARK = "of-this-installation"


@pytest.fixture
async def fake():
    async with FakeOpenCode() as server:
        yield server


@pytest.fixture
def scene(tmp_path, fake):
    scene = scene_in(tmp_path, told=live())
    (scene.data_dir / "service.id").write_text(MARK)
    return replace(scene, address=Address(fake.url, fake.username, fake.password))


@pytest.fixture
async def session(store, scene, fake, tmp_path):
    """A chat's session, on the server and in the database."""
    await accept(store, at=NOW)
    return await mapped(store, scene, tmp_path / "work")


async def mapped(store, scene, folder):
    async with OpenCode(*astuple(scene.address)) as client:
        opened = await client.create_session(
            git_init(folder), title="t", metadata={"service": MARK}
        )
    await store.sessions.put(CHAT, 0, opened.id, "t", str(folder), NOW)
    return opened


async def test_sessions_that_are_there_are_counted(scene, session):
    found = await seen_in(scene, "mapping")
    assert {one.grade for one in found} == {"fine"}
    assert found[0].evidence == "1 of 1 are there, of the latest chats"


async def test_a_session_that_is_gone_is_told_with_what_it_means(scene, session, fake):
    fake.sessions.clear()
    found = await only(scene, "mapping.sessions")
    assert found.grade == "warning"
    assert found.evidence.startswith("1 of 1 are not known to OpenCode")
    assert "the next message opens a new one" in found.mend


async def test_an_opencode_that_is_away_is_no_reason_to_call_sessions_gone(scene, session):
    away = Address(f"http://127.0.0.1:{free_port()}", "opencode", "x")
    found = await seen_in(replace(scene, address=away), "mapping")
    assert [(one.check, one.grade) for one in found] == [
        ("mapping.sessions", "warning"),
        ("mapping.folders", "fine"),
        ("mapping.worktree", "fine"),
    ]
    assert "this was not looked at" in found[0].evidence


async def test_sessions_with_our_mark_and_without_a_chat_are_named(scene, session, store, tmp_path):
    lost = await mapped(store, scene, tmp_path / "work")
    await store.sessions.put(CHAT, 0, session.id, "t", str(tmp_path / "work"), NOW)
    later = replace(scene, now=lost.created_at + 2 * HOUR)
    found = await only(later, "mapping.orphans")
    assert (
        found.grade,
        found.evidence.startswith(f"1 in 1 folders that chats work in, {lost.id}"),
    ) == (
        "warning",
        True,
    )
    assert (await only(replace(scene, now=lost.created_at), "mapping.orphans")).grade == "fine"


async def test_a_project_that_is_gone_is_named_by_its_key(tmp_path):
    file = tmp_path / "bot.toml"
    file.write_text(f'projects.shop.path = "{tmp_path}/shop"\n')
    (tmp_path / "shop").mkdir()
    scene = scene_in(tmp_path, file=file)
    assert (await only(scene, "mapping.folders")).grade == "fine"
    (tmp_path / "shop").rmdir()
    found = await only(scene, "mapping.folders")
    assert (found.grade, found.mend) == ("error", "put it back, or correct projects.shop.path")


async def test_a_project_that_the_service_cannot_read_is_named():
    with theirs("shop/") as project:
        file = project.with_name("bot.toml")
        file.write_text(f'projects.shop.path = "{project}"\n')
        scene = Scene(load_settings(file, {}), file, {}, deep=False, now=NOW)
        with as_nobody(project):
            found = await only(scene, "mapping.folders")
    assert (found.grade, "cannot be read and written" in found.evidence) == ("error", True)
    assert found.mend.endswith(f"chown -R opencode-wecom {project}")


async def test_workspaces_that_are_no_folder_are_named(tmp_path):
    (tmp_path / "spaces").touch()
    found = await only(
        scene_in(tmp_path, BOT_WORKSPACES=str(tmp_path / "spaces")), "mapping.folders"
    )
    assert (found.grade, "workspaces.root" in found.evidence) == ("error", True)


async def test_a_repository_around_a_project_that_holds_our_data_is_named(tmp_path):
    git_init(tmp_path)
    (tmp_path / "shop").mkdir()
    file = tmp_path / "bot.toml"
    file.write_text(f'projects.shop.path = "{tmp_path}/shop"\n')
    found = await only(scene_in(tmp_path, file=file), "mapping.worktree")
    assert found.grade == "error"
    assert found.evidence.startswith(
        f"OpenCode takes {tmp_path} for the worktree of {tmp_path}/shop"
    )
    assert found.mend.startswith(f"git init {tmp_path}/shop")


async def test_a_chats_folder_that_lost_its_repository_is_named(scene, session, tmp_path):
    (tmp_path / "work" / ".git").rename(tmp_path / ".git")
    found = await seen(replace(scene, address=None), "mapping.worktree")
    assert [one.grade for one in found] == ["error"]


async def test_a_chat_that_never_had_a_session_is_no_fault(scene, store):
    await accept(store, at=NOW)
    assert (await only(scene, "mapping.sessions")).evidence == "no chat has a session yet"
