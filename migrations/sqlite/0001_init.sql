-- Times are unix milliseconds in UTC, NULL for none. Lengths of time are
-- nanoseconds. A measured number that is none is NULL. Documents are JSON.

-- +goose Up
PRAGMA application_id = 1953457011; -- "tocs"

-- Counts the commits that touched a subject, so that other processes see
-- cheaply whether they must read it again.
CREATE TABLE revisions (
    subject  TEXT PRIMARY KEY,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO revisions (subject, revision) VALUES ('ledgers', 1), ('silences', 0), ('channels', 0);

-- Small and apart from rules, because it is written with every change of a
-- rule's alerts, and a rule itself seldom changes.
CREATE TABLE ledgers (
    rule_id  TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    judged   INTEGER
) STRICT, WITHOUT ROWID;

-- The ledger of no rule holds tocsin's own messages.
INSERT INTO ledgers (rule_id, revision) VALUES ('', 1);

CREATE TABLE rules (
    id          TEXT PRIMARY KEY CHECK (id <> '') REFERENCES ledgers (rule_id),
    owner       TEXT NOT NULL,
    name        TEXT NOT NULL,
    title       TEXT NOT NULL,
    measurement TEXT NOT NULL,
    enabled     INTEGER NOT NULL,
    deleted_at  INTEGER,
    body        TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX rules_name ON rules (owner, name) WHERE deleted_at IS NULL;

CREATE TABLE versions (
    id      INTEGER PRIMARY KEY,
    rule_id TEXT NOT NULL REFERENCES rules (id),
    version INTEGER NOT NULL,
    act     TEXT NOT NULL,
    author  TEXT NOT NULL,
    door    TEXT NOT NULL,
    at      INTEGER NOT NULL,
    body    TEXT NOT NULL
) STRICT;

CREATE INDEX versions_rule ON versions (rule_id);

CREATE TABLE instances (
    rule_id        TEXT NOT NULL REFERENCES ledgers (rule_id),
    series         TEXT NOT NULL,
    state          TEXT NOT NULL,
    since          INTEGER,
    quiet_since    INTEGER,
    stood          INTEGER NOT NULL,
    cooldown_until INTEGER,
    untold         INTEGER NOT NULL,
    snooze         TEXT,
    seen           INTEGER,
    ok_at          INTEGER,
    rejudge        INTEGER NOT NULL,
    value          REAL,
    text           TEXT NOT NULL,
    level          INTEGER NOT NULL,
    recent         TEXT NOT NULL, -- "time value verdict", one a line, the oldest first
    PRIMARY KEY (rule_id, series)
) STRICT, WITHOUT ROWID;

CREATE TABLE alerts (
    id          TEXT PRIMARY KEY,
    rule_id     TEXT NOT NULL REFERENCES ledgers (rule_id),
    series      TEXT NOT NULL,
    status      TEXT NOT NULL,
    severity    TEXT NOT NULL,
    started_at  INTEGER NOT NULL,
    resolved_at INTEGER,
    value       REAL,
    peak        REAL,
    body        TEXT NOT NULL
) STRICT;

CREATE INDEX alerts_started ON alerts (started_at, id);
CREATE INDEX alerts_rule ON alerts (rule_id, started_at);
CREATE INDEX alerts_live ON alerts (rule_id, started_at, status) WHERE resolved_at IS NULL;
CREATE INDEX alerts_resolved ON alerts (resolved_at) WHERE resolved_at IS NOT NULL;

CREATE TABLE notifications (
    id        TEXT PRIMARY KEY,
    rule_id   TEXT NOT NULL REFERENCES ledgers (rule_id),
    alert_id  TEXT REFERENCES alerts (id) ON DELETE CASCADE,
    channel   TEXT NOT NULL,
    reason    TEXT NOT NULL,
    state     TEXT NOT NULL,
    held_by   TEXT NOT NULL,
    booked_at INTEGER,
    due       INTEGER,
    attempts  INTEGER NOT NULL,
    error     TEXT NOT NULL,
    done_at   INTEGER,
    facts     TEXT NOT NULL
) STRICT;

CREATE INDEX notifications_alert ON notifications (alert_id);
CREATE INDEX notifications_unfinished ON notifications (rule_id, alert_id) WHERE state IN ('held', 'owed', 'sending');
CREATE INDEX notifications_sent ON notifications (channel, done_at) WHERE state = 'sent';
CREATE INDEX notifications_failed ON notifications (channel) WHERE error <> '';

CREATE TABLE silences (
    id    TEXT PRIMARY KEY,
    until INTEGER,
    body  TEXT NOT NULL
) STRICT;

CREATE TABLE channels (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    kind       TEXT NOT NULL,
    sealed     BLOB NOT NULL,
    author     TEXT NOT NULL,
    door       TEXT NOT NULL,
    created_at INTEGER
) STRICT;

-- +goose Down
DROP TABLE channels;
DROP TABLE silences;
DROP TABLE notifications;
DROP TABLE alerts;
DROP TABLE instances;
DROP TABLE versions;
DROP TABLE rules;
DROP TABLE ledgers;
DROP TABLE revisions;
