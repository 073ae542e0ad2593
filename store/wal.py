"""Tells a torn end of a write-ahead log, which costs nothing, from damage in the middle of it.

SQLite takes the first frame that is not whole for the end of the log, wherever it is. After a
crash that is right: what is torn was never synced, so nobody was told that it is kept. But
each commit is synced before the next one is written: where two commits or more stand behind
the frame that is not whole, it was whole once, and what they hold was acknowledged.

Only commits of one chain are counted, in which the sum of each frame goes on from the sum
stored with the one before. What one crash tore and what another one did may stand behind
each other in the same run of the log, but nothing chains them.

https://www.sqlite.org/walformat.html
"""

import contextlib
import os
import sqlite3
import struct
import sys
from pathlib import Path

Sums = tuple[int, int]

HEADER = struct.Struct(">4I2I2I")  # magic, version, page size, checkpoint, two salts, two sums
SUMMED_BYTES = 24
WORD = 0xFFFFFFFF
NATIVE = "<" if sys.byteorder == "little" else ">"  # how SQLite reads words to sum them up
PAGE_SIZE_AT = 16  # in the database; 1 stands for the largest
LARGEST_PAGE = 65_536
FRAME = struct.Struct(">2I2I2I")  # page, size of the database after a commit, two salts, two sums
SUMMED_OF_FRAME = 8  # and the page itself
VALID_FRAMES = struct.Struct("=I")
VALID_FRAMES_AT = 16  # in the index that SQLite makes of the log
TORN_AT_MOST = 1


def lost_commits(database: Path) -> int:
    """Return how many acknowledged commits SQLite would leave out; opens the file for reading alone.

    Raises ``sqlite3.DatabaseError`` for what is no database.
    """
    log = database.with_name(database.name + "-wal")
    if not log.exists() or log.stat().st_size < HEADER.size:
        return 0
    address = f"{database.absolute().as_uri()}?mode=ro"  # closing it leaves the log as it is
    with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
        connection.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()
        valid = _valid_frames(database)
    beyond = _longest_chain(log, valid, _page_bytes(database))
    return beyond if beyond > TORN_AT_MOST else 0


def _valid_frames(database: Path) -> int:
    with database.with_name(database.name + "-shm").open("rb") as index:
        index.seek(VALID_FRAMES_AT)
        return int(VALID_FRAMES.unpack(index.read(VALID_FRAMES.size))[0])


def _longest_chain(log: Path, valid: int, page_bytes: int) -> int:
    """Return how many commits of the log's present run are in the longest chain behind the valid frames."""
    longest = chain = 0
    before: Sums = (0, 0)
    frame_bytes = FRAME.size + page_bytes
    with log.open("rb") as file:
        order, salts = _run(file.read(HEADER.size))
        file.seek(valid * frame_bytes, os.SEEK_CUR)
        while len(frame := file.read(frame_bytes)) == frame_bytes:
            _, committed, *of_frame, first, second = FRAME.unpack(frame[: FRAME.size])
            salts = salts or of_frame  # a header that is not whole: the first frame is of its run
            if of_frame != salts:
                chain = 0
                continue
            summed = frame[:SUMMED_OF_FRAME] + frame[FRAME.size :]
            if _sums(order, summed, before) != (first, second):
                chain = 0
            before = (first, second)
            chain += bool(committed)
            longest = max(longest, chain)
    return longest


def _page_bytes(database: Path) -> int:
    with database.open("rb") as file:
        file.seek(PAGE_SIZE_AT)
        size = int.from_bytes(file.read(2), "big")
    return LARGEST_PAGE if size == 1 else size


def _run(header: bytes) -> tuple[str, list[int]]:
    """Return the order of bytes and the salts of the header, no salts when its sum is another one."""
    magic, _, _, _, *salts, first, second = HEADER.unpack(header)
    order = ">" if magic & 1 else "<"
    if _sums(order, header[:SUMMED_BYTES], (0, 0)) == (first, second):
        return order, salts
    return NATIVE, []


def _sums(order: str, content: bytes, before: Sums) -> Sums:
    words = struct.unpack(f"{order}{len(content) // 4}I", content)
    one, two = before
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + two) & WORD
        two = (two + second + one) & WORD
    return one, two
