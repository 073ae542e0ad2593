"""What people read about sessions that were lost, and what a model is told of them."""

from bot.texts import Text

LOST_RECAPPED = Text(
    zh="♻️ 原来的会话在 OpenCode 上已不存在，已开新会话，并带上最近几轮的要点。",
    en="♻️ The session no longer exists in OpenCode; a new one was opened, with a recap of the last turns.",
)
LOST = Text(
    zh="♻️ 原来的会话在 OpenCode 上已不存在，已开新会话。之前的内容它不再记得。",
    en="♻️ The session no longer exists in OpenCode; a new one was opened. It remembers nothing of before.",
)
UNTITLED = Text(zh="任务 #{n}", en="Task #{n}")
NO_SUCH_SESSION = Text(
    zh="本聊天没有这个会话，没有切换。/sessions 查看编号。E-SESSION",
    en="This chat has no such session; nothing was switched. /sessions shows the numbers. E-SESSION",
)

RECAP = Text(
    zh="（此前的会话已丢失。以下是这个聊天最近几轮的要点，供你接着做；不需要回复这段话。）",
    en="(The session so far was lost. This is what was said in the last turns of this chat, so that you can go on; it needs no answer.)",
)
RECAP_ASKED = Text(zh="要求：{text}", en="Asked: {text}")
RECAP_ANSWERED = Text(zh="答复：{text}", en="Answered: {text}")
