-- +goose Up

-- Whether a series of the rule ever had a value, so that a misspelt one is found.
ALTER TABLE ledgers ADD COLUMN matched INTEGER NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE ledgers DROP COLUMN matched;
