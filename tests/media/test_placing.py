"""A received file in the workspace: beside what is there, never over it, never through a link."""

import os

import pytest

from bot.media import handing, placing
from bot.media.handing import handed
from bot.media.placing import place
from store.records import AttachmentRecord
from tests.media.pictures import PDF, PNG


@pytest.fixture
def copy(tmp_path):
    file = tmp_path / ("ab" * 32)
    file.write_bytes(PNG)
    return file


@pytest.fixture
def workspace(tmp_path):
    folder = tmp_path / "workspace"
    folder.mkdir(mode=0o700)
    return folder


def names(folder):
    return sorted(file.name for file in folder.iterdir())


def test_it_lies_in_the_inbox_for_its_owner_alone(copy, workspace):
    assert place(copy, workspace, "a.png", 7) == "inbox/a.png"
    file = workspace / "inbox" / "a.png"
    assert file.read_bytes() == PNG
    assert (file.stat().st_mode & 0o777, file.stat().st_nlink) == (0o600, 1)
    assert names(workspace / "inbox") == ["a.png"]


def test_a_folder_that_is_shared_with_a_group_shares_it(copy, workspace):
    workspace.chmod(0o770)
    place(copy, workspace, "a.png", 7)
    assert (workspace / "inbox").stat().st_mode & 0o777 == 0o770
    assert (workspace / "inbox" / "a.png").stat().st_mode & 0o777 == 0o660


def test_the_same_file_again_is_the_same_path_and_another_one_gets_a_number(copy, workspace):
    assert place(copy, workspace, "a.png", 7) == place(copy, workspace, "a.png", 7) == "inbox/a.png"
    (workspace / "inbox" / "a.png").write_bytes(b"the agent's own")
    (workspace / "inbox" / "a-2.png").mkdir()
    (workspace / "inbox" / "a-3.png").write_bytes(PNG[:-1] + b"?")
    assert place(copy, workspace, "a.png", 7) == "inbox/a-4.png"
    assert (workspace / "inbox" / "a.png").read_bytes() == b"the agent's own"
    assert names(workspace / "inbox") == ["a-2.png", "a-3.png", "a-4.png", "a.png"]


def test_no_link_is_followed(copy, workspace, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (workspace / "inbox").symlink_to(outside)
    with pytest.raises(NotADirectoryError):
        place(copy, workspace, "a.png", 7)
    assert names(outside) == []
    (workspace / "inbox").unlink()
    (workspace / "inbox").mkdir()
    (outside / "mine").write_bytes(PNG)
    (workspace / "inbox" / "a.png").symlink_to(outside / "mine")
    assert place(copy, workspace, "a.png", 7) == "inbox/a-2.png"
    os.mkfifo(workspace / "inbox" / "b.png")
    assert place(copy, workspace, "b.png", 7) == "inbox/b-2.png"


def test_a_file_in_the_inboxs_place_is_told_and_left_alone(copy, workspace):
    (workspace / "inbox").write_text("mine")
    with pytest.raises(NotADirectoryError):
        place(copy, workspace, "a.png", 7)
    assert (workspace / "inbox").read_text() == "mine"


def test_what_could_not_be_copied_whole_leaves_nothing(copy, workspace, monkeypatch):
    def full(*_):
        raise OSError("full")

    monkeypatch.setattr(placing.shutil, "copyfileobj", full)
    (workspace / "inbox").mkdir()
    (workspace / "inbox" / ".attachment-7").write_text("left by a crash")
    with pytest.raises(OSError, match="full"):
        place(copy, workspace, "a.png", 7)
    assert names(workspace / "inbox") == []


def kept(mime, size, *, path="inbox/x", name="x"):
    return AttachmentRecord(
        1, "m", "m", 0, "callback", "file", "", "", name, mime, size, "b", path, "kept", "", 1
    )


def test_what_a_model_takes_is_handed_over_and_all_else_is_named(tmp_path):
    (tmp_path / "png").write_bytes(PNG)
    (tmp_path / "text").write_bytes("第一行".encode("gb18030"))
    media = [
        (kept("image/png", len(PNG)), tmp_path / "png"),
        (kept("text/plain", 6, path=""), tmp_path / "text"),
        (kept("application/zip", 9), tmp_path / "png"),
        (kept("image/png", handing.IMAGE_BYTES + 1), tmp_path / "png"),
        (kept("application/pdf", len(PDF)), tmp_path / "gone"),
    ]
    image, text, *named = handed(media)
    assert image.part["url"].startswith("data:image/png;base64,")
    assert image.part["filename"] == "inbox/x"
    assert (text.part["filename"], text.part["mime"]) == ("x", "text/plain")
    assert text.part["url"] == "data:text/plain;base64,56ys5LiA6KGM"
    assert [file.part for file in named] == [None] * 3


def test_a_prompt_has_room_for_so_much_and_the_rest_is_named(tmp_path):
    (tmp_path / "png").write_bytes(PNG)
    one = (kept("image/png", handing.IMAGE_BYTES), tmp_path / "png")
    assert [file.part is not None for file in handed([one] * 4)] == [True, True, False, False]
