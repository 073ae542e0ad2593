"""What people read when OpenCode waits for a permission or an answer."""

from bot.texts import Text

PERMISSION = Text(zh="🔐 需要批准 · {code}", en="🔐 Approval needed · {code}")
QUESTION = Text(zh="❓ 需要回答 · {code}", en="❓ A question · {code}")
OF_CHILD = Text(zh="（来自子任务）", en=" (from a sub-agent)")
TIMES = Text(zh="（同样的请求 {count} 次）", en=" (asked {count} times)")
BY_TOOL = Text(zh="（工具 {tool}）", en=" (tool {tool})")
WHAT = Text(zh="{what}：{detail}", en="{what}: {detail}")
WHATS = {
    "bash": Text(zh="执行命令", en="Run a command"),
    "edit": Text(zh="修改文件", en="Change a file"),
    "write": Text(zh="写入文件", en="Write a file"),
    "read": Text(zh="读取文件", en="Read a file"),
    "webfetch": Text(zh="访问网址", en="Open a web address"),
    "external_directory": Text(zh="访问工作目录以外的路径", en="Reach outside the workspace"),
    "doom_loop": Text(zh="继续重复同一个操作", en="Go on repeating the same call"),
    "task": Text(zh="启动子任务", en="Start a sub-agent"),
    "skill": Text(zh="使用技能", en="Use a skill"),
}
WHAT_ELSE = Text(zh="使用 {permission}", en="Use {permission}")
NO_DETAIL = Text(zh="（没有说明）", en="(no details)")
DETAIL_CUT = Text(
    zh="中间省略 {chars} 字，/pending 看全文", en="{chars} characters left out, /pending shows all"
)
HOW_TO_DECIDE = Text(
    zh="回复：允许 {code} / 拒绝 {code} 理由（发起人、维护者、管理员可决定）",
    en="Reply: /allow {code} or /deny {code} reason (who asked, maintainers, administrators)",
)
ALWAYS = Text(
    zh="同类（{patterns}）在本任务内都放行：本任务 {code}",
    en="For all of {patterns} in this task: /always {code}",
)
HOW_TO_ANSWER = Text(zh="回复：回答 {code} {example}", en="Reply: /answer {code} {example}")
EXAMPLE_CHOICE = Text(zh="编号或自己的话", en="a number or your own words")
EXAMPLE_NUMBER = Text(zh="编号", en="a number")
EXAMPLE_MULTIPLE = Text(zh="编号，可多选如 1,3", en="numbers, several like 1,3")
EXAMPLE_WORDS = Text(zh="你的回答", en="your answer")
EXAMPLE_SEVERAL = Text(zh="回答一 | 回答二", en="first answer | second answer")
LEFT = Text(zh="⏳ {age}", en="⏳ {age}")
MORE_ASKS = Text(zh="另有 {count} 个待决定：/pending", en="{count} more: /pending")

ALLOWED = Text(
    zh="✅ 已允许 {code}（仅这一次），#{n} 继续。", en="✅ {code} allowed once; #{n} goes on."
)
ALLOWED_FOR_TASK = Text(
    zh="✅ 已允许 {code}，#{n} 内同类的请求不再询问。",
    en="✅ {code} allowed; the like of it is not asked again in #{n}.",
)
DENIED = Text(
    zh="🚫 已拒绝 {code}，#{n} 会按此继续。", en="🚫 {code} denied; #{n} goes on without it."
)
ANSWERED = Text(zh="✅ 已回答 {code}，#{n} 继续。", en="✅ {code} answered; #{n} goes on.")

