"""What a person or WeCom calls a file becomes one harmless component of a path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.media.names import NAME_BYTES, numbered, safe_name
from bot.snapshot.beneath import names_of
from handlers.wecom.media.disposition import name_of


def safe(name, *, kind="file", number=7, mime=""):
    return safe_name(name, kind=kind, number=number, mime=mime)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("月报 2026.xlsx", "月报 2026.xlsx"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\plan.docx", "plan.docx"),
        ("/etc/", "file-7"),
        ("..", "file-7"),
        ("", "file-7"),
        (".env", "env"),
        ("-rf", "rf"),
        ("a\0b\nc\x7f.txt", "abc.txt"),
        ("gnp\u202egpj.exe", "gnpgpj.exe"),
        ("$(rm -rf ~).txt", "(rm -rf _).txt"),
        ("[x](javascript:1).md", "x_(javascript_1).md"),
        ("e\u0301.txt", "\u00e9.txt"),
        ("two  \t blanks .txt ", "two blanks.txt"),
        ("archive.tar.gz", "archive.tar.gz"),
        ("a.this is no ending", "a.this is no ending"),
        ("AGENTS.md", "file-AGENTS.md"),
        ("a/.Context.MD ", "file-Context.MD"),
    ],
)
def test_a_name_loses_what_could_do_harm(given, wanted):
    assert safe(given) == wanted


@given(st.text(max_size=400), st.sampled_from(["", "image/png"]))
def test_any_name_is_one_plain_component_that_a_disk_takes(name, mime):
    made = safe(name, mime=mime)
    assert names_of(made) == [made]
    assert made.isprintable()
    assert len(made.encode()) <= NAME_BYTES
    assert not made.startswith((".", "-", " "))
    assert safe(made, mime=mime) == made


@given(st.text(min_size=1, max_size=200), st.integers(2, 999))
def test_a_numbered_name_is_another_one_and_keeps_its_ending(name, number):
    made = safe(name)
    other = numbered(made, number)
    assert other != made
    assert len(other.encode()) <= NAME_BYTES
    assert numbered("report.final.pdf", 2) == "report.final-2.pdf"


def test_without_a_name_the_content_gives_the_ending():
    assert safe("", kind="image", mime="image/png") == "image-7.png"
    assert safe("photo", kind="image", mime="image/jpeg") == "photo.jpg"
    assert safe("photo.jpeg", kind="image", mime="image/png") == "photo.jpeg"


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("attachment; filename*=UTF-8''%E6%9C%88%E6%8A%A5.pdf", "月报.pdf"),
        ("attachment; filename=\"x.pdf\"; filename*=utf-8'zh'%E6%9C%88.pdf", "月.pdf"),
        ("attachment; filename*=\"UTF-8''a%20b.txt\"", "a b.txt"),
        ("attachment; filename*=iso-8859-1''caf%E9.txt", "café.txt"),
        ('attachment; filename="a \\"b\\".txt"', 'a "b".txt'),
        ('attachment; filename="%E6%9C%88.txt"', "月.txt"),
        ("attachment; FILENAME=plain.txt; size=3", "plain.txt"),
        ("attachment", ""),
        ("", ""),
        ("attachment; filename*=UTF-8''%FF.txt", "\ufffd.txt"),
    ],
)
def test_the_name_in_a_content_disposition(header, name):
    assert name_of(header) == name


def test_a_name_in_raw_bytes_is_read_as_utf8_else_as_gb18030():
    for charset in ("utf-8", "gb18030"):
        raw = 'attachment; filename="月报.xls"'.encode(charset).decode("utf-8", "surrogateescape")
        assert name_of(raw) == "月报.xls"
    raw = b'attachment; filename="\xff.xls"'.decode("utf-8", "surrogateescape")
    assert name_of(raw) == "\u00ff.xls"


def test_raw_bytes_where_a_header_promises_percents_are_a_name_as_well():
    raw = b"attachment; filename*=UTF-8''a\xff%20b.xls".decode("utf-8", "surrogateescape")
    assert name_of(raw) == "a\ufffd b.xls"
