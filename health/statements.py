"""The statements of a scoring, and of a look at what one would give."""

from __future__ import annotations

# From the columns of health.scoring ({read} yields them, with the id) to `wanted`: score and band of each account, with
# what a person said by hand. The other places are expressions over the columns; health.judging fills them. Each level
# is kept as it is: folded into the next one, the expressions of a score are computed again wherever it is named
# (measured: 4 times the work).
JUDGED = """
read AS MATERIALIZED ({read}),
measured AS MATERIALIZED (SELECT id{measures}{values}{shown} FROM read{kept}),
summed AS MATERIALIZED (SELECT *{dimensions} FROM measured),
whole AS MATERIALIZED (
    SELECT id, {score} AS score, round({coverage}, 1) AS coverage, {by_key} AS dimensions,
           {measure_array} AS measures, {value_array} AS amounts, {shown_array} AS shown
    FROM summed
),
judged AS MATERIALIZED (
    SELECT *, CASE WHEN score IS NULL OR coverage < {least} THEN 'none' WHEN score >= {good} THEN 'good'
                   WHEN score < {poor} THEN 'poor' ELSE 'average' END AS computed
    FROM whole
),
wanted AS (
    SELECT j.id, CASE WHEN computed <> 'none' THEN score END AS score, computed, coalesce(hand.band, computed) AS band,
           hand.id IS NOT NULL AS overridden, coverage, dimensions, measures, amounts, shown
    FROM judged AS j LEFT JOIN health_healthoverride AS hand ON hand.account_id = j.id
        AND hand.ended_at IS NULL AND (hand.until IS NULL OR hand.until >= %(today)s)
)
"""