NO_CODE = Text(
    zh="请带上编号：{verb} {example}。/pending 查看全部。",
    en="Please add the code: {verb} {example}. /pending lists them all.",
)
NOTHING_OPEN = Text(zh="现在没有等待决定的请求。", en="Nothing waits for a decision now.")
UNKNOWN_CODE = Text(
    zh="没有编号为 {code} 的请求。/pending 查看全部。E-ASK-CODE",
    en="There is no request {code}. /pending lists them all. E-ASK-CODE",
)
DECIDED_BEFORE = {
    "allow": Text(
        zh="{code} 已由 {by} 允许，没有再做任何操作。",
        en="{code} was allowed by {by} before; nothing more was done.",
    ),
    "always": Text(
        zh="{code} 已由 {by} 允许（本任务内同类放行），没有再做任何操作。",
        en="{code} was allowed by {by} for the task before; nothing more was done.",
    ),
    "deny": Text(
        zh="{code} 已由 {by} 拒绝，没有再做任何操作。",
        en="{code} was denied by {by} before; nothing more was done.",
    ),
    "answer": Text(
        zh="{code} 已由 {by} 回答，没有再做任何操作。",
        en="{code} was answered by {by} before; nothing more was done.",
    ),
}
EXPIRED = Text(
    zh="{code} 已过期，当时按拒绝处理。需要的话请让它再试一次。E-ASK-EXPIRED",
    en="{code} has expired and was turned down. Ask for it again if it is needed. E-ASK-EXPIRED",
)
GONE = Text(
    zh="{code} 已经不在等待了（任务结束或 OpenCode 重启过），这个决定没有生效。E-ASK-GONE",
    en="{code} waits no longer (its turn ended, or OpenCode was restarted); the decision had no effect. E-ASK-GONE",
)
NOT_YOURS = Text(
    zh="{code} 不归你决定，没有执行。可请 {starter} 或管理员操作。E-ROLE",
    en="{code} is not yours to decide; nothing was done. Ask {starter} or an administrator. E-ROLE",
)
NOT_REACHED = Text(
    zh="OpenCode 暂时连不上，{code} 的决定没有送到，请求仍在等待，请稍后再试。E-OC-DOWN",
    en="OpenCode cannot be reached; the decision on {code} was not delivered and it still waits. Try again. E-OC-DOWN",
)
IS_QUESTION = Text(
    zh="{code} 是一个提问，请回复：回答 {code} 你的回答。",
    en="{code} is a question: use /answer {code} your answer.",
)
IS_PERMISSION = Text(
    zh="{code} 是一个批准请求，请回复：允许 {code} 或 拒绝 {code} 理由。",
    en="{code} asks for approval: use /allow {code} or /deny {code} reason.",
)
NO_KIND = Text(
    zh="{code} 没有可以一并放行的同类，请用：允许 {code}。",
    en="{code} names nothing that is like it: use /allow {code}.",
)
NO_ANSWER_GIVEN = Text(
    zh="请写上回答：回答 {code} {example}", en="Please write an answer: /answer {code} {example}"
)
WRONG_COUNT = Text(
    zh="{code} 有 {wanted} 个问题，收到 {given} 个回答。请用 | 隔开，例如：回答 {code} 1 | 2",
    en="{code} has {wanted} questions, and the answers that came were {given}. Separate them by |, as in /answer {code} 1 | 2",
)
NO_SUCH_OPTION = Text(
    zh="第 {question} 题没有选项 {given}，请选 1–{last}。",
    en="Question {question} has no option {given}; choose 1–{last}.",
)
ONLY_ONE_OPTION = Text(
    zh="第 {question} 题只能选一项。", en="Question {question} takes one option only."
)
ONLY_OPTIONS = Text(
    zh="第 {question} 题只能从选项里选：1–{last}。",
    en="Question {question} takes one of its options only: 1–{last}.",
)

# What the model is told; English, since the model's own words around it are.
DENIED_TO_MODEL = "The person denied this request"
DECLINED_TO_MODEL = "The person would rather not answer; go on without"
EXPIRED_TO_MODEL = (
    "Nobody decided on this request in time, so it counts as denied. "
    "Go on without it, or say what you would need it for."
)
TURN_ENDED_TO_MODEL = "The turn was ended before anybody decided on this request."
UNANSWERED_TO_MODEL = "No answer, go on without"
