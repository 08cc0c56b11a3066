-- created
SELECT
  o.opportunity_id,
  o.account_id,
  o.created_at,
  CASE
    WHEN COALESCE(o.is_closed AND o.closed_at < $until, FALSE)
    THEN o.closed_at
  END AS closed_at,
  COALESCE(o.is_closed AND o.closed_at < $until, FALSE)
  AND COALESCE(o.is_won, FALSE) AS won,
  COALESCE(o.is_closed AND o.closed_at IS NULL, FALSE) AS undated,
  CAST(o.amount AS DOUBLE) AS amount,
  COALESCE(ARRAY_CONTAINS($type, o.type), FALSE)
  AND COALESCE(ARRAY_CONTAINS($pipeline, o.pipeline), FALSE) AS asked,
  COALESCE(o.deleted_at < $until, FALSE) AS deleted
FROM opportunities AS o
WHERE
  o.created_at >= $since AND o.created_at < $until
ORDER BY
  o.opportunity_id;

-- done
WITH span AS (
  SELECT
    UNNEST($starts) AS starts,
    UNNEST($ends) AS ends
), meeting AS (
  SELECT
    UNNEST($channels) AS channel,
    UNNEST($kinds) AS kind
)
SELECT
  t.account_id,
  s.starts,
  CAST(COUNT(m.kind) AS BIGINT) AS meetings,
  CAST(COUNT(*) FILTER(WHERE
    t.initiator = 'seller') AS BIGINT) AS seller,
  CAST(COUNT(*) FILTER(WHERE
    t.initiator = 'buyer') AS BIGINT) AS buyer
FROM touch AS t
JOIN span AS s
  ON t.occurred_at >= s.starts AND t.occurred_at < s.ends
LEFT JOIN meeting AS m
  ON m.channel = t.channel AND m.kind = t.kind
WHERE
  t.known_at < $until AND (
    t.disputed_at IS NULL OR NOT t.disputed_at < $until
  )
GROUP BY
  t.account_id,
  s.starts
ORDER BY
  t.account_id,
  s.starts;

-- leads
SELECT
  l.lead_id,
  MIN(c.account_id) AS account_id,
  ANY_VALUE(l.created_at) AS created_at,
  COALESCE(BOOL_OR(CAST(l.converted_at < $until AS BOOLEAN)), FALSE) AS converted
FROM leads AS l
LEFT JOIN claims AS c
  ON c.domain = CASE
    WHEN REGEXP_FULL_MATCH(
      RTRIM(
        REGEXP_REPLACE(
          REGEXP_REPLACE(
            REGEXP_REPLACE(LOWER(TRIM(l.domain)), '^[a-z][a-z0-9+.-]*://', ''),
            '[/?#:\s].*$',
            ''
          ),
          '^www\d?\.',
          ''
        ),
        '.'
      ),
      '[^.@]+(\.[^.@]+)+'
    )
    THEN RTRIM(
      REGEXP_REPLACE(
        REGEXP_REPLACE(
          REGEXP_REPLACE(LOWER(TRIM(l.domain)), '^[a-z][a-z0-9+.-]*://', ''),
          '[/?#:\s].*$',
          ''
        ),
        '^www\d?\.',
        ''
      ),
      '.'
    )
  END
  AND c.from_at <= l.created_at
  AND (
    c.until_at IS NULL OR l.created_at < c.until_at
  )
WHERE
  l.created_at >= $since
  AND l.created_at < $until
  AND (
    l.deleted_at IS NULL OR NOT l.deleted_at < $until
  )
GROUP BY
  l.lead_id
ORDER BY
  l.lead_id;

-- filled
SELECT
  (
    SELECT
      COUNT(*)
    FROM opportunities
  ) AS "opportunities",
  (
    SELECT
      COUNT(amount)
    FROM opportunities
  ) AS "opportunities.amount",
  (
    SELECT
      COUNT(is_closed)
    FROM opportunities
  ) AS "opportunities.is_closed",
  (
    SELECT
      COUNT(is_won)
    FROM opportunities
  ) AS "opportunities.is_won",
  (
    SELECT
      COUNT(closed_at) FILTER(WHERE
        is_closed)
    FROM opportunities
  ) AS "opportunities.closed_at",
  (
    SELECT
      COUNT(initiator)
    FROM activities
  ) AS "activities.initiator",
  (
    SELECT
      COUNT(*)
    FROM leads
  ) AS "leads",
  (
    SELECT
      COUNT(created_at)
    FROM leads
  ) AS "leads.created_at",
  (
    SELECT
      COUNT(domain)
    FROM leads
  ) AS "leads.domain",
  (
    SELECT
      COUNT(converted_at)
    FROM leads
  ) AS "leads.converted_at";
