-- Times are unix milliseconds in UTC, NULL for none. Lengths of time are
-- nanoseconds. A measured number that is none is NULL. Documents are JSON.
--
-- Keys, and texts that come from data, are bytes: they compare as they are, no
-- blank at an end is lost, and nothing that a source writes is refused.
--
-- Each statement can be run again, since none can be taken back: a migration
-- that was interrupted goes on from its beginning.

-- +goose Up

-- Counts the commits that touched a subject. Who writes ledgers counts first,
-- so that a higher number is never committed before a lower one. Numbers of
-- versions and audit entries come from here too, because they have no gaps.
CREATE TABLE IF NOT EXISTS revisions (
    subject  VARBINARY(32) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

INSERT IGNORE INTO revisions (subject, revision)
VALUES ('ledgers', 1), ('silences', 0), ('channels', 0), ('tokens', 0), ('versions', 0), ('audit', 0);

-- Who writes, and its last commit: what a process asks that lost its connection
-- before it heard what became of one. Fencing a writer stops the one that it
-- does not know of.
CREATE TABLE IF NOT EXISTS writers (
    id      BINARY(16) NOT NULL PRIMARY KEY,
    commits BIGINT NOT NULL,
    fence   BIGINT NOT NULL,
    at      BIGINT NOT NULL,
    KEY writers_at (at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Who does a thing that one alone may do, until when by the database's clock. Its
-- token grows with each that takes it: a commit under an older one is refused.
CREATE TABLE IF NOT EXISTS leases (
    name   VARBINARY(255) NOT NULL PRIMARY KEY,
    holder VARBINARY(255) NOT NULL,
    token  BIGINT NOT NULL,
    until  BIGINT NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS ledgers (
    rule_id  VARBINARY(255) NOT NULL PRIMARY KEY,
    revision BIGINT NOT NULL,
    judged   BIGINT,
    matched  TINYINT NOT NULL DEFAULT 0,
    progress LONGTEXT, -- of tocsin's own ledger only
    KEY ledgers_revision (revision)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- The ledger of no rule holds tocsin's own messages.
INSERT IGNORE INTO ledgers (rule_id, revision) VALUES ('', 1);

CREATE TABLE IF NOT EXISTS rules (
    id          VARBINARY(255) NOT NULL PRIMARY KEY,
    owner       VARBINARY(255) NOT NULL,
    name        VARBINARY(255) NOT NULL,
    title       MEDIUMBLOB NOT NULL,
    measurement MEDIUMBLOB NOT NULL,
    enabled     TINYINT NOT NULL,
    deleted_at  BIGINT,
    body        LONGTEXT NOT NULL,
    live_name   VARBINARY(255) AS (IF(deleted_at IS NULL, name, NULL)) STORED,
    UNIQUE KEY rules_name (owner, live_name),
    KEY rules_all (deleted_at, name),
    KEY rules_owner (owner, deleted_at, name),
    CONSTRAINT rules_ledger FOREIGN KEY (id) REFERENCES ledgers (rule_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS versions (
    id      BIGINT NOT NULL PRIMARY KEY,
    rule_id VARBINARY(255) NOT NULL,
    version BIGINT NOT NULL,
    act     VARBINARY(255) NOT NULL,
    author  MEDIUMBLOB NOT NULL,
    door    VARBINARY(255) NOT NULL,
    at      BIGINT NOT NULL,
    body    LONGTEXT NOT NULL,
    KEY versions_rule (rule_id, version),
    CONSTRAINT versions_rule FOREIGN KEY (rule_id) REFERENCES rules (id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS instances (
    rule_id        VARBINARY(255) NOT NULL,
    series_sum     BINARY(32) NOT NULL, -- SHA-256, because a series may be longer than any key
    series         MEDIUMBLOB NOT NULL,
    state          VARBINARY(32) NOT NULL,
    since          BIGINT,
    quiet_since    BIGINT,
    stood          BIGINT NOT NULL,
    cooldown_until BIGINT,
    untold         BIGINT NOT NULL,
    snooze         LONGTEXT,
    seen           BIGINT,
    ok_at          BIGINT,
    rejudge        TINYINT NOT NULL,
    value          DOUBLE,
    text           MEDIUMBLOB NOT NULL,
    level          BIGINT NOT NULL,
    recent         MEDIUMBLOB NOT NULL, -- "time value verdict", one a line, the oldest first
    PRIMARY KEY (rule_id, series_sum),
    CONSTRAINT instances_ledger FOREIGN KEY (rule_id) REFERENCES ledgers (rule_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS alerts (
    id          VARBINARY(255) NOT NULL PRIMARY KEY,
    rule_id     VARBINARY(255) NOT NULL,
    owner       VARBINARY(255) NOT NULL, -- of its rule, which never changes
    series      MEDIUMBLOB NOT NULL,
    status      VARBINARY(32) NOT NULL,
    severity    VARBINARY(32) NOT NULL,
    started_at  BIGINT NOT NULL,
    resolved_at BIGINT,
    value       DOUBLE,
    peak        DOUBLE,
    body        LONGTEXT NOT NULL,
    KEY alerts_started (started_at),
    KEY alerts_rule (rule_id, started_at),
    KEY alerts_owner (owner, started_at),
    KEY alerts_open (resolved_at, started_at),
    KEY alerts_open_rule (rule_id, resolved_at),
    KEY alerts_open_owner (owner, resolved_at, started_at),
    CONSTRAINT alerts_ledger FOREIGN KEY (rule_id) REFERENCES ledgers (rule_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS notifications (
    place     BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    id        VARBINARY(255) NOT NULL,
    rule_id   VARBINARY(255) NOT NULL,
    alert_id  VARBINARY(255),
    channel   VARBINARY(255) NOT NULL,
    target    VARBINARY(700) NOT NULL, -- which of those of the channel; '' for all
    origin    VARBINARY(255) NOT NULL, -- the one that one for a target was made from; '' for none
    reason    VARBINARY(32) NOT NULL,
    state     VARBINARY(32) NOT NULL,
    held_by   MEDIUMBLOB NOT NULL,
    booked_at BIGINT,
    due       BIGINT,
    attempts  BIGINT NOT NULL,
    message   VARBINARY(255) NOT NULL, -- that it went in last; '' for none
    unknown   TINYINT NOT NULL,        -- a try was not answered after its request had left
    error     VARBINARY(700) NOT NULL,
    code      BIGINT NOT NULL,
    done_at   BIGINT,
    fallback  VARBINARY(255) NOT NULL, -- the channel that was told too; '' for none
    facts     LONGTEXT NOT NULL,
    failed_at BIGINT AS (IF(error <> '' AND state <> 'sent', COALESCE(done_at, due), NULL)) STORED,
    UNIQUE KEY notifications_id (id),
    KEY notifications_alert (alert_id),
    KEY notifications_unfinished (state, rule_id, alert_id),
    KEY notifications_sent (channel, target, state, done_at),
    KEY notifications_failed (channel, target, failed_at),
    KEY notifications_dead (state, done_at),
    KEY notifications_origin (origin),
    CONSTRAINT notifications_ledger FOREIGN KEY (rule_id) REFERENCES ledgers (rule_id),
    CONSTRAINT notifications_alert FOREIGN KEY (alert_id) REFERENCES alerts (id) ON DELETE CASCADE
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS silences (
    id    VARBINARY(255) NOT NULL PRIMARY KEY,
    until BIGINT,
    body  LONGTEXT NOT NULL,
    KEY silences_until (until)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS channels (
    id         VARBINARY(255) NOT NULL PRIMARY KEY,
    name       VARBINARY(255) NOT NULL,
    kind       VARBINARY(255) NOT NULL,
    sealed     LONGBLOB NOT NULL,
    settings   LONGTEXT NOT NULL, -- no secret
    author     MEDIUMBLOB NOT NULL,
    door       VARBINARY(255) NOT NULL,
    created_at BIGINT,
    UNIQUE KEY channels_name (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Only a SHA-256 of each token is here.
CREATE TABLE IF NOT EXISTS tokens (
    id         VARBINARY(255) NOT NULL PRIMARY KEY,
    name       VARBINARY(255) NOT NULL,
    sum        VARBINARY(64) NOT NULL,
    scope      VARBINARY(255) NOT NULL,
    author     MEDIUMBLOB NOT NULL,
    door       VARBINARY(255) NOT NULL,
    created_at BIGINT,
    expires_at BIGINT,
    used_at    BIGINT,
    UNIQUE KEY tokens_name (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- What was done, or prevented, through a door that models use.
CREATE TABLE IF NOT EXISTS audit (
    id      BIGINT NOT NULL PRIMARY KEY,
    at      BIGINT NOT NULL,
    author  VARBINARY(255) NOT NULL,
    door    VARBINARY(255) NOT NULL,
    client  MEDIUMBLOB NOT NULL,
    tool    VARBINARY(255) NOT NULL,
    about   VARBINARY(255) NOT NULL,
    outcome VARBINARY(255) NOT NULL,
    body    LONGTEXT NOT NULL,
    KEY audit_at (at),
    KEY audit_author (author),
    KEY audit_tool (tool),
    KEY audit_about (about)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- Random keys that all processes on this database share. They open no channel.
CREATE TABLE IF NOT EXISTS secrets (
    name  VARBINARY(255) NOT NULL PRIMARY KEY,
    value VARBINARY(255) NOT NULL
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin;

-- +goose Down
DROP TABLE IF EXISTS secrets;
DROP TABLE IF EXISTS audit;
DROP TABLE IF EXISTS tokens;
DROP TABLE IF EXISTS channels;
DROP TABLE IF EXISTS silences;
DROP TABLE IF EXISTS notifications;
DROP TABLE IF EXISTS alerts;
DROP TABLE IF EXISTS instances;
DROP TABLE IF EXISTS versions;
DROP TABLE IF EXISTS rules;
DROP TABLE IF EXISTS ledgers;
DROP TABLE IF EXISTS leases;
DROP TABLE IF EXISTS writers;
DROP TABLE IF EXISTS revisions;
