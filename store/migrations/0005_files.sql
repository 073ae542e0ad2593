-- A file that goes with an answer is a delivery of its own, behind that of the answer: `file` is its
-- path in the workspace of the turn that answers `message`; `body` names it, for a channel that
-- can bring words alone.
ALTER TABLE deliveries ADD COLUMN file TEXT NOT NULL DEFAULT '';
