"""The file that a backup is: a ``.tar.gz`` whose first member names all others with their sums."""

import gzip
import hashlib
import io
import re
import tarfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import orjson

from bot.errors import BackupError

FORMAT = 1
MANIFEST = "manifest.json"
MANIFEST_BYTES = 256_000_000
PIECE_BYTES = 1 << 20
COMPRESSION = 3  # copies of files are often compressed already
PRIVATE_FILE = 0o600
# Nothing else has a place in a backup: no path can lead out of the folder that it is put in.
NAME = re.compile(r"bot\.db|link\.key|service\.id|blobs/([0-9a-f]{2})/(\1[0-9a-f]{62})")

Put = Callable[[str], Path | None]


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a backup."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup holds and whose it is. ``missing``: blobs that were gone before it was made."""

    made_at: int
    version: str
    schema: int
    rows: dict[str, int]
    missing: tuple[str, ...]
    files: dict[str, Member]

    @property
    def size(self) -> int:
        """How many bytes it takes when it is unpacked."""
        return sum(member.bytes for member in self.files.values())


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A backup that was read to its end; ``identity`` is the same for no other one."""

    manifest: Manifest
    identity: str


def digest(path: Path) -> Member:
    """Return the size and the sum of a file."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        return Member(file.tell(), found)


def write(target: IO[bytes], manifest: Manifest, files: Iterable[tuple[str, Path]]) -> None:
    """Write a backup of the files that the manifest names, in their order."""
    raw = orjson.dumps({"format": FORMAT} | asdict(manifest))
    with tarfile.open(fileobj=target, mode="w:gz", compresslevel=COMPRESSION) as archive:
        archive.addfile(_header(MANIFEST, len(raw), manifest.made_at), io.BytesIO(raw))
        for name, path in files:
            with path.open("rb") as file:
                header = _header(name, manifest.files[name].bytes, manifest.made_at)
                archive.addfile(header, file)


def _header(name: str, size: int, made_at: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode, header.mtime = size, PRIVATE_FILE, made_at // 1000
    return header


def read(path: Path, put: Put, begin: Callable[[Manifest], None] = lambda _: None) -> Unpacked:
    """Read a backup to its end and compare every sum.

    ``begin`` is told what is in it before anything is unpacked; ``put`` says where a file of it
    shall be written, or None. Raises ``BackupError`` with a sentence when it is not whole.
    """
    try:
        with tarfile.open(path, mode="r|gz") as archive:
            return _read(archive, put, begin)
    except FileNotFoundError as exc:
        raise BackupError(f"There is no {exc.filename}.") from exc
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error, _Unfit) as exc:
        raise BackupError(
            f"{path} is not a whole backup: {str(exc) or type(exc).__name__}. Nothing was changed."
        ) from exc


class _Unfit(Exception):
    """Why a file is no backup."""


def _read(archive: tarfile.TarFile, put: Put, begin: Callable[[Manifest], None]) -> Unpacked:
    members = iter(archive)
    first = next(members, None)
    if first is None or first.name != MANIFEST or first.size > MANIFEST_BYTES:
        raise _Unfit("it does not begin with its table of contents")
    raw = _opened(archive, first).read()
    manifest = _manifest(raw)
    begin(manifest)
    left = dict(manifest.files)
    for member in members:
        expected = left.pop(member.name, None)
        if expected is None or member.size != expected.bytes:
            raise _Unfit(f"{member.name!r} is not what its table of contents says")
        if _copy(_opened(archive, member), put(member.name)) != expected.sha256:
            raise _Unfit(f"the sum of {member.name!r} is another one")
    if left:
        raise _Unfit(f"{next(iter(left))!r} is missing")
    return Unpacked(manifest, hashlib.sha256(raw).hexdigest())


def _opened(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(member) if member.isreg() else None
    if file is None:
        raise _Unfit(f"{member.name!r} is no file")
    return file


def _copy(source: IO[bytes], target: Path | None) -> str:
    """Read a member, and write it where it is wanted; return its sum."""
    found = hashlib.sha256()
    if target is None:
        while piece := source.read(PIECE_BYTES):
            found.update(piece)
        return found.hexdigest()
    target.parent.mkdir(mode=0o700, exist_ok=True)
    with target.open("xb") as file:
        target.chmod(PRIVATE_FILE)
        while piece := source.read(PIECE_BYTES):
            found.update(piece)
            file.write(piece)
    return found.hexdigest()


def _manifest(raw: bytes) -> Manifest:
    try:
        fields = orjson.loads(raw)
        found = fields.pop("format")
        if found != FORMAT:
            raise _Unfit(f"its format is {found}, this version of the service knows {FORMAT}")
        files = {name: Member(**member) for name, member in fields.pop("files").items()}
        manifest = Manifest(**fields, files=files)
        if "bot.db" not in files or not all(_fits(*each) for each in files.items()):
            raise _Unfit("its table of contents names what has no place in a backup")
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise _Unfit("its table of contents cannot be read") from exc
    return manifest


def _fits(name: str, member: Member) -> bool:
    """Tell whether a file may be in a backup: a blob is named by its sum."""
    named = NAME.fullmatch(name)
    return named is not None and member.bytes >= 0 and named[2] in {None, member.sha256}
