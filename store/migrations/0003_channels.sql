-- WeCom reaches us by several channels: the AI bot's callback, its long connection, an application.
-- What answers a message leaves by the channel that brought it. `handle` is what such an answer
-- must name: the request id on the long connection, empty elsewhere. A turn may wait for a moment
-- (`not_before`): a file for the sentence that follows it.
ALTER TABLE inbound ADD COLUMN channel TEXT NOT NULL DEFAULT 'callback';
ALTER TABLE inbound ADD COLUMN handle TEXT NOT NULL DEFAULT '';
ALTER TABLE turns ADD COLUMN channel TEXT NOT NULL DEFAULT 'callback';
ALTER TABLE turns ADD COLUMN not_before BIGINT NOT NULL DEFAULT 0;
ALTER TABLE deliveries ADD COLUMN channel TEXT NOT NULL DEFAULT 'callback';
