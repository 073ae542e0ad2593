"""The statements of the deliveries, and the moves that a delivery may make."""

from store.edges import Move
from store.records import Delivery
from store.rows import columns

# ruff: noqa: S608 - only constants are put together

LISTED = 200
IN_FLIGHT = 1000
COLUMNS = columns(Delivery)
ADD = f"""
    INSERT INTO deliveries (
        chat, turn, message, body, footer, more, state, created_at, changed_at, channel
    )
    VALUES (
        $1, $2, $3, $4, $5, $6, 'due', $7, $7,
        COALESCE((SELECT channel FROM inbound WHERE inbound.message = $3), 'callback')
    )
    RETURNING {COLUMNS}
"""
KEEP_FOR_TURN = """
    INSERT INTO deliveries (
        chat, turn, message, body, footer, more, file, state, created_at, changed_at, channel
    )
    SELECT $2, CASE WHEN $7 = '' THEN n END, $3, $4, $5, $6, $7, 'due', $8, $8, channel FROM turns
    WHERE n = $1 AND state IN ('queued', 'running') AND fence = $9
    ON CONFLICT (turn) DO NOTHING
"""
TELL_OF = """
    INSERT INTO deliveries (
        chat, turn, message, body, footer, more, state, created_at, changed_at, channel
    )
    SELECT chat, NULL, message, $2, '', '', 'due', now_ms(), now_ms(), channel FROM deliveries
    WHERE id = $1 AND state = 'sending'
"""
GET = f"SELECT {COLUMNS} FROM deliveries WHERE id = $1"
OF_TURN = f"SELECT {COLUMNS} FROM deliveries WHERE turn = $1"
DUE = f"""
    SELECT {COLUMNS} FROM deliveries
    WHERE chat = $1 AND state = 'due' AND channel = $2 ORDER BY id
"""
# A notice can be fetched by nothing: one that no address took is shown by the next contact.
# A file comes by itself wherever it can, and its failure is told in a notice.
AT_CONTACT = """(
    (state = 'due' AND (file = '' OR channel = 'callback'))
    OR (state = 'failed' AND turn IS NULL AND file = '')
)"""
WAITING = f"SELECT {COLUMNS} FROM deliveries WHERE chat = $1 AND {AT_CONTACT} ORDER BY id"
NOTICES_OF = f"SELECT {COLUMNS} FROM deliveries WHERE message = $1 AND turn IS NULL ORDER BY id"
ALL_WAITING = f"""
    SELECT {COLUMNS} FROM deliveries WHERE state = 'due' AND channel = $1 ORDER BY id
"""
ALL_SENDING = f"""
    SELECT {COLUMNS} FROM deliveries WHERE state = 'sending' AND channel = $1 ORDER BY id
"""
# Few can have left in the time that anybody asks for.
PUSHED = f"""
    SELECT {COLUMNS} FROM deliveries
    WHERE id > (SELECT COALESCE(MAX(id), 0) FROM deliveries) - {IN_FLIGHT}
    AND via = $1 AND changed_at >= $2 ORDER BY changed_at, id
"""
# Of a channel that is off (`$1`), to one that is on (`$2`); `$3` = 0: to one without groups.
MOVES = "channel = $1 AND ($3 = 1 OR chat IN (SELECT key FROM chats WHERE kind = 'direct'))"
MOVE_HOUSE = f"UPDATE deliveries SET channel = $2 WHERE state = 'due' AND {MOVES} RETURNING id"
# What a turn that is not over says has the channel of its message, and its final that of the turn.
MOVE_MESSAGES = f"""
    UPDATE inbound SET channel = $2
    WHERE message IN (SELECT message FROM turns WHERE state IN ('queued', 'running')) AND {MOVES}
"""
MOVE_TURNS = f"UPDATE turns SET channel = $2 WHERE state IN ('queued', 'running') AND {MOVES}"
CHANNELS_OWING = """
    SELECT channel FROM deliveries WHERE state IN ('due', 'sending')
    UNION SELECT channel FROM turns WHERE state IN ('queued', 'running')
"""
UNTOLD = f"""
    SELECT {COLUMNS} FROM deliveries
    WHERE chat = $1 AND (state = 'unknown' OR (state = 'failed' AND turn IS NOT NULL)) AND told = 0
    ORDER BY id
"""
UNSENT = f"SELECT {COLUMNS} FROM deliveries WHERE state <> 'sent'"
NEWEST_UNSENT = f"ORDER BY id DESC LIMIT {LISTED}"
UNSENT_IN = f"{UNSENT} AND state = $1 {NEWEST_UNSENT}"
UNSENT_OF = f"{UNSENT} AND chat = $1 {NEWEST_UNSENT}"
UNSENT_ALL = f"{UNSENT} {NEWEST_UNSENT}"
# Chats whose oldest delivery with an address may be posted now, to that of its own message
# or of a command that came later ($1 = now, $2 = the age at which addresses end).
READY = """
    WITH usable AS (
        SELECT due.chat, due.id, due.next_at FROM deliveries AS due
        LEFT JOIN inbound AS own ON own.message = due.message
        WHERE due.state = 'due' AND due.channel = 'callback' AND (
            (own.reply_url_state = 'fresh' AND own.received_at > $2)
            OR EXISTS (
                SELECT 1 FROM inbound AS later
                WHERE later.chat = due.chat AND later.reply_url_state = 'fresh'
                AND later.kind IN ('command', 'refused', 'event') AND later.received_at > $2
                AND later.received_at >= COALESCE(own.received_at, 0)
            )
        )
    )
    SELECT chat FROM usable
    WHERE next_at <= $1
    AND id = (SELECT MIN(id) FROM usable AS first WHERE first.chat = usable.chat)
    AND NOT EXISTS (
        SELECT 1 FROM deliveries AS older WHERE older.chat = usable.chat
        AND older.id < usable.id AND older.state = 'sending' AND older.file = ''
    )
    ORDER BY id
"""
NEXT_AT = """
    SELECT MIN(next_at) FROM deliveries WHERE state = 'due' AND channel = $2 AND next_at > $1
"""
IS = "deliveries.id = $1 AND deliveries.state"
ENDS = "changed_at = now_ms(), told = 0, cause = $3"
SHOWN = Move(
    "shown",
    "deliveries",
    when=f"({IS} = 'due' OR ({IS} = 'failed' AND deliveries.turn IS NULL))",
    changes="state = 'sent', via = $3, changed_at = now_ms()",
)
FETCHED = Move(
    "shown",
    "deliveries",
    when=f"{IS} IN ('due', 'unknown', 'failed')",
    changes="state = 'sent', via = 'result', changed_at = now_ms()",
)
# An older one on its way must be settled first: it would else arrive behind a younger one.
SENDING = Move(
    "sending",
    "deliveries",
    when=f"""
        {IS} = 'due'
        AND EXISTS (SELECT 1 FROM inbound WHERE message = $3 AND reply_url_state = 'fresh')
        AND NOT EXISTS (
            SELECT 1 FROM deliveries AS older WHERE older.chat = deliveries.chat
            AND older.id < deliveries.id AND older.state = 'sending' AND older.file = ''
        )
    """,
    changes="""
        state = 'sending', via = 'url', source = $3, cause = '', attempts = attempts + 1,
        changed_at = now_ms()
    """,
)
# Words do not wait for a file.
PUSHING = Move(
    "sending",
    "deliveries",
    when=f"""
        {IS} = 'due'
        AND NOT EXISTS (
            SELECT 1 FROM deliveries AS older WHERE older.chat = deliveries.chat
            AND older.id < deliveries.id AND older.state = 'sending'
            AND (older.file = '' OR deliveries.file <> '')
        )
    """,
    changes="""
        state = 'sending', via = $3, source = message, cause = '', attempts = attempts + 1,
        changed_at = now_ms()
    """,
    returns=COLUMNS,
)
TAKE_ADDRESS = """
    UPDATE inbound SET reply_url_state = 'used'
    WHERE message = $2 AND reply_url_state = 'fresh'
    AND EXISTS (SELECT 1 FROM deliveries WHERE id = $1 AND state = 'sending' AND source = $2)
    RETURNING reply_url
"""
# A cause while it is sending says that the repeat has begun: there is never a second one.
REPEATING = Move(
    "sending",
    "deliveries",
    when=f"{IS} = 'sending' AND deliveries.cause = ''",
    changes="cause = $3, attempts = attempts + 1, changed_at = now_ms()",
)
# A repeat that did not leave is none: the address is kept, and it may be made again.
POSTPONED = Move(
    "unsent",
    "deliveries",
    when=f"{IS} = 'sending'",
    changes="cause = '', next_at = $3, changed_at = now_ms()",
)
SENT = Move("shown", "deliveries", when=f"{IS} = 'sending'", changes=f"state = 'sent', {ENDS}")
DOUBTED = Move(
    "doubted", "deliveries", when=f"{IS} = 'sending'", changes=f"state = 'unknown', {ENDS}"
)
FAILED = Move(
    "failed", "deliveries", when=f"{IS} IN ('due', 'sending')", changes=f"state = 'failed', {ENDS}"
)
# What was marked as shown by a poll of the last run, whose bubble nobody can have seen finished:
# `$3` = the age at which WeCom asks for a bubble no more. Few can have been on their way.
UNSEEN = Move(
    "doubted",
    "deliveries",
    when=f"""
        deliveries.id > (SELECT COALESCE(MAX(id), 0) FROM deliveries) - {IN_FLIGHT} AND $1 = 0
        AND deliveries.state = 'sent' AND deliveries.via = 'bubble' AND EXISTS (
            SELECT 1 FROM inbound WHERE inbound.message = deliveries.message
            AND inbound.finished = 0 AND inbound.received_at < $3
        )
    """,
    changes="state = 'unknown', cause = 'the service was cut off', told = 0, changed_at = now_ms()",
    returns=COLUMNS,
)
GIVE_BACK = """
    UPDATE inbound SET reply_url_state = 'fresh'
    WHERE message = (SELECT source FROM deliveries WHERE id = $1 AND state = 'sending')
    AND reply_url_state = 'used'
"""
RELEASED = Move(
    "unsent",
    "deliveries",
    when=f"{IS} = 'sending'",
    changes="state = 'due', via = '', cause = $3, next_at = $4, changed_at = now_ms()",
)
REFUSED = Move(
    "unsent",
    "deliveries",
    when=f"{IS} = 'sending'",
    changes="state = 'due', via = '', cause = $3, refusals = refusals + 1, changed_at = now_ms()",
)
RETRIED = Move(
    "retried",
    "deliveries",
    when=f"{IS} IN ('unknown', 'failed')",
    changes="""
        state = 'due', via = '', source = '', cause = '', attempts = 0, refusals = 0, next_at = 0,
        told = 0, changed_at = now_ms()
    """,
)
TOLD = "UPDATE deliveries SET told = 1 WHERE id = $1 AND state IN ('unknown', 'failed')"
OLDEST = "SELECT MIN(created_at) FROM deliveries WHERE state = $1"
SENDING_SINCE = "SELECT MIN(changed_at) FROM deliveries WHERE state = 'sending'"
BACKLOG = f"""
    SELECT state, COUNT(id), MIN(created_at) FROM deliveries
    WHERE state <> 'sent'
    AND NOT (chat = $1 AND {AT_CONTACT})
    GROUP BY state
"""
# Of a file that did not arrive its chat was told: but for a list ($1 = 1) it is nobody's matter.
COUNTS = """
    SELECT state, COUNT(id) FROM deliveries
    WHERE $1 = 1 OR file = '' OR state NOT IN ('failed', 'unknown') GROUP BY state
"""
PURGE_NOTICES = """
    DELETE FROM deliveries WHERE id IN (
        SELECT id FROM deliveries WHERE turn IS NULL AND created_at < $1 ORDER BY id LIMIT $2
    )
    RETURNING id
"""
