"""The log of a managed server stays small, and private files are replaced whole."""

from bot.opencode.files import bound, last_words, size, write_private


def test_a_log_stays_below_its_limit_and_keeps_what_came_before(tmp_path):
    log = tmp_path / "server.log"
    bound(log, 10)
    assert size(log) == 0
    with log.open("ab") as sink:
        sink.write(b"0123456789abc")
        sink.flush()
        bound(log, 100)
        assert size(log) == 13
        bound(log, 10)
        sink.write(b"new")
    assert log.read_bytes() == b"new"
    assert (tmp_path / "server.old.log").read_bytes() == b"3456789abc"


def test_last_words_are_without_colour_and_only_of_this_life(tmp_path):
    log = tmp_path / "server.log"
    log.write_text("before\n")
    since = size(log)
    with log.open("a") as sink:
        sink.write("\x1b[91mError:\x1b[0m bad\n\n  port 5\n")
    assert last_words(log, since) == "Error: bad port 5"


def test_a_private_file_is_replaced_whole(tmp_path):
    file = tmp_path / "x"
    file.write_text("old")
    file.chmod(0o644)
    write_private(file, b"new")
    assert file.read_bytes() == b"new"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]
