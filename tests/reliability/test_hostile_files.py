"""X4: no path and no swap at the right moment leads out of a workspace.

The tables of paths stand with what they test: tests/test_snapshot.py, tests/test_viewer_files.py,
and for the running service tests/test_service_bad_input.py.
"""

import contextlib
import os
import threading

import pytest

from bot.snapshot.beneath import Beneath, _is_plain

WHOLE = "root"  # of a process in /proc: a link to the whole file system

pytest_plugins = ["tests.desk_fixtures"]

INSIDE, OUTSIDE = "mine", "nobody may read this"
LOOKS = 3_000
REQUESTS = 200


@contextlib.contextmanager
def swapping(*states):
    """Bring about one state after the other, as fast as it goes, while the block runs."""
    over, swapped = threading.Event(), threading.Event()

    def swap():
        while not over.is_set():
            for state in states:
                state()
            swapped.set()

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        assert swapped.wait(10)
        yield
    finally:
        over.set()
        thread.join()


def put(place, make):
    """Put a file, a folder or a link in place of what stands there, in one step for who looks."""
    fresh = place.with_name(f".{place.name}.new")
    make(fresh)
    if place.is_symlink() or place.is_file():
        fresh.replace(place)
    else:
        with contextlib.suppress(FileNotFoundError):
            place.rename(place.with_name(f".{place.name}.old-{os.urandom(4).hex()}"))
        fresh.rename(place)


@pytest.fixture
def outside(tmp_path):
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "a.txt").write_text(OUTSIDE)
    return folder


def file_swaps(root, outside):
    """The file itself is a file, a link to one outside, a second name of it, a link to our memory."""
    place = root / "dir" / "a.txt"
    return (
        lambda: put(place, lambda fresh: fresh.write_text(INSIDE)),
        lambda: put(place, lambda fresh: fresh.symlink_to(outside / "a.txt")),
        lambda: put(place, lambda fresh: os.link(outside / "a.txt", fresh)),
        lambda: put(place, lambda fresh: fresh.symlink_to("/proc/self/environ")),
    )


def folder_swaps(root, outside):
    """The folder above it is a folder, or a link to one outside."""
    place, aside = root / "dir", root / "aside"

    def lead_out():
        place.rename(aside)
        place.symlink_to(outside)

    def lead_in():
        place.unlink()
        aside.rename(place)

    return lead_out, lead_in


@pytest.mark.parametrize("swaps", [file_swaps, folder_swaps])
def test_x4_no_swap_between_check_and_open_leads_out(tmp_path, outside, swaps):
    root = tmp_path / "workspace"
    (root / "dir").mkdir(parents=True)
    (root / "dir" / "a.txt").write_text(INSIDE)
    read = set()
    with swapping(*swaps(root, outside)):
        for _ in range(LOOKS):
            with Beneath(root) as tree:
                tree.stat("dir/a.txt")
                opened = tree.open("dir/a.txt")
            if opened is not None:
                with os.fdopen(opened) as file:
                    read.add(file.read())
    assert read <= {INSIDE, ""}


def test_x4_a_second_name_that_goes_right_after_it_was_opened_opens_nothing(tmp_path, outside):
    """The name that is left stands outside, and the open file alone says that it has one name."""
    folder = os.open(tmp_path, os.O_RDONLY)
    (tmp_path / "second").hardlink_to(outside / "a.txt")
    opened = os.open(tmp_path / "second", os.O_RDONLY)
    (tmp_path / "second").unlink()
    assert os.fstat(opened).st_nlink == 1
    assert not _is_plain(opened, "second", folder)
    (tmp_path / "second").write_text(INSIDE)
    assert not _is_plain(opened, "second", folder)
    (tmp_path / "second").unlink()
    (outside / "a.txt").rename(tmp_path / "second")
    assert _is_plain(opened, "second", folder)
    os.close(opened)
    os.close(folder)


async def test_x4_a_page_never_serves_what_was_swapped_in(desk, browser, outside):
    n = await desk.begin()
    desk.write("dir/a.txt", INSIDE)
    statuses = set()
    with swapping(*file_swaps(desk.workspace, outside)):
        for _ in range(REQUESTS):
            answer = await browser.raw(n, "dir/a.txt")
            assert OUTSIDE not in await answer.text()
            statuses.add(answer.status)
    assert statuses <= {200, 404}
    await desk.end(n, claimed=["dir/a.txt"])
    answer = await browser.raw(n, "dir/a.txt")
    assert OUTSIDE not in await answer.text()


@pytest.mark.parametrize(
    "path",
    [
        "/proc/self/environ",
        "%2fproc%2fself%2fenviron",
        "proc/environ",
        f"proc/{WHOLE}/etc/passwd",
        "proc/cwd/README.md",
        "fd/0",
        "%c0%ae%c0%ae/outside/a.txt",
        "%u002e%u002e/outside/a.txt",
        "..%00/outside/a.txt",
        "x" * 256,
        "x/" * 2048,
        "%f0%9f%98%80" * 200,
    ],
)
async def test_x4_neither_the_process_nor_a_long_name_opens_anything(desk, browser, path):
    n = await desk.begin()
    (desk.workspace / "proc").symlink_to("/proc/self")
    (desk.workspace / "fd").symlink_to("/dev/fd")
    for end in (lambda: None, lambda: desk.end(n, claimed=[path, "proc/environ"])):
        if (ended := end()) is not None:
            await ended
        answer = await browser.raw(n, path)
        assert answer.status in {400, 404}
        assert b"PATH=" not in await answer.read()
