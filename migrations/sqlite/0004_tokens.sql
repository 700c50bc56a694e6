-- +goose Up

-- What opens the daemon's listener to others. Only a SHA-256 of each token is
-- here; a day's first use is all that is written of its use.
CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    sum        BLOB NOT NULL,
    scope      TEXT NOT NULL,
    author     TEXT NOT NULL,
    door       TEXT NOT NULL,
    created_at INTEGER,
    expires_at INTEGER,
    used_at    INTEGER
) STRICT;

INSERT INTO revisions (subject, revision) VALUES ('tokens', 0);

-- +goose Down
DELETE FROM revisions WHERE subject = 'tokens';
DROP TABLE tokens;
