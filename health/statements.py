"""The two statements of a scoring."""

from __future__ import annotations

# {read} yields id and the columns of health.scoring; the other places are expressions over them. Each level is kept as
# it is: folded into the next one, the expressions of a score are computed again wherever it is named (measured: 4 times
# the work).
SCORE = """
WITH read AS MATERIALIZED ({read}),
measured AS MATERIALIZED (SELECT id{measures}{values} FROM read),
summed AS MATERIALIZED (SELECT *{dimensions} FROM measured),
whole AS MATERIALIZED (
    SELECT id, {score} AS score, round({coverage}, 1) AS coverage, {by_key} AS dimensions,
           {measure_array} AS measures, {value_array} AS amounts
    FROM summed
),
judged AS MATERIALIZED (
    SELECT *, CASE WHEN score IS NULL OR coverage < %(least)s THEN 'none' WHEN score >= %(good)s THEN 'good'
                   WHEN score < %(poor)s THEN 'poor' ELSE 'average' END AS computed
    FROM whole
),
wanted AS (
    SELECT j.id, CASE WHEN computed <> 'none' THEN score END AS score, computed, coalesce(hand.band, computed) AS band,
           hand.id IS NOT NULL AS overridden, coverage, dimensions, measures, amounts
    FROM judged AS j LEFT JOIN health_healthoverride AS hand ON hand.account_id = j.id
        AND hand.ended_at IS NULL AND (hand.until IS NULL OR hand.until >= %(today)s)
),
differing AS (
    SELECT w.*, old.account_id IS NULL AS fresh, coalesce(old.band, 'none') AS band_before, old.score AS score_before,
           old.computed_band AS computed_before, old.config_id AS config_before, old.version AS version_before
    FROM wanted AS w LEFT JOIN health_accounthealth AS old ON old.account_id = w.id
    WHERE old.account_id IS NULL
       OR (old.config_id, old.version, old.score, old.band, old.computed_band, old.overridden, old.coverage,
           old.dimensions, old.measures, old.values)
          IS DISTINCT FROM (%(config)s::bigint, %(version)s::int, w.score, w.band, w.computed, w.overridden, w.coverage,
                            w.dimensions, w.measures, w.amounts)
),
kept AS (
    INSERT INTO health_accounthealth AS kept (account_id, config_id, version, score, band, computed_band, overridden,
                                              coverage, dimensions, measures, values, band_since)
    SELECT id, %(config)s, %(version)s, score, band, computed, overridden, coverage, dimensions, measures, amounts,
           %(now)s
    FROM differing ORDER BY id
    ON CONFLICT (account_id) DO UPDATE
    SET config_id = EXCLUDED.config_id, version = EXCLUDED.version, score = EXCLUDED.score, band = EXCLUDED.band,
        computed_band = EXCLUDED.computed_band, overridden = EXCLUDED.overridden, coverage = EXCLUDED.coverage,
        dimensions = EXCLUDED.dimensions, measures = EXCLUDED.measures, values = EXCLUDED.values,
        band_since = CASE WHEN kept.band = EXCLUDED.band THEN kept.band_since ELSE EXCLUDED.band_since END
),
dated AS (
    INSERT INTO health_healthday (account_id, day, config_id, version, score, band, coverage, dimensions, measures,
                                  values)
    SELECT id, %(today)s, %(config)s, %(version)s, score, band, coverage, dimensions, measures, amounts
    FROM differing ORDER BY id
    ON CONFLICT (account_id, day) DO UPDATE
    SET config_id = EXCLUDED.config_id, version = EXCLUDED.version, score = EXCLUDED.score, band = EXCLUDED.band,
        coverage = EXCLUDED.coverage, dimensions = EXCLUDED.dimensions, measures = EXCLUDED.measures,
        values = EXCLUDED.values
),
flipped AS (
    INSERT INTO health_bandchange (account_id, at, before, after, score_before, score_after, config_id, version, cause)
    SELECT id, %(now)s, band_before, band, score_before, score, %(config)s, %(version)s,
           CASE WHEN fresh THEN 'first'
                WHEN config_before IS DISTINCT FROM %(config)s::bigint THEN 'config'
                WHEN version_before <> %(version)s THEN 'version'
                WHEN computed_before = computed THEN 'override'
                ELSE %(cause)s END
    FROM differing WHERE band_before <> band
    RETURNING 1
)
SELECT (SELECT count(*) FROM wanted), (SELECT count(*) FROM differing), (SELECT count(*) FROM flipped)
"""

# The score of a past day is that of the newest row up to it. Rows that are right already are not written again.
_PAST = """(SELECT d.score FROM health_healthday AS d
            WHERE d.account_id = h.account_id AND d.day <= %(today)s::date - {days} ORDER BY d.day DESC LIMIT 1)"""
TRENDS = f"""
UPDATE health_accounthealth AS kept
SET score_7d = past.score_7d, score_30d = past.score_30d, score_90d = past.score_90d
FROM (
    SELECT account_id,
           {_PAST.format(days=7)} AS score_7d,
           {_PAST.format(days=30)} AS score_30d,
           {_PAST.format(days=90)} AS score_90d
    FROM health_accounthealth AS h WHERE %(all)s OR h.account_id = ANY(%(ids)s::bigint[])
) AS past
WHERE past.account_id = kept.account_id
  AND (kept.score_7d, kept.score_30d, kept.score_90d) IS DISTINCT FROM (past.score_7d, past.score_30d, past.score_90d)
"""  # noqa: S608  # constants of this module

# A daily scoring cannot know from the numbers alone whether the customer or the clock moved them: where a value or an
# event of the account was recorded since the scoring before, it was the customer.
CAUSES = """
UPDATE health_bandchange AS b SET cause = 'data'
WHERE b.at = %(now)s AND b.cause = 'time' AND (
    EXISTS (SELECT 1 FROM accounts_attributechange AS c
            WHERE c.subject = 'account' AND c.object_id = b.account_id AND c.recorded_at > %(since)s)
    OR EXISTS (SELECT 1 FROM usage_event AS e
               WHERE e.account_id = b.account_id AND e.received_at > %(since)s AND e.at > %(oldest)s)
)
"""
