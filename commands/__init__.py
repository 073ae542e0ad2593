"""The verbs that people type: one module each, and the list of them."""

from commands.agent import agent
from commands.allow import allow
from commands.always import always
from commands.answer import answer
from commands.deny import deny
from commands.detail import detail
from commands.diff import diff
from commands.doctor import doctor
from commands.drop import drop
from commands.files import files
from commands.force import force
from commands.help import help_about
from commands.lang import lang
from commands.model import model
from commands.new import new
from commands.pending import pending
from commands.queue import queue
from commands.recycle import recycle
from commands.registry import Commands
from commands.rename import rename
from commands.result import result
from commands.retry import retry
from commands.send import send
from commands.sessions import sessions
from commands.status import status
from commands.stop import stop
from commands.switch import switch
from commands.whoami import whoami
from commands.why import why

# In the order in which /help shows them.
VERBS = (
    *(new, stop, force, status, queue, drop, retry, result),
    *(sessions, switch, rename),
    *(agent, model, detail, lang),
    *(files, diff, send),
    *(pending, allow, always, deny, answer),
    *(whoami, why, doctor, recycle),
)
COMMANDS = Commands(help_about(VERBS), *VERBS)
