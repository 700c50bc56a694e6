-- +goose Up

-- Which of the targets of its channel a notification is for; '' for all.
ALTER TABLE notifications ADD COLUMN target TEXT NOT NULL DEFAULT '';

-- The notification that one for a target was made from; '' for none.
ALTER TABLE notifications ADD COLUMN origin TEXT NOT NULL DEFAULT '';

CREATE INDEX notifications_origin ON notifications (origin) WHERE origin <> '';

DROP INDEX notifications_sent;
CREATE INDEX notifications_sent ON notifications (channel, target, done_at) WHERE state = 'sent';

-- +goose Down
DROP INDEX notifications_sent;
CREATE INDEX notifications_sent ON notifications (channel, done_at) WHERE state = 'sent';
DROP INDEX notifications_origin;
ALTER TABLE notifications DROP COLUMN origin;
ALTER TABLE notifications DROP COLUMN target;
