-- +goose Up

-- How far the sources have been judged and how they do, as JSON; only the
-- ledger of no rule has it. It dates a stop, and lets an outage outlive it.
ALTER TABLE ledgers ADD COLUMN progress TEXT;

-- +goose Down
ALTER TABLE ledgers DROP COLUMN progress;
