"""What the scripted demo model says to people who try the sandbox."""

from bot.texts import Text

LABEL = Text("（演示模型）", "(demo model)")

HELLO = Text(
    "你好！我是演示模型：回答是写好的脚本，没有联网，也不需要密钥；消息、会话、工具和文件都是真的。\n\n"
    "可以试试：\n"
    "- `做一个网页`：写三个文件，再打开链接\n"
    "- `列个计划`：边做边更新待办\n"
    "- `运行 ls`：执行一条命令\n"
    "- `想一想`：先思考再回答\n"
    "- `慢慢说`：一段约 40 秒的回答，可以试 `/停止`、`/插队`\n"
    "- `长回答`：超过一条消息的上限，末尾给出续读的办法\n"
    "- `问我一个问题`：等你回复 `回答 编号 2`\n"
    "- `权限`：请求读工作目录之外的文件\n"
    "- `漏掉的文件`：声称写了文件，其实没有\n"
    "- `出错`：模型服务报错",
    "Hello! I am the demo model: my answers are a script, with no network and no key; "
    "the messages, sessions, tools and files are real.\n\n"
    "Try:\n"
    "- `make a page`: writes three files; then open the link\n"
    "- `make a plan`: updates its to-dos as it goes\n"
    "- `run ls`: runs one command\n"
    "- `think`: thinks before it answers\n"
    "- `slow`: an answer of about 40 seconds, to try `/stop` and `/force`\n"
    "- `long answer`: more than one message holds; its end says how to read on\n"
    "- `ask me`: waits for your choice with `/answer`\n"
    "- `permission`: asks to read a file outside the workspace\n"
    "- `missing file`: claims to have written a file, and has not\n"
    "- `fail`: the model service reports an error",
)
PAGE_BEGIN = Text("好的，我来写一个小网页。", "All right, let me write a small page.")
PAGE_DONE = Text(
    "已生成 `index.html`、`style.css` 和 `app.js`。打开页面，点一下按钮看看。",
    "I created `index.html`, `style.css` and `app.js`. Open the page and press the button.",
)
PAGE_TITLE = Text("演示网页", "Demo page")
PAGE_LINE = Text(
    "样式来自 style.css，按钮来自 app.js。", "Styled by style.css, brought to life by app.js."
)
PAGE_BUTTON = Text("点我", "Press me")
PAGE_COUNT = Text("点了 {n} 次", "Pressed {n} times")
PLAN_ITEMS = (
    Text("看看目录里有什么", "See what is in the folder"),
    Text("写下要点", "Note the main points"),
    Text("检查一遍", "Check it once more"),
)
PLAN_BEGIN = Text("我先把计划列出来。", "Let me put the plan down first.")
PLAN_NEXT = Text("第 {n} 步做完了，继续。", "Step {n} is done, on to the next.")
PLAN_DONE = Text("计划的三步都完成了。", "All three steps of the plan are done.")
RUN_BEGIN = Text("我来运行 `{command}`。", "Let me run `{command}`.")
RUN_DONE = Text("命令的输出：", "The command printed:")
THOUGHT = Text(
    "先弄清楚问的是什么，再看有没有现成的答案。演示模型没有真正的想法，所以这段思考也是写好的。",
    "First what is being asked, then whether an answer is at hand. "
    "A demo model has no thoughts of its own, so this one is written down too.",
)
THOUGHT_DONE = Text("想好了：答案是 42。", "I have thought about it: the answer is 42.")
SLOW_LINE = Text("第 {n} 句，共 {total} 句。", "Sentence {n} of {total}. ")
LONG_LINE = Text(
    "这是长回答的第 {n} 条，写好的脚本，用来看一条消息装不下时会怎样。",
    "This is item {n} of a long answer, written down to show what becomes of more than a message holds.",
)
LONG_DONE = Text("长回答到此结束。", "This is the end of the long answer.")
QUESTION = Text("你喜欢哪种颜色？", "Which colour do you like?")
QUESTION_HEADER = Text("颜色", "Colour")
QUESTION_CHOICES = (
    (Text("红色", "Red"), Text("热情", "warm")),
    (Text("蓝色", "Blue"), Text("冷静", "cool")),
)
QUESTION_DONE = Text("收到：{reply}", "Understood: {reply}")
OUTSIDE_BEGIN = Text(
    "我想读一个工作目录之外的文件，需要有人允许。",
    "I would like to read a file outside the workspace; somebody has to allow it.",
)
OUTSIDE_DONE = Text("读取的结果：", "What came of it:")
MISSING_DONE = Text(
    "已生成 `report.html`，请查看。", "I created `report.html`, please have a look."
)
