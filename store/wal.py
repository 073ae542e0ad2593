"""Tells a torn end of a write-ahead log, which costs nothing, from damage in the middle of it.

SQLite takes the first frame that is not whole for the end of the log, wherever it is. After a
crash that is right: what is torn was never synced, so nobody was told that it is kept. But
each commit is synced before the next one is written: where two commits or more stand behind
the frame that is not whole, it was whole once, and what they hold was acknowledged.

https://www.sqlite.org/walformat.html
"""

import contextlib
import os
import sqlite3
import struct
from pathlib import Path

HEADER = struct.Struct(">4I2I2I")  # magic, version, page size, checkpoint, two salts, two sums
SUMMED_BYTES = 24
WORD = 0xFFFFFFFF
PAGE_SIZE_AT = 16  # in the database; 1 stands for the largest
LARGEST_PAGE = 65_536
FRAME = struct.Struct(">2I2I")  # page, size of the database after a commit, two salts; then sums
FRAME_BYTES = 24
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
    beyond = sum(number > valid for number in _commits(database, log))
    return beyond if beyond > TORN_AT_MOST else 0


def _valid_frames(database: Path) -> int:
    with database.with_name(database.name + "-shm").open("rb") as index:
        index.seek(VALID_FRAMES_AT)
        return int(VALID_FRAMES.unpack(index.read(VALID_FRAMES.size))[0])


def _commits(database: Path, log: Path) -> list[int]:
    """Return the numbers of the frames that end a commit of the log's present run."""
    found: list[int] = []
    page_bytes = _page_bytes(database)
    with log.open("rb") as file:
        salts = _salts(file.read(HEADER.size))
        number = 0
        while len(head := file.read(FRAME.size)) == FRAME.size:
            number += 1
            _, committed, *of_frame = FRAME.unpack(head)
            salts = salts or of_frame  # a header that is not whole: the first frame is of its run
            if committed and of_frame == salts:
                found.append(number)
            file.seek(FRAME_BYTES - FRAME.size + page_bytes, os.SEEK_CUR)
    return found


def _page_bytes(database: Path) -> int:
    with database.open("rb") as file:
        file.seek(PAGE_SIZE_AT)
        size = int.from_bytes(file.read(2), "big")
    return LARGEST_PAGE if size == 1 else size


def _salts(header: bytes) -> list[int]:
    """Return the salts of the header, none when its sum is another one."""
    magic, _, _, _, *salts = HEADER.unpack(header)
    order = ">" if magic & 1 else "<"
    words, sums = struct.unpack(f"{order}6I", header[:SUMMED_BYTES]), (0, 0)
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (sums[0] + first + sums[1]) & WORD
        sums = (one, (sums[1] + second + one) & WORD)
    return salts[:2] if list(sums) == salts[2:] else []