SCORE = """
WITH {judged},
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
                WHEN computed_before = computed THEN 'override'
                WHEN config_before IS DISTINCT FROM %(config)s::bigint THEN 'config'
                WHEN version_before <> %(version)s THEN 'version'
                ELSE %(cause)s END
    FROM differing WHERE band_before <> band
    RETURNING 1
)
SELECT (SELECT count(*) FROM wanted), (SELECT count(*) FROM differing), (SELECT count(*) FROM flipped), {overlapping}
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

# A daily scoring cannot know from the numbers alone whether the customer or the clock moved them: where anything of the
# account was recorded since the scoring before (a value, an event, a subscription, a note, a pulse, a user, a change of
# the team), it was the customer.
CAUSES = """
UPDATE health_bandchange AS b SET cause = 'data'
WHERE b.at = %(now)s AND b.cause = 'time' AND (
    EXISTS (SELECT 1 FROM accounts_attributechange AS c WHERE c.subject = 'account' AND c.object_id = b.account_id
            AND c.recorded_at > %(since)s AND c.recorded_at <= %(now)s)
    OR EXISTS (SELECT 1 FROM usage_event AS e WHERE e.account_id = b.account_id AND e.at > %(oldest)s
               AND e.received_at > %(since)s AND e.received_at <= %(now)s)
    OR EXISTS (SELECT 1 FROM accounts_subscription AS s WHERE s.account_id = b.account_id
               AND s.updated_at > %(since)s AND s.updated_at <= %(now)s)
    OR EXISTS (SELECT 1 FROM accounts_note AS n WHERE n.account_id = b.account_id
               AND n.updated_at > %(since)s AND n.updated_at <= %(now)s)
    OR EXISTS (SELECT 1 FROM health_pulse AS p WHERE p.account_id = b.account_id
               AND p.at > %(since)s AND p.at <= %(now)s)
    OR EXISTS (SELECT 1 FROM accounts_relationship AS r JOIN accounts_enduser AS u ON u.id = r.user_id
               WHERE r.account_id = b.account_id AND (r.updated_at > %(since)s AND r.updated_at <= %(now)s
                                                      OR u.updated_at > %(since)s AND u.updated_at <= %(now)s))
    OR EXISTS (SELECT 1 FROM accounts_assignment AS t
               WHERE t.account_id = b.account_id AND (t.started_at > %(since)s AND t.started_at <= %(now)s
                                                      OR t.ended_at > %(since)s AND t.ended_at <= %(now)s))
)
"""

# What a draft would give beside what is stored. `spread` looks at each measure by its place: how its scores fall into
# bands, and its values in at most %(bins)s steps between the 2nd and the 98th percentile, stretched to its limits.
EFFECT = """
WITH {judged},
compared AS MATERIALIZED (
    SELECT w.id, w.score, w.band, w.measures, w.shown, coalesce(old.band, 'none') AS band_before,
           old.score AS score_before, old.config_id, old.version, old.measures AS measures_before,
           a.mrr, a.name, a.name_folded
    FROM wanted AS w JOIN accounts_account AS a ON a.id = w.id
    LEFT JOIN health_accounthealth AS old ON old.account_id = w.id
),
ranked AS (
    SELECT id, name, band_before, band, score_before, score, config_id, version, measures_before, measures,
           row_number() OVER (PARTITION BY band_before, band ORDER BY mrr DESC NULLS LAST, name_folded, id) AS place
    FROM compared WHERE band_before <> band
),
single AS MATERIALIZED (
    SELECT u.place, u.score, u.amount
    FROM compared, unnest(measures, shown) WITH ORDINALITY AS u (score, amount, place)
),
scores AS (
    SELECT place, count(*) FILTER (WHERE score >= {good}) AS good, count(*) FILTER (WHERE score < {poor}) AS poor,
           count(*) FILTER (WHERE score >= {poor} AND score < {good}) AS average,
           count(*) FILTER (WHERE score IS NULL) AS none
    FROM single GROUP BY place
),
ends AS (
    SELECT s.place, bool_and(amount = trunc(amount)) AS whole,
           percentile_disc(0.5) WITHIN GROUP (ORDER BY amount) AS middle,
           least(percentile_disc(0.02) WITHIN GROUP (ORDER BY amount), min(l.low)) AS low,
           greatest(percentile_disc(0.98) WITHIN GROUP (ORDER BY amount), max(l.high)) AS high
    FROM single AS s JOIN unnest(%(low)s::numeric[], %(high)s::numeric[]) WITH ORDINALITY AS l (low, high, place)
        ON l.place = s.place
    WHERE amount IS NOT NULL GROUP BY s.place
),
steps AS (
    SELECT *, CASE WHEN whole THEN ceil((high - floor(low) + 1) / %(bins)s) ELSE (high - low) / %(bins)s END AS step,
           CASE WHEN whole THEN floor(low) ELSE low END AS start
    FROM ends
),
bins AS MATERIALIZED (
    SELECT place, bin, count(*) AS n FROM (
        SELECT s.place, coalesce(least(%(bins)s - 1, floor((least(high, greatest(start, amount)) - start)
                                                           / nullif(step, 0))), 0)::int AS bin
        FROM single AS s JOIN steps USING (place) WHERE amount IS NOT NULL
    ) AS one GROUP BY place, bin
)
SELECT
    (SELECT json_agg(flow) FROM (
        SELECT band_before AS before, band AS after, count(*) AS n, coalesce(sum(mrr), 0)::text AS mrr
        FROM compared GROUP BY band_before, band
    ) AS flow),
    (SELECT json_agg(mover ORDER BY place, name) FROM (
        SELECT id, name, band_before AS before, band AS after, score_before::text, score::text, place,
               config_id AS config, version, measures_before::text[] AS was, measures::text[] AS now
        FROM ranked WHERE place <= %(sample)s
    ) AS mover),
    (SELECT json_object_agg(place, json_build_object('good', good, 'average', average, 'poor', poor, 'none', none))
     FROM scores),
    (SELECT json_object_agg(place, json_build_object('start', start::text, 'step', step::text, 'middle', middle::text,
         'bins', (SELECT json_object_agg(bin, n) FROM bins WHERE bins.place = steps.place))) FROM steps)
"""
