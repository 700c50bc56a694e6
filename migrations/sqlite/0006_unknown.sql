-- +goose Up

-- The message that a notification went in last, which a repeat keeps the ID of;
-- '' for none.
ALTER TABLE notifications ADD COLUMN message TEXT NOT NULL DEFAULT '';

-- Whether a try was not answered after its request had left.
ALTER TABLE notifications ADD COLUMN unknown INTEGER NOT NULL DEFAULT 0;

-- What nobody had answered for was final, and shown as delivered.
UPDATE notifications SET state = 'dead', unknown = 1 WHERE state = 'unknown';
UPDATE notifications SET error = substr(error, 10), unknown = 1 WHERE error LIKE 'unknown: %';

-- +goose Down
UPDATE notifications SET state = 'unknown' WHERE state = 'dead' AND unknown = 1;
ALTER TABLE notifications DROP COLUMN unknown;
ALTER TABLE notifications DROP COLUMN message;
