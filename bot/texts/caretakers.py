"""What those who look after the service read in the group of their webhook."""

from bot.texts import Text

TROUBLE = Text(
    zh="⚠️ **{what}**\n{facts}\n> {place}\n查看：`python -m bot doctor`",
    en="⚠️ **{what}**\n{facts}\n> {place}\nLook with: `python -m bot doctor`",
)
OVER = Text(zh="✅ **已恢复：{what}**\n> {place}", en="✅ **Over: {what}**\n> {place}")
DIGEST = Text(
    zh="📎 **这段时间另有 {count} 条通知，合并如下**",
    en="📎 **{count} more notices came meanwhile, in short**",
)
TRIED = Text(
    zh="🩺 opencode-wecom 的检查：通知可以送达这个群。",
    en="🩺 opencode-wecom's doctor: notices reach this group.",
)
OTHER = Text(zh="{name} 有异常", en="trouble seen by {name}")

TROUBLES = {
    "turns": Text(zh="有任务没有动静", en="Turns give no sign of life"),
    "lanes": Text(zh="聊天的队列不对", en="Lanes of chats are not right"),
    "bubbles": Text(zh="关闭了遗留的气泡", en="Bubbles were left open, and were closed"),
    "outbox": Text(zh="答复送不出去", en="Answers that could leave do not"),
    "failures": Text(
        zh="有答复最终没有送达，见 /admin/outbox",
        en="An answer was given up, see /admin/outbox",
    ),
    "loop": Text(zh="服务响应迟缓", en="The service is slow to respond"),
    "opencode": Text(zh="OpenCode 占用内存过多", en="OpenCode holds too much memory"),
    "server": Text(zh="OpenCode 不可用", en="OpenCode cannot be used"),
    "hold": Text(zh="升级的暂停没有解除", en="The hold of an upgrade was not lifted"),
    "disk": Text(zh="磁盘空间不足", en="The disk is almost full"),
    "channels": Text(zh="企业微信的通道中断", en="A channel of WeCom is down"),
}
