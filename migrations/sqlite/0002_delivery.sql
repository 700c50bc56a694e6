-- +goose Up

-- The channel that was told too, because the one named failed; '' for none.
ALTER TABLE notifications ADD COLUMN fallback TEXT NOT NULL DEFAULT '';

-- What the service answered last, a status of HTTP or SMTP; 0 for none.
ALTER TABLE notifications ADD COLUMN code INTEGER NOT NULL DEFAULT 0;

-- How a channel is used: fallback, rate, quiet hours, templates. No secret.
ALTER TABLE channels ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';

-- +goose Down
ALTER TABLE channels DROP COLUMN settings;
ALTER TABLE notifications DROP COLUMN code;
ALTER TABLE notifications DROP COLUMN fallback;
