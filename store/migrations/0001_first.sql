-- The first schema. Times are Unix milliseconds; a person is named by the platform's id of them.

-- A chat (with its member, where a group keeps a session a person) and what was chosen in it.
-- `epoch` grows with every /new and /switch: a turn runs in the session of the epoch it was
-- accepted in, so that both take effect for the next turn, in order.
CREATE TABLE chats (
    key TEXT PRIMARY KEY,
    platform TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('direct', 'group')),
    id TEXT NOT NULL,
    member TEXT NOT NULL,
    epoch BIGINT NOT NULL DEFAULT 0,
    language TEXT NOT NULL DEFAULT '',          -- chosen by /lang; '' = as the settings say
    last_language TEXT NOT NULL DEFAULT '',     -- of the last message, for `auto`
    detail TEXT NOT NULL DEFAULT '',            -- quiet, normal, full; '' = as the settings say
    agent TEXT NOT NULL DEFAULT '',
    model TEXT NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    contact_at BIGINT NOT NULL
);

-- The OpenCode session of each epoch of a chat. `session` is '' until the first turn opens it.
CREATE TABLE sessions (
    chat TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    session TEXT NOT NULL DEFAULT '',
    title TEXT NOT NULL DEFAULT '',
    directory TEXT NOT NULL DEFAULT '',
    opened_at BIGINT NOT NULL,
    PRIMARY KEY (chat, epoch)
);
CREATE INDEX sessions_by_session ON sessions (session);

-- Everything that a platform sent us and we acknowledged, with the bubble that it got.
CREATE TABLE inbound (
    message TEXT PRIMARY KEY,                   -- the platform's message id
    chat TEXT NOT NULL,
    sender TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('prompt', 'command', 'refused', 'event')),
    name TEXT NOT NULL DEFAULT '',              -- the command's or the event's name
    body TEXT NOT NULL DEFAULT '',              -- the command's line or the event's JSON
    stream TEXT,                                -- the bubble's id; NULL for events
    shown TEXT NOT NULL DEFAULT '',             -- what the bubble shows
    finished BIGINT NOT NULL DEFAULT 0,         -- 1: `shown` is the last word of the bubble
    reply_url TEXT NOT NULL DEFAULT '',
    reply_url_state TEXT NOT NULL DEFAULT 'none' CHECK (reply_url_state IN ('none', 'fresh', 'used')),
    received_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX inbound_by_stream ON inbound (stream);
CREATE INDEX inbound_by_chat ON inbound (chat, received_at);
CREATE INDEX inbound_by_age ON inbound (received_at);

-- A prompt and all that OpenCode does until it is over. `n` is the number that people see.
CREATE TABLE turns (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    chat TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    message TEXT NOT NULL UNIQUE,               -- one message is one turn
    sender TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('prompt', 'command')),
    text TEXT NOT NULL,                         -- the prompt, or `name arguments` of an OpenCode command
    quote TEXT NOT NULL DEFAULT '',
    attachments TEXT NOT NULL DEFAULT '[]',
    language TEXT NOT NULL,
    forced BIGINT NOT NULL DEFAULT 0,           -- 1: runs before the others that wait
    bubble BIGINT NOT NULL DEFAULT 0,           -- 1: its message's bubble was left open for it
    retry_of BIGINT,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'stopped', 'dropped')),
    outcome TEXT NOT NULL DEFAULT '',           -- how it ended, a word of bot.turns.outcome
    reason TEXT NOT NULL DEFAULT '',            -- the server's words on a failure
    stopped_by TEXT NOT NULL DEFAULT '',
    session TEXT NOT NULL DEFAULT '',
    directory TEXT NOT NULL DEFAULT '',
    prompt TEXT NOT NULL DEFAULT '',            -- our OpenCode message id, kept before it is sent
    prompt_state TEXT NOT NULL DEFAULT 'none' CHECK (prompt_state IN ('none', 'sending', 'accepted')),
    prompts BIGINT NOT NULL DEFAULT 0,          -- how often it was sent; above 1 only after a swallowed one
    agent TEXT NOT NULL DEFAULT '',
    model TEXT NOT NULL DEFAULT '',
    answer TEXT NOT NULL DEFAULT '',            -- the model's words, whole
    footer TEXT NOT NULL DEFAULT '',            -- what stands below them: outcome, files, links
    sync_before BIGINT NOT NULL DEFAULT 0,
    sync_after BIGINT NOT NULL DEFAULT 0,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    ended_at BIGINT
);
CREATE INDEX turns_by_chat ON turns (chat, n);
CREATE INDEX turns_by_state ON turns (state, n);
CREATE INDEX turns_by_prompt ON turns (prompt) WHERE prompt <> '';

-- What must still reach a chat, or did: final answers and single notices.
CREATE TABLE deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    chat TEXT NOT NULL,
    turn BIGINT UNIQUE,                         -- NULL for a notice
    message TEXT NOT NULL DEFAULT '',           -- the inbound message whose way out is the first choice
    body TEXT NOT NULL,
    footer TEXT NOT NULL DEFAULT '',
    more TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL CHECK (state IN ('due', 'sending', 'sent', 'failed', 'unknown')),
    via TEXT NOT NULL DEFAULT '',               -- bubble, url, contact, result
    cause TEXT NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE INDEX deliveries_by_chat ON deliveries (chat, state, id);

-- A permission or question of OpenCode that waits for a person.
CREATE TABLE asks (
    id TEXT PRIMARY KEY,                        -- OpenCode's id: per_… or que_…
    code TEXT NOT NULL,                         -- what people type
    chat TEXT NOT NULL,
    turn BIGINT NOT NULL,
    session TEXT NOT NULL,                      -- may be a sub-agent's
    directory TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('permission', 'question')),
    body TEXT NOT NULL,                         -- JSON as OpenCode gave it
    state TEXT NOT NULL CHECK (state IN ('open', 'answered', 'expired', 'gone')),
    decision TEXT NOT NULL DEFAULT '',
    decided_by TEXT NOT NULL DEFAULT '',
    asked_at BIGINT NOT NULL,
    expires_at BIGINT,
    decided_at BIGINT
);
CREATE INDEX asks_by_chat ON asks (chat, state);

-- People who wrote without being admitted, and when they were last told so in which chat.
CREATE TABLE strangers (
    sender TEXT NOT NULL,
    chat TEXT NOT NULL,
    told_at BIGINT NOT NULL,
    PRIMARY KEY (sender, chat)
);

-- The mirror of each workspace. A sync looks at the workspace once; a version says what a path was
-- from that sync on (blob '' = known by size and time only, size -1 = gone).
CREATE TABLE syncs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    workspace TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE TABLE versions (
    workspace TEXT NOT NULL,
    path TEXT NOT NULL,
    sync BIGINT NOT NULL,
    blob TEXT NOT NULL,
    size BIGINT NOT NULL,
    mtime_ns BIGINT NOT NULL,
    PRIMARY KEY (workspace, path, sync)
);

-- The manifest: what a turn changed, as links show it.
CREATE TABLE changes (
    turn BIGINT NOT NULL,
    path TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('added', 'modified', 'deleted')),
    blob TEXT NOT NULL,
    before TEXT NOT NULL DEFAULT '',
    size BIGINT NOT NULL,
    added BIGINT,                               -- lines; NULL when it is no text
    removed BIGINT,
    PRIMARY KEY (turn, path)
);

-- One row that is written anew to see whether the disk still takes writes.
CREATE TABLE pings (
    id INTEGER PRIMARY KEY,
    at BIGINT NOT NULL
);
