"""Which configuration counts: every place, whether it is there and good, and who has the last word."""

import pytest

from bot.choices import quiet_directory
from bot.doctor.inforce.copies import changed_since
from bot.doctor.inforce.sources import decides, sources
from bot.doctor.inforce.world import world_of
from bot.opencode.user_config import NAMES, copy_folder
from tests.doctor.opencode_scenes import PROVIDER, SECRET, scene_in, user_folder, write

PROJECT = '[projects.web]\npath = "{}"\n'


def found_in(tmp_path, directory=None, worktree="/", **environ):
    directory = directory or tmp_path / "srv/team/web"
    directory.mkdir(parents=True, exist_ok=True)
    scene = scene_in(tmp_path, toml=PROJECT.format(directory), **environ)
    return sources(world_of(scene), directory, worktree)


def at(found, place):
    return next(source for source in found if source.place == str(place))


def test_every_place_is_listed_where_there_is_nothing(tmp_path):
    found = found_in(tmp_path)
    layers = list(dict.fromkeys(source.layer for source in found))
    assert layers == [
        *("remote", "user", "OPENCODE_CONFIG", "project", ".opencode", "OPENCODE_CONFIG_DIR"),
        *("inline", "service", "account", "system", "OPENCODE_PERMISSION"),
    ]
    assert {source.state for source in found if source.layer != "service"} <= {"absent"}


def test_the_users_three_files_count_in_their_order(tmp_path):
    folder = user_folder(tmp_path)
    write(folder / "config.json", {"model": "a/a", "username": "x"})
    write(folder / "opencode.json", {"model": "b/b", "provider": {"p": PROVIDER}})
    write(folder / "opencode.jsonc", '{"model": "c/c", } // last')
    found = found_in(tmp_path)
    first, second, third = (at(found, folder / name) for name in NAMES)
    assert first.overridden == {"model": str(folder / "opencode.jsonc")}
    assert second.keys == ("model", "provider.p")
    assert third.overridden == {}
    assert decides("model", found) == third
    assert SECRET not in repr(found)


def test_the_nearest_project_file_wins_and_of_the_folders_the_farthest(tmp_path):
    top, web = tmp_path / "srv", tmp_path / "srv/team/web"
    write(top / "opencode.json", {"model": "a/a", "default_agent": "plan"})
    near = write(web / "opencode.json", {"model": "b/b"})
    found = found_in(tmp_path)
    assert decides("model", found).place == str(near)
    assert decides("default_agent", found).place == str(top / "opencode.json")
    write(web / ".opencode/opencode.json", {"model": "c/c"})
    far = write(top / ".opencode/opencode.jsonc", {"model": "d/d"})
    found = found_in(tmp_path)
    assert decides("model", found).place == str(far)


def test_a_repository_ends_the_search(tmp_path):
    write(tmp_path / "srv/opencode.json", {"model": "a/a"})
    web = tmp_path / "srv/team/web"
    found = found_in(tmp_path, worktree=str(web))
    assert decides("model", found) is None


def test_agents_commands_and_plugins_of_a_folder_are_keys_like_any_other(tmp_path):
    web = tmp_path / "srv/team/web"
    write(web / "opencode.json", {"agent": {"poet": {"model": "a/a", "prompt": "Rhyme."}}})
    write(web / ".opencode/agent/poet.md", "---\nmodel: b/b\nmode: primary\n---\nRhyme.")
    write(web / ".opencode/commands/deep/go.md", "Go.")
    write(web / ".opencode/plugin/watch.ts", "")
    found = found_in(tmp_path)
    folder = next(one for one in found if one.place.startswith(f"{web}/.opencode/ ("))
    assert folder.keys == ("agent.poet", "agent.poet.model", "command.deep/go", "plugin.watch")
    assert decides("agent.poet.model", found) == folder
    overridden = at(found, web / "opencode.json").overridden
    assert overridden["agent.poet.model"] == folder.place


