-- +goose Up

-- What was done, or prevented, through a door that models use. Reading is not
-- in it: a model that looks every minute would wear out an SD card.
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    author  TEXT NOT NULL,
    door    TEXT NOT NULL,
    client  TEXT NOT NULL,
    tool    TEXT NOT NULL,
    about   TEXT NOT NULL,
    outcome TEXT NOT NULL,
    body    TEXT NOT NULL -- arguments, text and changes
) STRICT;

CREATE INDEX audit_at ON audit (at);

-- Random keys that all processes on this database share. They open no channel.
CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- +goose Down
DROP TABLE secrets;
DROP TABLE audit;
