"""What a file is, is told by its content, and only what is whole goes to a model as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.media.types import BINARY, HANDED, TEXT, TEXT_BYTES, as_text, mime_of, sniff
from tests.media.pictures import GIF, JPEG, PDF, PNG, WEBP, ZIP

WHOLE = {
    "image/png": PNG,
    "image/jpeg": JPEG,
    "image/gif": GIF,
    "image/webp": WEBP,
    "application/pdf": PDF,
    "application/zip": ZIP,
    "image/bmp": b"BM" + (20).to_bytes(4, "little") + b"\0" * 14,
    "image/heic": b"\0\0\0\x18ftypheic" + b"\0" * 12,
    "video/mp4": b"\0\0\0\x18ftypisom" + b"\0" * 12,
    "audio/amr": b"#!AMR\n\0\0",
    TEXT: "你好\n".encode(),
}
NO_TEXT = [b"\0\x01\x02", b"\x7fELF\0", b"\xff\xfe\x00\xd8", b"a\x1b[31mred"]


@pytest.mark.parametrize("mime", WHOLE)
def test_the_content_tells_what_a_file_is(tmp_path, mime):
    file = tmp_path / "file"
    file.write_bytes(WHOLE[mime])
    assert mime_of(file) == mime


@pytest.mark.parametrize("mime", sorted(HANDED - {TEXT}))
def test_a_file_that_was_cut_off_is_nothing_for_a_model(mime):
    whole = WHOLE[mime]
    assert sniff(whole[: len(whole) - 8]) == BINARY


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_text_is_read_in_the_encodings_that_people_send(encoding):
    assert as_text("第一行\n第二行\t完".encode(encoding)) == "第一行\n第二行\t完"


@pytest.mark.parametrize("content", NO_TEXT)
def test_what_no_person_can_read_is_no_text(content):
    assert as_text(content) is None
    assert sniff(content) == BINARY


def test_an_empty_file_and_a_very_long_text_are_bytes(tmp_path):
    (tmp_path / "empty").touch()
    assert mime_of(tmp_path / "empty") == BINARY
    assert sniff(b"a" * (TEXT_BYTES + 1)) == BINARY


@given(st.binary(max_size=300))
def test_any_content_is_something(content):
    assert "/" in sniff(content)
