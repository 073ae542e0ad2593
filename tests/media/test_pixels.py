"""A picture's size is told by its head, before anybody unpacks it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.media import handing
from bot.media.handing import handed
from bot.media.pixels import HEADS, pixels
from store.records import AttachmentRecord
from tests.media.pictures import GIF, PNG


def png(width, height):
    """A picture's head, as whole as our own look needs it; what would follow is of no size."""
    return PNG[:16] + width.to_bytes(4) + height.to_bytes(4) + PNG[24:]


def jpeg(width, height, marker=0xC0):
    frame = bytes([0xFF, marker, 0, 11, 8]) + height.to_bytes(2) + width.to_bytes(2) + b"\1\1\x11\0"
    return b"\xff\xd8\xff\xe0\0\4ab\xff\x01\xff\xff\xdb\0\3x" + frame + b"\xff\xd9"


def webp(kind, rest):
    return b"RIFF\0\0\0\0WEBP" + kind + rest


@pytest.mark.parametrize(
    ("mime", "content", "size"),
    [
        ("image/png", PNG, 1),
        ("image/png", png(30_000, 20_000), 600_000_000),
        ("image/png", b"\x89PNG\r\n\x1a\n" + b"x" * 40, None),
        ("image/gif", GIF, 1),
        ("image/jpeg", jpeg(640, 480), 307_200),
        ("image/jpeg", jpeg(640, 480, 0xC2), 307_200),
        ("image/jpeg", jpeg(640, 480, 0xC4), None),
        ("image/jpeg", b"\xff\xd8" + b"x" * 20, None),
        ("image/webp", webp(b"VP8 ", b"\0" * 10 + b"\x80\x02\xe0\x01"), 307_200),
        ("image/webp", webp(b"VP8L", b"\0" * 5 + (639 | 479 << 14).to_bytes(4, "little")), 307_200),
        ("image/webp", webp(b"VP8X", b"\0" * 8 + b"\x7f\2\0\xdf\1\0"), 307_200),
        ("image/webp", webp(b"ALPH", b"\0" * 20), None),
        ("application/pdf", b"%PDF-1.4", None),
    ],
)
def test_a_head_tells_the_size(mime, content, size):
    assert pixels(content, mime) == size


@given(st.binary(max_size=100), st.sampled_from(sorted(HEADS)))
def test_any_content_has_a_size_or_none(content, mime):
    found = pixels(content, mime)
    assert found is None or found >= 0


def test_a_picture_that_would_fill_the_memory_is_named_and_not_handed_over(tmp_path):
    copy = tmp_path / "copy"
    facts = ("", "x", "image/png", len(PNG), "ab" * 32, "inbox/x", "kept", "", 1)
    one = AttachmentRecord(1, "m", "m", 0, "callback", "image", "", *facts)
    copy.write_bytes(png(10_000, handing.PIXELS // 10_000))
    assert handed([(one, copy)])[0].part is not None
    for content in (png(10_000, handing.PIXELS // 10_000 + 1), PNG[:12] + b"xxxx" + PNG[16:]):
        copy.write_bytes(content)
        assert handed([(one, copy)])[0].part is None
