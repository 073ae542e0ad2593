"""Finding file names in a text, and taking out all that can be none: code blocks, addresses."""

import re
from dataclasses import dataclass, field

# A name counts as a file by its ending: without this list "e.g." and "os.path" would be files.
_ENDING = (
    "html|htm|css|scss|less|js|mjs|cjs|ts|tsx|jsx|vue|svelte|json|jsonl|ndjson|yaml|yml|"
    "toml|ini|cfg|conf|env|xml|svg|png|jpg|jpeg|gif|webp|bmp|ico|pdf|doc|docx|xls|xlsx|ppt|"
    "pptx|odt|ods|rtf|csv|tsv|parquet|txt|md|mdx|rst|adoc|tex|bib|ipynb|py|pyi|pyx|rb|go|"
    "rs|java|kt|kts|scala|c|h|cc|cpp|hpp|cs|m|mm|swift|php|pl|lua|r|jl|ex|exs|erl|hs|clj|"
    "dart|sh|bash|zsh|fish|ps1|bat|cmd|sql|db|sqlite|sqlite3|proto|graphql|tf|hcl|lock|log|"
    "patch|diff|zip|tar|gz|tgz|bz2|xz|7z|rar|mp3|wav|ogg|mp4|mov|webm|avi|wasm|whl|jar|war|"
    "exe|apk|ttf|woff|woff2|eot|map|drawio|puml|dot|mmd|srt|vtt|ics|vcf|tmpl|j2|jinja|njk|"
    "hbs|ejs|gradle|properties|service|crt|pem|po|pot"
)
_BARE = (
    r"(?:Makefile|Dockerfile|Containerfile|Procfile|Jenkinsfile|Vagrantfile|LICENSE|CHANGELOG|README"
    r"|\.(?:gitignore|gitattributes|dockerignore|editorconfig|npmrc|nvmrc|env(?:\.\w+)?"
    r"|(?:eslint|prettier|babel|stylelint)rc))"
)
# Products that are named like files.
_PRODUCT = re.compile(
    r"(?i)(?:node|vue|next|nuxt|react|express|three|d3|chart|p5|alpine|backbone|ember|angular|moment"
    r"|discord|nest|electron|plotly|echarts)\.js|socket\.io|asp\.net"
)
_CJK = "\u3400-\u9fff"
_NAME = rf"[\w\-.+@~{_CJK}]"
_PATH = re.compile(
    rf"(?<![\w@/\\.:=+~\-])(?:(?:~|\.{{1,2}})?/)?(?:{_NAME}{{1,200}}/){{0,40}}"
    rf"(?:{_NAME}{{0,200}}[\w\-+~{_CJK}]\.(?i:{_ENDING})|{_BARE})(?![\w(/@\-]|\.\w)"
)
_FENCED = re.compile(
    r"^[ \t]*(`{3,}|~{3,})[^\n]*\n.*?(?:^[ \t]*\1[`~]*[ \t]*$|\Z)", re.MULTILINE | re.DOTALL
)
_LINKED = re.compile(r"\[([^\[\]\n]{0,300})\]\(([^()\s]{1,2000})\)")
_URL = re.compile(r"(?i)\b(?:[a-z][a-z0-9+.-]*://|www\.|mailto:)[^\s)>\]，。；、）】]+")
_CODE = re.compile(r"(?<!`)(`{1,3})([^`\n]+)\1(?!`)")
_STYLE = re.compile(r"\*\*|__|(?<!\w)[*_](?=\S)|(?<=\S)[*_](?!\w)|~~")
# What may be glued to the front of a Chinese or Latin name where no space stands between words.
_GLUE = re.compile(
    r".*(?:已经|生成|创建|新建|写入|写好|写到|写进|编写|保存|导出|输出|更新|修改|添加|新增|加入|制作"
    r"|做好|完成|文件|页面|脚本|存|放|叫|名|了|到|为|在|成|入|至|于|是|把|将|和|与|及|以及|给|对|从|的)"
)
_CJK_RUN = re.compile(rf"^[{_CJK}]+(?=[\w.~/])")

MARK = "\ue000"  # stands for a path in a masked text; the n-th one is the n-th of ``paths``
OTHER = "\ue001"  # stands for what can be no path: code, an address


@dataclass(slots=True)
class Masked:
    """A text in which each path is one character, so that its dots are not taken for full stops."""

    text: str = ""
    paths: list[str] = field(default_factory=list)

    def put(self, path: str) -> str:
        """Keep a path and return what stands for it; the private numbers tell which it is."""
        self.paths.append(path)
        return MARK + chr(0xE100 + len(self.paths) - 1)


MAX_PATHS = 4_000  # the private characters that number them end there


def mask(markdown: str) -> Masked:
    """Return the text with its paths, and only what can be a path, replaced."""
    masked = Masked()
    text = _FENCED.sub("\n", markdown.replace(MARK, " ").replace(OTHER, " "))
    text = _LINKED.sub(lambda m: _link(m[1], m[2]), text)
    text = _CODE.sub(lambda m: _span(masked, m[2].strip()), text)
    text = _URL.sub(OTHER, text)
    text = _STYLE.sub("", text)
    masked.text = _PATH.sub(lambda m: _found(masked, m[0]), text)
    return masked


def _link(label: str, target: str) -> str:
    if _URL.match(target):
        return OTHER
    return f"`{target}`" if _PATH.fullmatch(target) else label


def _span(masked: Masked, code: str) -> str:
    """Take inline code for a path when it is one and nothing more, such as a command with one."""
    if _PATH.fullmatch(code) and len(masked.paths) < MAX_PATHS:
        return f" {masked.put(_plain(code))} "
    return f" {OTHER} "


def _found(masked: Masked, found: str) -> str:
    glue = _glued(found)
    path = found[len(glue) :]
    if _PRODUCT.fullmatch(path) or len(masked.paths) >= MAX_PATHS:
        return f"{glue}{OTHER}"
    return f"{glue}{masked.put(_plain(path))}"


def _glued(found: str) -> str:
    """Return the words in front of a name that Chinese writes without a space between."""
    run = _CJK_RUN.match(found) or re.match(rf"^[{_CJK}]+", found)
    glue = _GLUE.match(run[0]) if run else None
    if glue is None or glue.end() >= len(found.rpartition(".")[0]):
        return ""
    return glue[0]


def _plain(path: str) -> str:
    return path.removeprefix("./")


def marked(masked: Masked, text: str) -> list[tuple[int, str]]:
    """Return where in a piece of the masked text each path stands, and the path."""
    return [
        (place, masked.paths[ord(text[place + 1]) - 0xE100])
        for place, char in enumerate(text[:-1])
        if char == MARK
    ]
