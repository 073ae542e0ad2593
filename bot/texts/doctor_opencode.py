"""What the doctor's checks of OpenCode are called, and what `/doctor` says of agent and model."""

from bot.texts import Text

SOURCES = Text(zh="配置来源", en="Sources of OpenCode's configuration")
CHOICE = Text(zh="智能体和模型", en="Agent and model")
PLUGINS = Text(zh="插件", en="Plugins")
ENVIRONMENT = Text(zh="环境变量", en="Environment")

REACHED = Text(zh="可连接", en="Reached")
VERSION = Text(zh="版本", en="Version")
LATENCY = Text(zh="响应时间", en="Answering time")
AUTH = Text(zh="需要密码", en="Asks for a password")
BOUND = Text(zh="监听地址", en="Listens on")
EVENTS = Text(zh="事件流", en="Event stream")
SESSIONS = Text(zh="会话与中止", en="Sessions and abort")
LISTS = Text(zh="待批准与提问", en="Permissions and questions")
MODELS = Text(zh="模型服务", en="Providers and models")
ANSWERS = Text(zh="模型的答复", en="Answers of the models")
PROCESS = Text(zh="进程", en="Process")
UNIT = Text(zh="单元与环境", en="Unit and environment")
DATA = Text(zh="数据目录", en="Data folder")
LOG = Text(zh="日志", en="Log")
RIPGREP = Text(zh="ripgrep", en="ripgrep")

SHORT = Text(
    zh="新聊天用智能体 {agent}（{agent_why}），模型 {model}（{model_why}）",
    en="A new chat gets agent {agent} ({agent_why}) and model {model} ({model_why})",
)
SHORT_NOTHING = Text(
    zh="新聊天没有可用的智能体或模型：{why}",
    en="A new chat gets neither agent nor model: {why}",
)
