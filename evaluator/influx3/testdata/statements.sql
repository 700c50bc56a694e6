-- plain aggregates
SELECT "host", avg(CAST("usage" AS DOUBLE)) AS "mean(usage)", min(CAST("usage" AS DOUBLE)) AS "min(usage)", max(CAST("usage" AS DOUBLE)) AS "max(usage)", sum(CAST("usage" AS DOUBLE)) AS "sum(usage)", count("usage") AS "count(usage)", stddev(CAST("usage" AS DOUBLE)) AS "stddev(usage)", max(CAST("usage" AS DOUBLE)) - min(CAST("usage" AS DOUBLE)) AS "spread(usage)", max(time) AS "last" FROM "cpu" WHERE time > TIMESTAMP '2026-03-02T11:55:00.000000000Z' AND time <= TIMESTAMP '2026-03-02T12:00:00.000000000Z' AND "usage" IS NOT NULL GROUP BY "host"

-- latest and first of one field
SELECT "host", last_value("usage" ORDER BY time, "usage") AS "latest(usage)", first_value("usage" ORDER BY time, "usage" DESC) AS "first(usage)", max(time) AS "last" FROM "cpu" WHERE time > TIMESTAMP '2026-03-02T11:55:00.000000000Z' AND time <= TIMESTAMP '2026-03-02T12:00:00.000000000Z' AND "usage" IS NOT NULL GROUP BY "host"

-- latest of fields with other gaps
SELECT g0 AS "host", last_value(v0 ORDER BY t0 NULLS FIRST, v0) AS "latest(usage)", last_value(v1 ORDER BY t1 NULLS FIRST, v1) AS "latest(idle)", first_value(v1 ORDER BY t1 NULLS LAST, v1 DESC) AS "first(idle)", max(time) AS "last" FROM (SELECT "host" AS g0, time, "usage" AS v0, CASE WHEN "usage" IS NOT NULL THEN time END AS t0, "idle" AS v1, CASE WHEN "idle" IS NOT NULL THEN time END AS t1 FROM "cpu" WHERE time > TIMESTAMP '2026-03-02T11:55:00.000000000Z' AND time <= TIMESTAMP '2026-03-02T12:00:00.000000000Z' AND ("usage" IS NOT NULL OR "idle" IS NOT NULL)) AS points GROUP BY g0

-- percentile
SELECT g0 AS "host", max(CASE WHEN r0 IN (1, (n0 * 95 + 50) / 100) THEN CAST(v0 AS DOUBLE) END) AS "p95(usage)", max(CASE WHEN r0 IN (1, (n0 * 50 + 50) / 100) THEN CAST(v0 AS DOUBLE) END) AS "p50(usage)", max(time) AS "last" FROM (SELECT "host" AS g0, time, "usage" AS v0, CASE WHEN "usage" IS NOT NULL THEN time END AS t0, row_number() OVER (PARTITION BY "host", "usage" IS NULL ORDER BY CAST("usage" AS DOUBLE)) AS r0, count(*) OVER (PARTITION BY "host", "usage" IS NULL) AS n0 FROM "cpu" WHERE time > TIMESTAMP '2026-03-02T11:55:00.000000000Z' AND time <= TIMESTAMP '2026-03-02T12:00:00.000000000Z' AND "usage" IS NOT NULL) AS points GROUP BY g0

-- rate
SELECT g0 AS "host", sum(CASE WHEN CAST(v0 AS DOUBLE) > p0 THEN CAST(v0 AS DOUBLE) - p0 WHEN p0 IS NOT NULL THEN 0 END / nullif(e0, 0)) * 1e9 AS "rate(usage)", max(time) AS "last" FROM (SELECT "host" AS g0, time, "usage" AS v0, CASE WHEN "usage" IS NOT NULL THEN time END AS t0, lag(CAST("usage" AS DOUBLE)) OVER (PARTITION BY "host", "usage" IS NULL ORDER BY time) AS p0, CAST(max(time) OVER (PARTITION BY "host", "usage" IS NULL) AS BIGINT) - CAST(min(time) OVER (PARTITION BY "host", "usage" IS NULL) AS BIGINT) AS e0 FROM "cpu" WHERE time > TIMESTAMP '2026-03-02T11:55:00.000000000Z' AND time <= TIMESTAMP '2026-03-02T12:00:00.000000000Z' AND "usage" IS NOT NULL) AS points GROUP BY g0

-- steps
SELECT "host", date_bin(INTERVAL '30 seconds', time, TIMESTAMP '2026-03-02T11:55:00.000000001Z') AS "bin", avg(CAST("usage" AS DOUBLE)) AS "mean(usage)", max(time) AS "last" FROM "cpu" WHERE time > TIMESTAMP '2026-03-02T11:55:00.000000000Z' AND time <= TIMESTAMP '2026-03-02T12:00:00.000000000Z' AND "usage" IS NOT NULL GROUP BY "host", date_bin(INTERVAL '30 seconds', time, TIMESTAMP '2026-03-02T11:55:00.000000001Z')

