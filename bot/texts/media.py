"""What people and models read about files that were sent to the bot."""

from bot.texts import Text

HELD = Text(
    zh="📎 收到{kinds}。8 秒内说说要做什么，就和它一起处理；不说就直接看它。#{n} · /drop {n} 取消",
    en="📎 Got {kinds}. Say within 8 s what to do with it and both are worked on together; else it is looked at as it is. #{n} · /drop {n} to cancel",
)
JOINED = Text(
    zh="📎 和你后面说的话一起处理，见 #{n}。", en="📎 Goes with what you said next, as #{n}."
)
COMING = Text(zh="📎 正在接收附件……", en="📎 Fetching what you sent …")
FAILED = Text(
    zh="📎 没能收到{name}：{why}。请重发。E-MEDIA",
    en="📎 {name} did not arrive: {why}. Please send it again. E-MEDIA",
)
UNPLACED = Text(
    zh="📎 {name}没能放进工作目录，请管理员查看磁盘与权限。E-MEDIA",
    en="📎 {name} could not be put into the workspace; an administrator should see disk and rights. E-MEDIA",
)
UNREADABLE = Text(
    zh="📎 附件没能直接交给模型，已放在工作目录的 inbox/ 里，让它自己打开。",
    en="📎 The attachments could not be handed to the model as they are; it finds them in inbox/ of the workspace.",
)
NOTHING_CAME = Text(
    zh="❌ 附件都没有收到，#{n} 没有执行。请重发附件，或直接用文字说明。E-MEDIA",
    en="❌ None of the attachments arrived and #{n} was not run. Send them again, or say it in words. E-MEDIA",
)
NAMED = Text(zh="“{name}”", en="“{name}”")
KINDS = {
    "image": Text(zh="图片", en="the image"),
    "file": Text(zh="文件", en="the file"),
    "video": Text(zh="视频", en="the video"),
    "voice": Text(zh="语音", en="the voice message"),
}
NUMBERED = Text(zh="第 {number} 个附件（{kind}）", en="{kind} (attachment {number})")
WHY = {
    "gone": Text(zh="下载地址已失效", en="its address is no longer good"),
    "busy": Text(zh="企业微信没有给出文件", en="WeCom did not hand it out"),
    "slow": Text(zh="下载太慢", en="it took too long"),
    "large": Text(zh="超过 {limit} 的上限", en="it is larger than the limit of {limit}"),
    "refused": Text(zh="下载地址不在允许的范围内", en="its address is not an allowed one"),
    "sealed": Text(zh="无法解密", en="it could not be decrypted"),
    "empty": Text(zh="文件是空的", en="it is empty"),
    "disk": Text(zh="服务的磁盘写不进去", en="the service's disk does not take it"),
}

# Of files that were to go with an answer.
REFUSED = Text(
    zh="⚠️ 企业微信没有接受 {names}。/files {n} 列出本次文件。",
    en="⚠️ WeCom did not take {names}. /files {n} lists the files.",
)
DOUBTFUL = Text(
    zh="⚠️ 不确定 {names} 是否已送达。/files {n} 列出本次文件。",
    en="⚠️ Nobody can tell whether {names} arrived. /files {n} lists the files.",
)
GONE = Text(
    zh="⚠️ {names} 没有发送：文件已经不在或不能再读。",
    en="⚠️ {names} was not sent: it is not there any more, or cannot be read.",
)

# In the prompt.
ENCLOSED = Text(zh="附件（在工作目录中）：", en="Attached files, in the workspace:")
ENCLOSED_ONE = Text(zh="- {path}（{mime}，{size}）", en="- {path} ({mime}, {size})")
ALONE = Text(
    zh="用户发来了附件，没有写说明。请看附件的内容，简要说明是什么，再问用户需要做什么。",
    en="The user sent files and no words. Look at them, say briefly what they are, and ask what is wanted.",
)
MISSING = Text(
    zh="（用户还发了{names}，但没有收到。）",
    en="(The user also sent {names}, which did not arrive.)",
)
