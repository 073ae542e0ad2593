"""How a workspace is looked at: what is read, what is left alone, and that nothing leads out."""

import os
import shutil
from pathlib import Path

import pytest

from bot.snapshot import GONE, UNSURE, Limits, Look, Snapshot, diffs
from bot.snapshot.beneath import Beneath
from bot.snapshot.blobs import Blobs
from bot.snapshot.listing import files_beneath
from store.records import FileVersion
from tests.desk import git, settle

WHOLE = "root"  # of a process in /proc: a link to the whole file system

OUTSIDE = "not yours"


class Looker:
    """Looks again and again at one folder, knowing what it saw."""

    def __init__(self, root: Path, data: Path, limits: Limits | None = None) -> None:
        self.root = root
        self.snapshot = Snapshot(Blobs(data), limits or Limits())
        self.known: dict[str, FileVersion] = {}
        self.syncs = 0

    def look(self, **options) -> Look:
        self.syncs += 1
        look = self.snapshot.look(self.root, self.known, self.syncs, **options)
        self.known |= {version.path: version for version in look.versions}
        return look

    def write(self, path: str, content: str = "x\n") -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
        return file


@pytest.fixture
def looker(tmp_path):
    root = tmp_path / "workspace"
    root.mkdir()
    return Looker(root, tmp_path / "blobs")


def test_only_what_changed_is_read_again(looker):
    for index in range(20_000):
        folder = looker.root / f"d{index % 200:03}"
        folder.mkdir(exist_ok=True)
        (folder / f"f{index}.txt").write_text(str(index % 50))
    settle(looker.root)
    assert looker.look(first=True).copied == 20_000
    assert looker.look().copied == 0
    looker.write("d007/f7.txt", "changed")
    look = looker.look()
    assert look.copied == 1
    assert [version.path for version in look.fresh] == ["d007/f7.txt"]


