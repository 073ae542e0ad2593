"""What people read about files: on a turn's page, and in place of a diff."""

from bot.texts import Text

# In place of a diff.
DIFF_LATER = Text(
    zh="任务 #{n} 还在运行，结束后可看差异。",
    en="Task #{n} is still running; its diff comes at the end.",
)
DIFF_UNCHANGED = Text(zh="任务 #{n} 没有改动 {path}。", en="Task #{n} did not change {path}.")
DIFF_SECRET = Text(
    zh="{path} 像是密钥或密码文件，内容不公开。", en="{path} looks like a secret; it is withheld."
)
DIFF_LARGE = Text(zh="{path} 太大，不逐行比较。", en="{path} is too large to compare by line.")
DIFF_BINARY = Text(
    zh="{path} 不是文本文件，无法逐行比较。", en="{path} is no text; it cannot be compared by line."
)
DIFF_UNKEPT = Text(
    zh="{path} 在任务前后没有都留下副本，无法比较。",
    en="{path} cannot be compared: no copy was kept from before and after the task.",
)

# The page of a turn.
TITLE = Text(zh="任务 #{n}", en="Task #{n}")
QUESTION = Text(zh="提问", en="Question")
ANSWER = Text(zh="回答", en="Answer")
PROGRESS = Text(zh="进行中", en="In progress")
NO_ANSWER = Text(zh="没有文字回答。", en="There is no answer in words.")
FILES = Text(zh="改动的文件", en="Changed files")
NO_FILES = Text(zh="没有改动文件。", en="No file was changed.")
MORE_FILES = Text(zh="还有 {n} 个文件未列出。", en="{n} more files are not listed.")
OPEN = Text(zh="打开", en="Open")
DOWNLOAD = Text(zh="下载", en="Download")
DIFF = Text(zh="差异", en="Diff")
ADDED = Text(zh="新增", en="added")
MODIFIED = Text(zh="修改", en="changed")
DELETED = Text(zh="删除", en="deleted")
WITHHELD_SECRET = Text(zh="像是密钥或密码，不公开", en="looks like a secret: withheld")
WITHHELD_LARGE = Text(zh="超过 {limit}，不提供", en="above {limit}: not served")
WITHHELD_UNKEPT = Text(
    zh="没有副本，文件再变动后打不开", en="no copy: opens until the file changes again"
)
LIVE_LOST = Text(zh="连接中断，正在重试……", en="Connection lost, trying again…")

QUEUED = Text(zh="📥 排队中", en="📥 Waiting")
RUNNING = Text(zh="⏳ 进行中", en="⏳ Running")
DONE = Text(zh="✅ 完成", en="✅ Done")
FAILED = Text(zh="❌ 失败", en="❌ Failed")
STOPPED = Text(zh="⛔ 已停止", en="⛔ Stopped")
DROPPED = Text(zh="🗑 已取消", en="🗑 Cancelled")
STATES = {
    "queued": QUEUED,
    "running": RUNNING,
    "done": DONE,
    "failed": FAILED,
    "stopped": STOPPED,
    "dropped": DROPPED,
}

EXPIRED_TITLE = Text(zh="链接已过期", en="This link has expired")
EXPIRED = Text(
    zh="结果仍在。在原来的聊天里发 /result {n} 可领取新的链接。",
    en="The result is still kept. Send /result {n} in the same chat for a fresh link.",
)
PURGED_TITLE = Text(zh="任务 #{n} 已清理", en="Task #{n} is gone")
PURGED = Text(
    zh="它的记录和文件已超过保存期限。", en="Its record and files are older than what is kept."
)
NOT_FOUND_TITLE = Text(zh="没有这个页面", en="There is no such page")
NOT_FOUND = Text(
    zh="链接不完整或不正确。请从聊天里的原链接重新打开。",
    en="The link is not whole or not right. Open it again from the chat.",
)
SEND_OUTSIDE = Text(
    zh="{path} 不在本聊天的工作目录里，没有发送。",
    en="{path} is not in this chat's workspace; it was not sent.",
)
SEND_SECRET = Text(
    zh="{path} 看起来含有密钥，没有发送。",
    en="{path} looks like it holds a secret; it was not sent.",
)
SEND_NONE = Text(
    zh="工作目录里没有文件 {path}，没有发送。/files 列出最近改动的文件。",
    en="There is no file {path} in the workspace; it was not sent. /files lists what changed last.",
)
SEND_SIZE = Text(
    zh="{path} 有 {size} 字节，能发送的是 5 字节到 {limit} MB，没有发送。",
    en="{path} has a size of {size} B; what can be sent has 5 B to {limit} MB. It was not sent.",
)
