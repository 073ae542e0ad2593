"""What the commands say about files and people."""

from bot.texts import Text

FILES_HEAD = Text(zh="📁 {turn} 改了 {count} 个文件：", en="📁 Files changed by {turn}: {count}")
FILES_NONE = Text(zh="{turn} 没有改动文件。", en="{turn} changed no files.")
FILES_MORE = Text(zh="…… 另有 {count} 个", en="… and {count} more")
FILES_RUNNING = Text(
    zh="#{n} 还没有结束，改动要等它完成。/status 查看进展。",
    en="#{n} has not ended yet; its changes are known when it has. /status shows how far it is.",
)
DELETED = Text(zh="已删除", en="deleted")
NO_LINKS = Text(
    zh="没有链接：管理员还没有设置 server.public_url。",
    en="No links: the administrator has not set server.public_url.",
)
PAGE = Text(zh="[全部改动]({url})", en="[All changes]({url})")
DIFF_HEAD = Text(zh="📝 {turn} 的改动：", en="📝 What {turn} changed:")
DIFF_CUT = Text(
    zh="（只显示了一部分，/files {n} 列出全部文件）",
    en="(Only a part is shown; /files {n} lists all files)",
)

SENT = Text(zh="✅ 已发送 {path}", en="✅ Sent {path}")
SENT_HERE = Text(zh="🖼 {path}", en="🖼 {path}")
SEND_REFUSED = Text(
    zh="⚠️ {path} 没有发送：企业微信没有接受。{link}",
    en="⚠️ {path} was not sent: WeCom did not take it. {link}",
)
SEND_LATER = Text(
    zh="⚠️ {path} 现在没能发送，请稍后再试。{link}",
    en="⚠️ {path} could not be sent now; try again in a while. {link}",
)
SEND_DOUBTFUL = Text(
    zh="⚠️ 不确定 {path} 是否已送达。{link}",
    en="⚠️ Nobody can tell whether {path} has arrived. {link}",
)
SEND_LINKED = Text(
    zh="{link}\n（这里不能直接发送文件，请用链接打开）",
    en="{link}\n(No file can be sent here; open the link)",
)
SEND_UNLINKED = Text(
    zh="{path} 没有发送：这里不能直接发送文件，也没有可用的链接（/files 说明原因）。",
    en="{path} was not sent: no file can be sent here, and there is no link to it (/files says why).",
)

WHOAMI = Text(zh="你的 ID：{sender}\n角色：{role}", en="Your id: {sender}\nRole: {role}")
WHOAMI_CHAT = Text(zh="聊天：{chat}", en="Chat: {chat}")
ROLES = {
    "admin": Text(zh="管理员", en="administrator"),
    "maintainer": Text(zh="维护者", en="maintainer"),
    "member": Text(zh="成员", en="member"),
    "": Text(zh="还没有使用权限", en="not admitted"),
}
ADMIT = Text(
    zh='请管理员在 config/bot.toml 的 [access] 里加上：\nmembers = ["{sender}"]\n或设置环境变量：BOT_MEMBERS={sender}\n（已有别人时，加在他们后面；重启服务生效）',
    en='Ask an administrator to add to [access] in config/bot.toml:\nmembers = ["{sender}"]\nor to the environment: BOT_MEMBERS={sender}\n(behind whoever stands there already; it takes effect with a restart)',
)