-- steps of less than a second, in order
SELECT g0 AS "host", "bin", sum(CASE WHEN CAST(v0 AS DOUBLE) > p0 THEN CAST(v0 AS DOUBLE) - p0 WHEN p0 IS NOT NULL THEN 0 END / nullif(e0, 0)) * 1e9 AS "rate(usage)", max(CASE WHEN r0 IN (1, (n0 * 1 + 50) / 100) THEN CAST(v0 AS DOUBLE) END) AS "p1(usage)", max(time) AS "last" FROM (SELECT "host" AS g0, date_bin(INTERVAL '1500000000 nanoseconds', time, TIMESTAMP '2026-03-02T11:55:00.000000001Z') AS "bin", time, "usage" AS v0, CASE WHEN "usage" IS NOT NULL THEN time END AS t0, row_number() OVER (PARTITION BY "host", date_bin(INTERVAL '1500000000 nanoseconds', time, TIMESTAMP '2026-03-02T11:55:00.000000001Z'), "usage" IS NULL ORDER BY CAST("usage" AS DOUBLE)) AS r0, count(*) OVER (PARTITION BY "host", date_bin(INTERVAL '1500000000 nanoseconds', time, TIMESTAMP '2026-03-02T11:55:00.000000001Z'), "usage" IS NULL) AS n0, lag(CAST("usage" AS DOUBLE)) OVER (PARTITION BY "host", date_bin(INTERVAL '1500000000 nanoseconds', time, TIMESTAMP '2026-03-02T11:55:00.000000001Z'), "usage" IS NULL ORDER BY time) AS p0, CAST(max(time) OVER (PARTITION BY "host", date_bin(INTERVAL '1500000000 nanoseconds', time, TIMESTAMP '2026-03-02T11:55:00.000000001Z'), "usage" IS NULL) AS BIGINT) - CAST(min(time) OVER (PARTITION BY "host", date_bin(INTERVAL '1500000000 nanoseconds', time, TIMESTAMP '2026-03-02T11:55:00.000000001Z'), "usage" IS NULL) AS BIGINT) AS e0 FROM "cpu" WHERE time > TIMESTAMP '2026-03-02T11:55:00.000000000Z' AND time <= TIMESTAMP '2026-03-02T12:00:00.000000000Z' AND "usage" IS NOT NULL) AS points GROUP BY g0, "bin"

-- no group
SELECT avg(CAST("usage" AS DOUBLE)) AS "mean(usage)", max(time) AS "last" FROM "cpu" WHERE time > TIMESTAMP '2026-03-02T11:55:00.000000000Z' AND time <= TIMESTAMP '2026-03-02T12:00:00.000000000Z' AND "usage" IS NOT NULL

-- several tags
SELECT g0 AS "dc", g1 AS "host", max(CASE WHEN r0 IN (1, (n0 * 99 + 50) / 100) THEN CAST(v0 AS DOUBLE) END) AS "p99(usage)", max(time) AS "last" FROM (SELECT "dc" AS g0, "host" AS g1, time, "usage" AS v0, CASE WHEN "usage" IS NOT NULL THEN time END AS t0, row_number() OVER (PARTITION BY "dc", "host", "usage" IS NULL ORDER BY CAST("usage" AS DOUBLE)) AS r0, count(*) OVER (PARTITION BY "dc", "host", "usage" IS NULL) AS n0 FROM "cpu" WHERE time > TIMESTAMP '2026-03-02T11:55:00.000000000Z' AND time <= TIMESTAMP '2026-03-02T12:00:00.000000000Z' AND "usage" IS NOT NULL) AS points GROUP BY g0, g1

-- where
SELECT "host", avg(CAST("usage" AS DOUBLE)) AS "mean(usage)", max(time) AS "last" FROM "cpu" WHERE time > TIMESTAMP '2026-03-02T11:55:00.000000000Z' AND time <= TIMESTAMP '2026-03-02T12:00:00.000000000Z' AND "usage" IS NOT NULL AND "dc" = 'west' AND "host" IN ('a', 'b') AND ("rack" = '' OR "rack" IS NULL) AND ("role" IN ('', 'db') OR "role" IS NULL) AND false GROUP BY "host"

-- names that need quoting
SELECT "mean(a""b)", avg(CAST("a""b" AS DOUBLE)) AS "mean(a""b)_", max(time) AS "last" FROM "we""ird; DROP" WHERE time > TIMESTAMP '2026-03-02T12:00:00.000000000Z' AND time <= TIMESTAMP '2026-03-02T12:00:00.000000001Z' AND "a""b" IS NOT NULL AND "it's" = 'o''clock" \' GROUP BY "mean(a""b)"

