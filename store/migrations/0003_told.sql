-- That the chat was told of a delivery in doubt, or of one that failed, is a fact of its own:
-- it was written over the cause, which whoever looks after the service still wants to read.
ALTER TABLE deliveries ADD COLUMN told BIGINT NOT NULL DEFAULT 0;
UPDATE deliveries SET told = 1 WHERE cause = 'told';
