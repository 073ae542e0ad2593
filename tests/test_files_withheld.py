"""What is listed and not served: files that are too large, and secrets."""

import pytest

from bot.snapshot import Limits
from bot.texts import files as texts
from tests.desk import settle

pytest_plugins = ["tests.desk_fixtures"]


@pytest.mark.parametrize("desk", [Limits(first_bytes=10)], indirect=True)
async def test_a_large_workspace_is_at_first_known_by_size_and_time_only(desk):
    desk.write("big.txt", "0123456789abcdef\n")
    desk.write("same.txt", "x")
    settle(desk.workspace)
    n = await desk.begin()
    desk.write("big.txt", "changed\n")
    looked = await desk.end(n)
    assert [change.before for change in looked.changes] == [""]
    assert await desk.files.diff(n, "big.txt") == texts.DIFF_UNKEPT.say("zh", path="big.txt")
    assert await desk.content(n, "big.txt") == b"changed\n"
    assert await desk.content(n, "same.txt") == b"x"
    desk.write("same.txt", "y")
    assert await desk.content(n, "same.txt") is None


@pytest.mark.parametrize("desk", [Limits(first_bytes=10)], indirect=True)
async def test_a_claimed_file_of_a_large_workspace_is_mirrored_though_unchanged(desk):
    desk.write("big.txt", "0123456789abcdef\n")
    settle(desk.workspace)
    n = await desk.begin()
    assert (await desk.end(n, claimed=["big.txt"])).changes == ()
    desk.write("big.txt", "later")
    assert await desk.content(n, "big.txt") == b"0123456789abcdef\n"


@pytest.mark.parametrize("desk", [Limits(max_bytes=10)], indirect=True)
async def test_a_file_above_the_limit_is_listed_but_never_served(desk):
    n = await desk.begin()
    desk.write("big.bin", b"x" * 11)
    assert await desk.content(n, "big.bin") is None
    (change,) = (await desk.end(n)).changes
    assert (change.blob, change.size, desk.files.obstacle(change)) == ("", 11, "large")
    assert await desk.content(n, "big.bin") is None
    assert await desk.files.diff(n, "big.bin") == texts.DIFF_LARGE.say("zh", path="big.bin")


@pytest.mark.parametrize("desk", [Limits(look_bytes=10)], indirect=True)
async def test_one_look_copies_only_so_much_and_claimed_files_first(desk):
    n = await desk.begin()
    for name in "abc":
        desk.write(f"{name}.txt", "123456")
    looked = await desk.end(n, touched=["c.txt"])
    obstacles = {change.path: desk.files.obstacle(change) for change in looked.changes}
    assert obstacles == {"a.txt": "unkept", "b.txt": "unkept", "c.txt": ""}


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".env.local",
        "conf/.ENV",
        "prod.env",
        "prod.env.bak-20261126-101010",
        ".git/config",
        "sub/.git/HEAD",
        ".ssh/config",
        "id_rsa",
        "keys/id_ed25519.pub",
        "server.PEM",
        "tls.key",
        ".netrc",
        ".npmrc",
        "credentials.json",
        ".aws/credentials",
        ".env.d/prod",
    ],
)
async def test_a_secret_is_never_published(desk, path):
    n = await desk.begin()
    desk.write(path, "password")
    assert await desk.content(n, path) is None
    looked = await desk.end(n, claimed=[path], touched=[path])
    assert await desk.content(n, path) is None
    assert not list((desk.data / "blobs").glob("??/*"))
    for change in looked.changes:
        assert desk.files.obstacle(change) == "secret"
        assert await desk.files.diff(n, path, "en") == texts.DIFF_SECRET.say("en", path=path)
