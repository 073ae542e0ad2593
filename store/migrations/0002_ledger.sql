-- A turn's life can be read and is moved by one rule: every edge that a turn or its delivery
-- passes is a row, written in the same commit as the change that it tells of. Who works on a
-- turn holds a lease on it; its fence number grows with each claim, and a move that shows an
-- older one is refused: so another replica can take a turn over while its former owner sleeps.
ALTER TABLE turns ADD COLUMN owner TEXT NOT NULL DEFAULT '';        -- the process that works on it
ALTER TABLE turns ADD COLUMN fence BIGINT NOT NULL DEFAULT 0;
ALTER TABLE turns ADD COLUMN lease_until BIGINT NOT NULL DEFAULT 0; -- by the database's clock
ALTER TABLE turns ADD COLUMN stored_at BIGINT NOT NULL DEFAULT 0;   -- by the database's clock

CREATE TABLE edges (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    turn BIGINT NOT NULL,
    edge TEXT NOT NULL,
    fence BIGINT NOT NULL,
    facts TEXT NOT NULL DEFAULT '{}',           -- JSON; never what people or models wrote
    at BIGINT NOT NULL                          -- by the database's clock
);
CREATE INDEX edges_by_turn ON edges (turn, id);

-- A delivery that was refused or never left is tried again, later each time.
ALTER TABLE deliveries ADD COLUMN source TEXT NOT NULL DEFAULT '';     -- the message whose address it was posted to
ALTER TABLE deliveries ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN refusals BIGINT NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN next_at BIGINT NOT NULL DEFAULT 0;   -- not posted again before
CREATE INDEX deliveries_by_state ON deliveries (state, id);

-- That the chat was told of a delivery in doubt, or of one that failed, is a fact of its own:
-- it was written over the cause, which whoever looks after the service still wants to read.
ALTER TABLE deliveries ADD COLUMN told BIGINT NOT NULL DEFAULT 0;
UPDATE deliveries SET told = 1 WHERE cause = 'told';

-- Sessions that may still be at work for a turn that ended without OpenCode's word.
CREATE TABLE doubts (
    session TEXT PRIMARY KEY,
    since BIGINT NOT NULL
);

CREATE INDEX asks_by_turn ON asks (turn);
