"""Takes the machine out of a recording: its folders, ports and names."""

import re
import socket
from pathlib import Path

ROOM = b"/srv"  # stands for the folder in which everything was recorded
PORT = b"127.0.0.1:4010"
SERVER = b'"server":"scripted"'  # the HTTP library of the scripted model, and its release


def neutral(content: bytes, folder: Path, model_port: int) -> bytes:
    """Return what was recorded with neutral names; refuses what still tells of this machine."""
    content = content.replace(str(folder).encode(), ROOM)
    content = content.replace(f"127.0.0.1:{model_port}".encode(), PORT)
    content = re.sub(rb'"server": ?"[^"]*"', SERVER, content)
    for name in (folder.name, str(Path.home()), socket.gethostname()):
        if re.search(rb"(?<!\w)" + re.escape(name.encode()) + rb"(?!\w)", content):
            raise ValueError(f"a recording names this machine: {name}")
    return content
