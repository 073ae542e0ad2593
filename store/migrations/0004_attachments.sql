-- What people send beside words: images, files, videos. Where each is to be had (for a few minutes)
-- and what decrypts it is kept with the message, so that a crash forgets none; both are forgotten
-- once it is here or cannot be had. `message` is the one whose turn it goes with: a sentence takes
-- over the files that were sent alone just before it; `source` brought it.
CREATE TABLE attachments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    message TEXT NOT NULL,
    source TEXT NOT NULL,
    ordinal BIGINT NOT NULL,
    channel TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('image', 'file', 'video', 'voice')),
    url TEXT NOT NULL,
    key TEXT NOT NULL,
    name TEXT NOT NULL,
    mime TEXT NOT NULL DEFAULT '',
    size BIGINT NOT NULL DEFAULT 0,
    blob TEXT NOT NULL DEFAULT '',              -- the copy in the data folder
    path TEXT NOT NULL DEFAULT '',              -- where it lies in the chat's workspace
    state TEXT NOT NULL CHECK (state IN ('due', 'kept', 'failed')),
    cause TEXT NOT NULL DEFAULT '',             -- why it failed, a word of bot.media
    received_at BIGINT NOT NULL,
    UNIQUE (source, ordinal)
);
CREATE INDEX attachments_by_message ON attachments (message, id);
CREATE INDEX attachments_by_state ON attachments (state, id);
-- The few files that wait for a sentence: every message looks whether it is that sentence.
CREATE INDEX turns_alone ON turns (chat, sender) WHERE state = 'queued' AND not_before > 0;