def test_a_change_right_after_a_look_is_seen_though_size_and_time_are_the_same(looker):
    file = looker.write("a.txt", "one")
    look = looker.look()
    assert look.versions[0].mtime_ns == UNSURE
    seen = file.stat()
    file.write_text("two")
    os.utime(file, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert [version.path for version in looker.look().fresh] == ["a.txt"]


def test_a_file_read_once_more_without_news_only_gets_its_time(looker):
    looker.write("a.txt", "one")
    first = looker.look()
    settle(looker.root)
    look = looker.look()
    assert (look.copied, look.fresh) == (1, ())
    assert [version.sync for version in look.versions] == [first.versions[0].sync]
    assert looker.look().copied == 0


def test_an_ignored_folder_is_not_looked_into(looker):
    looker.write("a.txt")
    for folder in ("node_modules", ".venv", "__pycache__", ".git", "sub/node_modules"):
        looker.write(f"{folder}/x/y.txt")
    (looker.root / "node_modules").chmod(0)
    assert looker.look().listed == {"a.txt"}
    (looker.root / "node_modules").chmod(0o755)


def test_in_a_repository_git_says_what_counts(looker):
    git(looker.root, "init", "-q")
    looker.write(".gitignore", "out/\n")
    looker.write("node_modules/kept/index.js")
    looker.write("node_modules/left.js")
    looker.write("src/a.py")
    looker.write("out/b.txt")
    git(looker.root, "add", "-f", "node_modules/kept/index.js", "src/a.py")
    looker.write("数据/新.txt")
    assert looker.look().listed == {
        ".gitignore",
        "node_modules/kept/index.js",
        "src/a.py",
        "数据/新.txt",
    }


def test_a_repository_inside_is_looked_at_by_its_own_rules(looker):
    git(looker.root, "init", "-q")
    looker.write("top.txt")
    for name in ("inner", "inner/deep"):
        (looker.root / name).mkdir()
        git(looker.root / name, "init", "-q")
        looker.write(f"{name}/.gitignore", "*.tmp\n")
        looker.write(f"{name}/a.txt")
        looker.write(f"{name}/a.tmp")
    assert looker.look().listed == {
        "top.txt",
        "inner/.gitignore",
        "inner/a.txt",
        "inner/deep/.gitignore",
        "inner/deep/a.txt",
    }


def test_a_submodule_is_looked_at(looker, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    (other / "lib.py").write_text("x")
    git(other, "add", ".")
    git(other, "commit", "-qm", "x")
    git(looker.root, "init", "-q")
    git(
        looker.root, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(other), "lib"
    )
    assert "lib/lib.py" in looker.look().listed


def test_a_repository_in_a_plain_folder_and_a_broken_one_are_looked_at(looker):
    looker.write("plain.txt")
    (looker.root / "repo").mkdir()
    git(looker.root / "repo", "init", "-q")
    looker.write("repo/a.txt")
    looker.write("broken/.git", "gitdir: /nowhere\n")
    looker.write("broken/b.txt")
    assert looker.look().listed == {"plain.txt", "repo/a.txt", "broken/b.txt"}


def test_without_git_a_repository_is_walked(looker, monkeypatch):
    git(looker.root, "init", "-q")
    looker.write("a.txt")
    monkeypatch.setenv("PATH", "/nowhere")
    assert looker.look().listed == {"a.txt"}


def test_what_a_repository_configures_is_not_run(looker, tmp_path):
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    git(looker.root, "init", "-q")
    git(looker.root, "config", "core.fsmonitor", str(trap))
    looker.write("a.txt")
    assert looker.look().listed == {"a.txt"}
    assert not (tmp_path / "sprung").exists()


def test_a_name_that_is_no_utf8_and_too_many_files_are_left_out(looker):
    Path(os.fsdecode(os.fsencode(looker.root) + b"/\xff.txt")).write_text("x")
    for name in "abc":
        looker.write(f"{name}.txt")
    assert looker.look().listed == {"a.txt", "b.txt", "c.txt"}
    with Beneath(looker.root) as tree:
        assert set(files_beneath(tree, looker.root, limit=2)) == {"a.txt", "b.txt"}


def test_a_deleted_file_is_gone_once(looker):
    file = looker.write("a.txt")
    looker.look()
    file.unlink()
    assert [version.size for version in looker.look().fresh] == [GONE]
    assert looker.look().versions == ()
    looker.write("a.txt")
    assert [version.path for version in looker.look().fresh] == ["a.txt"]


def test_a_file_that_grows_while_it_is_read_is_read_again(looker, tmp_path):
    file = looker.write("log.txt", "1")
    settle(looker.root)

    class Growing(Blobs):
        def keep(self, source, limit):
            kept = super().keep(source, limit)
            file.write_text("12")
            settle(looker.root)
            return kept

    looker.snapshot = Snapshot(Growing(tmp_path / "blobs"), Limits())
    assert looker.look().versions[0].mtime_ns == UNSURE
    assert looker.look().versions[0].size == 2


def test_a_file_that_outgrows_the_limit_while_it_is_read_is_not_kept(looker, tmp_path):
    file = looker.write("log.txt", "1")
    info = file.stat()
    looker.snapshot = Snapshot(Blobs(tmp_path / "blobs"), Limits(max_bytes=3))
    with Beneath(looker.root) as tree:
        file.write_text("12345")
        version = FileVersion("log.txt", 1, "", info.st_size, info.st_mtime_ns)
        assert looker.snapshot._copied(tree, version) == version
    assert not [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]


def test_an_empty_file_is_mirrored_too(looker):
    looker.write("empty.txt", "")
    assert looker.look().copied == 1


@pytest.fixture
def trapped(looker, tmp_path):
    """Everything that could lead out of the workspace."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file.txt").write_text(OUTSIDE)
    looker.write("dir/a.txt", "mine")
    (looker.root / "link.txt").symlink_to(outside / "file.txt")
    (looker.root / "inner.txt").symlink_to("dir/a.txt")
    (looker.root / "etc").symlink_to("/etc")
    (looker.root / "out").symlink_to(outside)
    os.link(outside / "file.txt", looker.root / "hard.txt")
    os.mkfifo(looker.root / "fifo")
    return looker


TRAVERSALS = [
    "",
    ".",
    "..",
    "/",
    "../outside/file.txt",
    "dir/../../outside/file.txt",
    "dir/../dir/a.txt",
    "dir//a.txt",
    "dir/a.txt/",
    "./dir/a.txt",
    "/etc/passwd",
    "//etc/passwd",
    "%2e%2e/outside/file.txt",
    "..\\outside\\file.txt",
    "dir\\a.txt",
    "dir/a.txt\0",
    "\0",
    "a" * 5000,
    "a/" * 3000 + "a",
    "link.txt",
    "inner.txt",
    "etc/passwd",
    "out/file.txt",
    "hard.txt",
    "fifo",
    "dir",
    "/proc/self/environ",
    f"proc/self/{WHOLE}/etc/passwd",
    "\udc80.txt",
    "\ud800.txt",
    "dir/A.TXT",
]


@pytest.mark.parametrize("path", TRAVERSALS)
def test_x4_nothing_but_a_plain_file_inside_is_opened(trapped, path):
    with Beneath(trapped.root) as tree:
        assert tree.open(path) is None


def test_a_plain_file_inside_is_opened_and_all_descriptors_are_given_back(trapped):
    before = len(list(Path("/dev/fd").iterdir()))
    with Beneath(trapped.root) as tree:
        for path in [*TRAVERSALS, "dir/a.txt", "dir/none", "none/a.txt"]:
            opened = tree.open(path)
            tree.stat(path)
            tree.names(path)
            if opened is not None:
                assert os.read(opened, 9) == b"mine"
                os.close(opened)
    assert len(list(Path("/dev/fd").iterdir())) == before


def test_x4_nothing_from_outside_is_mirrored(trapped, tmp_path):
    look = trapped.look(extra=set(TRAVERSALS), first=True)
    assert {version.path: bool(version.blob) for version in look.versions} == {
        "dir/a.txt": True,
        "hard.txt": False,
    }
    copies = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert OUTSIDE not in [path.read_text() for path in copies]


def test_x4_a_file_swapped_for_a_link_between_look_and_open_stays_shut(looker, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text(OUTSIDE)
    file = looker.write("dir/a.txt", "mine")
    with Beneath(looker.root) as tree:
        assert tree.stat("dir/a.txt") is not None
        file.unlink()
        file.symlink_to(secret)
        assert tree.open("dir/a.txt") is None


def test_x4_a_folder_swapped_for_a_link_leads_nowhere(looker, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "a.txt").write_text(OUTSIDE)
    looker.write("dir/a.txt", "mine")
    with Beneath(looker.root) as tree:
        assert tree.stat("dir/a.txt") is not None
        shutil.move(looker.root / "dir", tmp_path / "moved")
        (looker.root / "dir").symlink_to(outside)
        opened = tree.open("dir/a.txt")
        assert opened is not None
        assert os.read(opened, 9) == b"mine"  # the folder that was open, not the link
        os.close(opened)
    with Beneath(looker.root) as tree:
        assert tree.open("dir/a.txt") is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "a\n"),
        ("a\n", ""),
        ("a\nb\nc\n", "a\nx\nc\n"),
        ("a", "a\n"),
        ("a\n" * 30, "a\n" * 15 + "b\n" + "a\n" * 15),
        ("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "0\n2\n3\n4\n5\n6\n7\n8\n10\n"),
        ("一\r\n二\r\n", "一\r\n三\r\n"),
    ],
)
def test_a_diff_applied_to_the_one_gives_the_other(tmp_path, before, after):
    git(tmp_path, "init", "-q")
    (tmp_path / "f").write_bytes(before.encode())
    patch = tmp_path / "p.diff"
    patch.write_bytes(diffs.unified("f", before, after).encode())
    git(tmp_path, "apply", "--unidiff-zero", "--whitespace=nowarn", str(patch))
    assert (tmp_path / "f").read_bytes() == after.encode()


def test_texts_too_different_to_match_count_as_rewritten():
    before, after = "".join(f"{i}\n" for i in range(3001)), "".join(f"-{i}\n" for i in range(3001))
    assert diffs.counts(before, after) == (3001, 3001)


def test_texts_that_are_alike_have_no_difference():
    assert diffs.counts("a\nb\n", "a\nb\n") == (0, 0)
    assert "@@" not in diffs.unified("f", "a\n", "a\n")


def test_a_text_from_chinese_windows_can_be_read():
    assert diffs.decode("中文".encode("gb18030")) == "中文"
    assert diffs.decode(b"\xef\xbb\xbfa") == "a"
    assert diffs.decode(b"\xff\xff") is None
