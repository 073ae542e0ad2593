"""How a file of a workspace is served, told by its name alone: the browser must not guess."""

TEXT = "text/plain"
UNKNOWN = "application/octet-stream"
BY_ENDING = {
    "html": "text/html",
    "htm": "text/html",
    "xhtml": "application/xhtml+xml",
    "css": "text/css",
    "js": "text/javascript",
    "mjs": "text/javascript",
    "json": "application/json",
    "map": "application/json",
    "geojson": "application/json",
    "ipynb": "application/json",
    "webmanifest": "application/manifest+json",
    "xml": "application/xml",
    "wasm": "application/wasm",
    "pdf": "application/pdf",
    "svg": "image/svg+xml",
    "png": "image/png",
    "apng": "image/apng",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "avif": "image/avif",
    "bmp": "image/bmp",
    "ico": "image/x-icon",
    "woff": "font/woff",
    "woff2": "font/woff2",
    "ttf": "font/ttf",
    "otf": "font/otf",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "ogg": "audio/ogg",
    "wav": "audio/wav",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
} | dict.fromkeys(
    # What people read: shown as it is, never run.
    [
        "txt",
        "md",
        "markdown",
        "rst",
        "log",
        "csv",
        "tsv",
        "diff",
        "patch",
        "toml",
        "yaml",
        "yml",
        "ini",
        "cfg",
        "conf",
        "properties",
        "lock",
        "py",
        "pyi",
        "ts",
        "tsx",
        "jsx",
        "vue",
        "svelte",
        "go",
        "rs",
        "c",
        "h",
        "cc",
        "cpp",
        "hpp",
        "cs",
        "java",
        "kt",
        "swift",
        "rb",
        "php",
        "pl",
        "lua",
        "r",
        "jl",
        "sh",
        "bash",
        "zsh",
        "fish",
        "ps1",
        "bat",
        "sql",
        "graphql",
        "proto",
        "tex",
        "scss",
        "sass",
        "less",
        "gradle",
        "cmake",
        "jsonl",
    ],
    TEXT,
)
BY_NAME = dict.fromkeys(
    [
        "readme",
        "license",
        "licence",
        "notice",
        "changelog",
        "makefile",
        "dockerfile",
        ".gitignore",
        ".gitattributes",
        ".editorconfig",
        ".dockerignore",
    ],
    TEXT,
)
# Those that a browser would run, or that are text with bytes in an encoding of their own.
MARKUP = frozenset({"text/html", "application/xhtml+xml", "application/xml", "image/svg+xml"})


def content_type(path: str) -> str:
    """Return the media type of a file, without a charset."""
    name = path.rpartition("/")[2].lower()
    _, dot, ending = name.rpartition(".")
    return BY_NAME.get(name) or (BY_ENDING.get(ending, UNKNOWN) if dot else UNKNOWN)


def with_charset(media_type: str, head: bytes) -> str:
    """Add the charset that the first bytes of a text speak for.

    Markup that is no UTF-8 says for itself what it is; other text is what Chinese Windows writes.
    """
    if not media_type.startswith("text/") and media_type not in MARKUP:
        return media_type
    if _is_utf8(head):
        return f"{media_type}; charset=utf-8"
    return media_type if media_type in MARKUP else f"{media_type}; charset=gb18030"


def _is_utf8(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError as exc:
        return exc.start >= len(head) - 3 and exc.reason == "unexpected end of data"
    return True
