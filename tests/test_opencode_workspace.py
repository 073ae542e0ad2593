"""The folders that chats work in, as the real server sees them."""

import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import UserError
from bot.opencode.client import OpenCode
from bot.opencode.model import Paths
from bot.opencode.workspace import Workspaces, folder_name
from bot.texts import workspace as texts
from tests.opencode_fixtures import git_init


def workspaces_in(tmp_path, project=None):
    data = tmp_path / "data"
    return Workspaces(data / "workspaces", project, (data, tmp_path / "bot.toml"))


async def test_a_chat_has_a_folder_of_its_own_that_is_a_repository(tmp_path):
    workspaces = workspaces_in(tmp_path)
    one = await workspaces.folder("wecom:direct:ZhangSan")
    other = await workspaces.folder("wecom:direct:zhangsan")
    assert one != other
    assert one.name.startswith("wecom-direct-zhangsan-")
    assert (one / ".git").is_dir()
    assert one.stat().st_mode & 0o777 == 0o700
    (one / "kept.txt").write_text("kept")
    assert await workspaces.folder("wecom:direct:ZhangSan") == one
    assert (one / "kept.txt").read_text() == "kept"


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_folder_name_is_safe_and_no_other_chats(one, other):
    name = folder_name(one)
    assert name not in {".", ".."}
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert not name.startswith("-")
    assert 8 <= len(name) <= 60
    assert (name == folder_name(other)) == (one == other)


async def test_a_repository_that_an_agent_removed_is_made_again(tmp_path):
    workspaces = workspaces_in(tmp_path)
    folder = await workspaces.folder("chat")
    shutil.rmtree(folder / ".git")
    await workspaces.folder("chat")
    assert (folder / ".git").is_dir()


async def test_a_link_in_place_of_a_folder_is_not_followed(tmp_path):
    workspaces = workspaces_in(tmp_path)
    folder = await workspaces.folder("chat")
    shutil.rmtree(folder)
    (tmp_path / "elsewhere/.git").mkdir(parents=True)
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError) as caught:
        await workspaces.folder("chat")
    assert caught.value.text == texts.FOLDER_FAILED


async def test_a_disk_that_refuses_is_a_sentence(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/workspaces").write_text("a file in the way")
    with pytest.raises(UserError):
        await workspaces_in(tmp_path).folder("chat")


async def test_with_a_project_all_chats_work_there(tmp_path):
    project = tmp_path / "shop"
    workspaces = workspaces_in(tmp_path, project)
    with pytest.raises(UserError) as caught:
        await workspaces.folder("one")
    assert caught.value.text == texts.PROJECT_MISSING
    project.mkdir()
    assert await workspaces.folder("one") == await workspaces.folder("two") == project
    assert not (project / ".git").exists()


@pytest.mark.parametrize(
    ("worktree", "directory", "fine"),
    [
        ("data/workspaces/a", "data/workspaces/a", True),
        ("", "data/workspaces/a", False),
        ("data", "data/workspaces/a", False),
        ("/", "shop", True),
        ("/", "", False),
        ("/", "data", False),
    ],
)
def test_a_worktree_that_holds_our_data_is_refused(tmp_path, worktree, directory, fine):
    paths = Paths(
        worktree=worktree if worktree == "/" else str(tmp_path / worktree),
        directory=str(tmp_path / directory),
    )
    workspaces = workspaces_in(tmp_path)
    if fine:
        workspaces.check(paths)
        return
    with pytest.raises(UserError) as caught:
        workspaces.check(paths)
    assert caught.value.text == texts.TOO_WIDE


@pytest.mark.opencode
async def test_the_server_takes_the_folder_for_its_worktree_and_not_the_repository_around(
    opencode, tmp_path
):
    git_init(tmp_path)
    workspaces = workspaces_in(tmp_path)
    folder = await workspaces.folder("wecom:group:研发")
    plain = tmp_path / "data/workspaces/plain"
    plain.mkdir()
    async with OpenCode(opencode.url, opencode.username, opencode.password) as client:
        made = await client.path(folder)
        wide = await client.path(plain)
    assert made.worktree == str(folder)
    workspaces.check(made)
    assert wide.worktree == str(tmp_path)
    with pytest.raises(UserError):
        workspaces.check(wide)
