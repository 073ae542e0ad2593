"""How every page is rendered: escaped, strict about what is missing, under one head."""

from pathlib import Path

import jinja2

SHARED = Path(__file__).parent / "templates"


def environment(*folders: Path) -> jinja2.Environment:
    """Return what renders the templates of ``folders``; each page extends ``_head.html``."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, SHARED]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