def test_inline_content_beats_all_that_is_in_files(tmp_path):
    write(user_folder(tmp_path) / "opencode.json", {"model": "a/a", "permission": {"bash": "ask"}})
    inline = '{"model": "b/b", "permission": {"bash": "deny", "edit": "ask"}}'
    found = found_in(tmp_path, OPENCODE_CONFIG_CONTENT=inline)
    assert decides("model", found).layer == "inline"
    user = at(found, user_folder(tmp_path) / "opencode.json")
    place = "OPENCODE_CONFIG_CONTENT"
    assert user.overridden == {"model": place, "permission.bash": place}


def test_what_is_set_again_only_in_part_is_called_so(tmp_path):
    provider = {"provider": {"p": PROVIDER}}
    write(user_folder(tmp_path) / "opencode.json", provider)
    inline = '{"provider": {"p": {"options": {"baseURL": "x"}}}}'
    found = found_in(tmp_path, OPENCODE_CONFIG_CONTENT=inline)
    user = at(found, user_folder(tmp_path) / "opencode.json")
    assert user.overridden == {"provider.p": "OPENCODE_CONFIG_CONTENT (in part)"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"model": "a/a"\n "x": 1}', "line 2, column 2"),
        ('{"model": 5}', "model must be a string"),
        ("[]", "it is no JSON object"),
        ('{"username": "{file:~/nothing}"}', "it refers to {file:~/nothing}, which is no file"),
    ],
)
def test_a_file_that_opencode_refuses_is_invalid_and_says_where(tmp_path, content, why):
    file = write(user_folder(tmp_path) / "opencode.json", content)
    source = at(found_in(tmp_path), file)
    assert source.state == "invalid"
    assert source.why.startswith(why)
    assert "does not start" in source.why


def test_a_named_file_or_folder_that_is_not_there_is_invalid(tmp_path):
    environ = {"OPENCODE_CONFIG": "/nowhere/a.json", "OPENCODE_CONFIG_DIR": "/nowhere/b"}
    found = found_in(tmp_path, **environ)
    assert at(found, "/nowhere/a.json").state == "invalid"
    assert at(found, "/nowhere/b").state == "invalid"


def test_a_managed_server_without_a_project_takes_no_word_of_a_workspace(tmp_path):
    folder = tmp_path / "data/workspaces/chat"
    file = write(folder / "opencode.json", {"model": "a/a"})
    found = sources(world_of(scene_in(tmp_path)), folder, str(folder))
    assert at(found, file).state == "off"
    assert decides("model", found) is None


def test_a_copy_is_the_same_until_the_original_says_something_else(tmp_path):
    original, copy = tmp_path / "original", tmp_path / "copy"
    file = write(original / "opencode.json", '{"model": "a/a", "username": "{file:~/name}"}')
    write(original / "agent/poet.md", "Rhyme.")
    copy_folder(original, copy, tmp_path)
    ours = copy / "opencode.json"
    ours.write_text(ours.read_text().replace("{", '{"$schema": "x",', 1))
    assert not changed_since(file, ours, tmp_path)
    assert not changed_since(original, copy, tmp_path)
    file.write_text('{"model": "b/b"}')
    write(original / "agent/poet.md", "Rhyme better.")
    assert changed_since(file, ours, tmp_path)
    assert changed_since(original, copy, tmp_path)
    assert changed_since(original / "config.json", ours, tmp_path)


def test_of_a_server_on_another_machine_nothing_is_claimed(tmp_path):
    scene = scene_in(tmp_path, OPENCODE_URL="https://code.example.com")
    found = sources(world_of(scene), tmp_path / "data/workspaces/chat", str(tmp_path))
    seen = {source.layer for source in found if source.state != "unseen"}
    assert seen == {"project", "system"}  # folders that it must share with us, if it is used at all
    assert not any(source.counts for source in found)


def test_a_new_chat_is_shown_by_a_folder_that_has_no_words_of_its_own(tmp_path):
    scene = scene_in(tmp_path)
    root = scene.settings.workspaces.root
    assert quiet_directory(scene.settings) == root
    for name in ("loud", "quiet"):
        (root / name / ".git").mkdir(parents=True)
    write(root / "loud/opencode.json", {})
    assert quiet_directory(scene.settings) == root / "quiet"
