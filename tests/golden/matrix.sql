-- family
WITH RECURSIVE up(account_id, ancestor, depth) AS (
  SELECT
    account_id,
    account_id,
    0
  FROM accounts
  UNION ALL
  SELECT
    up.account_id,
    a.parent_account_id,
    up.depth + 1
  FROM up
  JOIN accounts AS a
    ON a.account_id = up.ancestor
  WHERE
    NOT a.parent_account_id IS NULL
    AND a.parent_account_id <> a.account_id
    AND up.depth < 20
), deepest AS (
  SELECT
    account_id,
    MAX(depth) AS depth
  FROM up
  GROUP BY
    account_id
), circle AS (
  SELECT
    account_id,
    MIN(ancestor) AS least
  FROM up
  GROUP BY
    account_id
  HAVING
    BOOL_OR(CAST(depth > 0 AND ancestor = account_id AS BOOLEAN))
)
SELECT
  up.account_id,
  CASE
    WHEN d.depth = 20
    THEN COALESCE(MIN(c.least), MIN(up.ancestor))
    ELSE MIN(up.ancestor) FILTER(WHERE
      up.depth = d.depth)
  END AS family_id
FROM up
JOIN deepest AS d
  ON d.account_id = up.account_id
LEFT JOIN circle AS c
  ON d.depth = 20 AND c.account_id = up.ancestor
GROUP BY
  up.account_id,
  d.depth;

-- claims
WITH family AS (
  WITH RECURSIVE up(account_id, ancestor, depth) AS (
    SELECT
      account_id,
      account_id,
      0
    FROM accounts
    UNION ALL
    SELECT
      up.account_id,
      a.parent_account_id,
      up.depth + 1
    FROM up
    JOIN accounts AS a
      ON a.account_id = up.ancestor
    WHERE
      NOT a.parent_account_id IS NULL
      AND a.parent_account_id <> a.account_id
      AND up.depth < 20
  ), deepest AS (
    SELECT
      account_id,
      MAX(depth) AS depth
    FROM up
    GROUP BY
      account_id
  ), circle AS (
    SELECT
      account_id,
      MIN(ancestor) AS least
    FROM up
    GROUP BY
      account_id
    HAVING
      BOOL_OR(CAST(depth > 0 AND ancestor = account_id AS BOOLEAN))
  )
  SELECT
    up.account_id,
    CASE
      WHEN d.depth = 20
      THEN COALESCE(MIN(c.least), MIN(up.ancestor))
      ELSE MIN(up.ancestor) FILTER(WHERE
        up.depth = d.depth)
    END AS family_id
  FROM up
  JOIN deepest AS d
    ON d.account_id = up.account_id
  LEFT JOIN circle AS c
    ON d.depth = 20 AND c.account_id = up.ancestor
  GROUP BY
    up.account_id,
    d.depth
), held AS (
  SELECT
    CASE
      WHEN REGEXP_FULL_MATCH(
        RTRIM(
          REGEXP_REPLACE(
            REGEXP_REPLACE(
              REGEXP_REPLACE(LOWER(TRIM(a.domain)), '^[a-z][a-z0-9+.-]*://', ''),
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
            REGEXP_REPLACE(LOWER(TRIM(a.domain)), '^[a-z][a-z0-9+.-]*://', ''),
            '[/?#:\s].*$',
            ''
          ),
          '^www\d?\.',
          ''
        ),
        '.'
      )
    END AS domain,
    a.account_id,
    a.created_at,
    a.deleted_at,
    f.family_id,
    COALESCE(a.created_at, CAST('0001-01-01' AS TIMESTAMP)) AS arrived_at,
    STARTS_WITH(a.account_id, 'lead:') AS provisional
  FROM accounts AS a
  JOIN family AS f
    ON f.account_id = a.account_id
  WHERE
    NOT a.domain IS NULL
), arrived AS (
  SELECT
    *,
    LEAD(arrived_at) OVER by_arrival AS next_at,
    MAX(COALESCE(deleted_at, CAST('9999-12-31' AS TIMESTAMP))) OVER (by_arrival ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS others_until
  FROM held
  WHERE
    NOT domain IS NULL AND NOT ARRAY_CONTAINS($nobodys, domain)
  WINDOW by_arrival AS (PARTITION BY domain ORDER BY arrived_at, account_id)
), relatives AS (
  SELECT
    domain,
    family_id,
    arrived_at,
    ROW_NUMBER() OVER by_arrival AS place,
    FIRST_VALUE(family_id) OVER by_arrival AS first_family
  FROM arrived
  WHERE
    NOT provisional
  WINDOW by_arrival AS (PARTITION BY domain ORDER BY arrived_at, account_id)
), shared AS (
  SELECT
    domain,
    ANY_VALUE(first_family) AS account_id,
    MIN(arrived_at) FILTER(WHERE
      place = 2) AS from_at,
    MIN(arrived_at) FILTER(WHERE
      family_id <> first_family) AS until_at
  FROM relatives
  GROUP BY
    domain
), claims AS (
  SELECT
    domain,
    account_id,
    created_at AS from_at,
    LEAST(next_at, deleted_at) AS until_at
  FROM arrived
  WHERE
    NOT created_at IS NULL
    AND (
      others_until IS NULL OR others_until <= created_at
    )
  UNION ALL
  SELECT
    s.domain,
    s.account_id,
    GREATEST(s.from_at, a.created_at),
    LEAST(s.until_at, a.deleted_at)
  FROM shared AS s
  JOIN accounts AS a
    ON a.account_id = s.account_id
  WHERE
    NOT s.from_at IS NULL AND NOT a.created_at IS NULL
)
SELECT
  domain,
  account_id,
  MIN(from_at) AS from_at,
  NULLIF(
    MAX(COALESCE(until_at, CAST('9999-12-31' AS TIMESTAMP))),
    CAST('9999-12-31' AS TIMESTAMP)
  ) AS until_at
FROM claims
WHERE
  until_at IS NULL OR from_at < until_at
GROUP BY
  domain,
  account_id;

-- lead_links
WITH named AS (
  SELECT
    l.lead_id,
    c.account_id,
    GREATEST(l.created_at, c.from_at) AS from_at,
    LEAST(l.converted_at, l.deleted_at) AS until_at
  FROM leads AS l
  JOIN claims AS c
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
    AND (
      c.until_at IS NULL OR GREATEST(l.created_at, c.from_at) < c.until_at
    )
  WHERE
    NOT l.created_at IS NULL
  UNION ALL
  SELECT
    l.lead_id,
    l.converted_account_id,
    GREATEST(l.converted_at, l.created_at),
    NULL
  FROM leads AS l
  WHERE
    NOT l.converted_account_id IS NULL AND NOT l.converted_at IS NULL
)
SELECT
  lead_id,
  account_id,
  MIN(from_at) AS from_at,
  CASE WHEN COUNT(*) = COUNT(until_at) THEN MAX(until_at) END AS until_at
FROM named
WHERE
  until_at IS NULL OR from_at < until_at
GROUP BY
  lead_id,
  account_id;

-- touch
WITH by_identity AS (
  SELECT
    identity_id,
    ARG_MIN(account_id, (linked_at, account_id)) AS account_id,
    MIN(linked_at) AS linked_at
  FROM identities
  GROUP BY
    identity_id
), disputed AS (
  SELECT
    fact_id,
    disputed_at,
    restored_at,
    LEAD(disputed_at) OVER (PARTITION BY fact_id ORDER BY disputed_at) AS next_at
  FROM disputes
  WHERE
    table_name = 'activities'
), readable AS (
  SELECT
    fact_id,
    NULL AS from_at,
    MIN(disputed_at) AS until_at
  FROM disputed
  GROUP BY
    fact_id
  UNION ALL
  SELECT
    fact_id,
    restored_at,
    next_at
  FROM disputed
  WHERE
    NOT restored_at IS NULL
), reached AS (
  SELECT
    a.occurred_at,
    a.channel,
    a.kind,
    a.initiator,
    a.value,
    x.fact_id AS disputed_id,
    x.from_at AS restored_at,
    x.until_at AS disputed_at,
    COALESCE(a.account_id, c.account_id, l.account_id, i.account_id, d.account_id) AS account_id,
    CASE
      WHEN NOT a.account_id IS NULL
      THEN a.known_at
      WHEN NOT c.account_id IS NULL
      THEN CASE
        WHEN NOT COALESCE(c.linked_at, c.created_at) IS NULL
        AND (
          c.unlinked_at IS NULL OR a.occurred_at < c.unlinked_at
        )
        THEN GREATEST(a.known_at, COALESCE(c.linked_at, c.created_at))
      END
      WHEN NOT l.account_id IS NULL
      THEN GREATEST(a.known_at, l.from_at)
      WHEN NOT i.account_id IS NULL
      THEN GREATEST(a.known_at, i.linked_at)
      ELSE GREATEST(a.known_at, d.from_at)
    END AS known_at,
    c.contact_id,
    COALESCE(c.linked_at, c.created_at) AS contact_linked_at,
    c.unlinked_at
  FROM activities AS a
  LEFT JOIN readable AS x
    ON x.fact_id = a.activity_id
  LEFT JOIN contacts AS c
    ON c.contact_id = a.contact_id
  LEFT JOIN lead_links AS l
    ON l.lead_id = a.lead_id
    AND a.account_id IS NULL
    AND c.account_id IS NULL
    AND (
      l.until_at IS NULL OR a.known_at < l.until_at
    )
  LEFT JOIN by_identity AS i
    ON i.identity_id = a.identity_id
  LEFT JOIN claims AS d
    ON d.domain = CASE
      WHEN REGEXP_FULL_MATCH(
        RTRIM(
          REGEXP_REPLACE(
            REGEXP_REPLACE(
              REGEXP_REPLACE(LOWER(TRIM(a.domain)), '^[a-z][a-z0-9+.-]*://', ''),
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
            REGEXP_REPLACE(LOWER(TRIM(a.domain)), '^[a-z][a-z0-9+.-]*://', ''),
            '[/?#:\s].*$',
            ''
          ),
          '^www\d?\.',
          ''
        ),
        '.'
      )
    END
    AND a.account_id IS NULL
    AND c.account_id IS NULL
    AND l.account_id IS NULL
    AND i.account_id IS NULL
    AND (
      d.until_at IS NULL OR GREATEST(a.known_at, d.from_at) < d.until_at
    )
  WHERE
    a.noise IS NULL
)
SELECT
  account_id,
  occurred_at,
  GREATEST(known_at, restored_at) AS known_at,
  disputed_at,
  disputed_id,
  NOT restored_at IS NULL AS restored,
  channel,
  kind,
  initiator,
  value,
  CASE
    WHEN unlinked_at <= occurred_at OR contact_linked_at IS NULL
    THEN NULL
    ELSE contact_id
  END AS contact_id,
  contact_linked_at
FROM reached
WHERE
  NOT account_id IS NULL AND NOT reached.known_at IS NULL;

-- account_start
SELECT
  a.account_id,
  COALESCE(a.created_at, f.first_known) AS known_from
FROM accounts AS a
LEFT JOIN (
  SELECT
    account_id,
    MIN(known_at) AS first_known
  FROM (
    SELECT
      account_id,
      known_at
    FROM touch
    UNION ALL
    SELECT
      account_id,
      created_at
    FROM opportunities
    UNION ALL
    SELECT
      account_id,
      COALESCE(linked_at, created_at)
    FROM contacts
  )
  GROUP BY
    account_id
) AS f
  ON f.account_id = a.account_id;

-- spine
WITH stand AS (
  SELECT
    a.account_id,
    g.as_of,
    a.known_from
  FROM account_start AS a
  CROSS JOIN (
    SELECT
      CAST(UNNEST($as_ofs) AS TIMESTAMP) AS as_of
  ) AS g
)
SELECT
  st.account_id,
  st.as_of,
  f.family_id,
  st.known_from,
  EPOCH_US(st.as_of) % 86400000000 AS phase,
  EPOCH_US(st.as_of) // 86400000000 AS as_of_day
FROM stand AS st
JOIN family AS f
  ON f.account_id = st.account_id
WHERE
  st.known_from < st.as_of;

-- signals
WITH phases AS (
  SELECT DISTINCT
    account_id,
    phase
  FROM spine
)
SELECT
  t.account_id,
  t.contact_id,
  t.channel,
  t.kind,
  t.value,
  t.occurred_at,
  (
    EPOCH_US(t.occurred_at) - p.phase
  ) // 86400000000 AS occurred_day,
  (
    EPOCH_US(t.known_at) - p.phase
  ) // 86400000000 AS known_day,
  (
    EPOCH_US(GREATEST(t.known_at, t.contact_linked_at)) - p.phase
  ) // 86400000000 AS contact_known_day,
  (
    EPOCH_US(t.disputed_at) - p.phase
  ) // 86400000000 AS disputed_day,
  COALESCE((
    t.channel = $channel_0 AND t.occurred_at >= $from_0
  ), FALSE) AS is_signal
FROM touch AS t
JOIN phases AS p
  ON p.account_id = t.account_id
WHERE
  ARRAY_CONTAINS($initiators, t.initiator)
  AND (
    COALESCE((
      t.channel = $channel_0 AND t.occurred_at >= $from_0
    ), FALSE)
    OR ARRAY_CONTAINS($triggers, t.kind)
  );

-- contact_roles
WITH h AS (
  SELECT
    *
  FROM (
    SELECT
      contact_id,
      field,
      new_value AS value,
      changed_at AS from_at,
      LEAD(changed_at) OVER (PARTITION BY contact_id, field ORDER BY changed_at) AS to_at
    FROM (
      SELECT
        contact_id,
        field,
        changed_at,
        MAX(new_value) AS new_value
      FROM contact_history
      GROUP BY
        contact_id,
        field,
        changed_at
    )
    UNION ALL
    SELECT
      contact_id,
      field,
      ARG_MIN(old_value_set, changed_at)[1] AS value,
      NULL AS from_at,
      MIN(changed_at) AS to_at
    FROM (
      SELECT
        contact_id,
        field,
        changed_at,
        [old_value] AS old_value_set
      FROM contact_history
    )
    GROUP BY
      contact_id,
      field
  )
  WHERE
    field = 'role'
)
SELECT
  s.account_id,
  s.as_of,
  c.contact_id,
  CASE
    WHEN h.to_at IS NULL AND h.from_at IS NULL
    THEN c.role
    ELSE NULLIF(h.value, '')
  END AS role
FROM spine AS s
JOIN contacts AS c
  ON c.account_id = s.account_id
  AND COALESCE(c.linked_at, c.created_at) < s.as_of
  AND (
    c.unlinked_at IS NULL OR NOT c.unlinked_at < s.as_of
  )
LEFT JOIN h
  ON h.contact_id = c.contact_id
  AND (
    h.from_at IS NULL OR h.from_at < s.as_of
  )
  AND (
    h.to_at IS NULL OR NOT h.to_at < s.as_of
  );

-- counts_7d
WITH edges AS (
  SELECT
    as_of_day AS day
  FROM spine
  UNION
  SELECT
    as_of_day - $window
  FROM spine
), days AS (
  SELECT
    occurred_day AS day
  FROM signals
  UNION
  SELECT
    known_day
  FROM signals
  UNION
  SELECT
    contact_known_day
  FROM signals
  UNION
  SELECT
    disputed_day
  FROM signals
  WHERE
    NOT disputed_day IS NULL
), marked AS (
  SELECT
    day,
    MAX(edge) AS edge
  FROM (
    SELECT
      day,
      0 AS edge
    FROM days
    UNION ALL
    SELECT
      day,
      1
    FROM edges
  )
  GROUP BY
    day
), segment AS (
  SELECT
    day,
    MAX(CASE WHEN edge = 1 THEN day END) OVER (ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS starts,
    MIN(CASE WHEN edge = 1 THEN day END) OVER (ORDER BY day ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS ends
  FROM marked
), cells AS (
  SELECT
    g.account_id,
    o.starts,
    k.ends AS known_ends,
    d.ends AS disputed_ends,
    COUNT(*) FILTER(WHERE
      g.is_signal) AS signals,
    COUNT(*) FILTER(WHERE
      g.is_signal AND g.channel = $c1) AS web,
    COUNT(*) FILTER(WHERE
      g.is_signal AND g.channel = $c2 AND g.kind = $k2) AS web_pricing_visit,
    COUNT(*) FILTER(WHERE
      g.is_signal AND g.channel = $c3 AND g.kind = $k3) AS web_page_view,
    SUM(CAST(g.value AS DECIMAL(18, 4))) FILTER(WHERE
      g.is_signal AND g.kind = $v0) AS pricing_visit_value,
    COUNT(*) FILTER(WHERE
      g.kind = $t0) AS trigger_funding
  FROM signals AS g
  JOIN segment AS o
    ON o.day = g.occurred_day
  JOIN segment AS k
    ON k.day = g.known_day
  LEFT JOIN segment AS d
    ON d.day = g.disputed_day
  GROUP BY
    g.account_id,
    o.starts,
    k.ends,
    d.ends
)
SELECT
  s.account_id,
  s.as_of,
  CAST(SUM(c.signals) AS DOUBLE) AS signals_7d,
  CAST(SUM(c.web) AS DOUBLE) AS web_7d,
  CAST(SUM(c.web_pricing_visit) AS DOUBLE) AS web_pricing_visit_7d,
  CAST(SUM(c.web_page_view) AS DOUBLE) AS web_page_view_7d,
  CAST(SUM(c.pricing_visit_value) AS DOUBLE) AS pricing_visit_value_7d,
  CAST(SUM(c.trigger_funding) AS DOUBLE) AS trigger_funding_7d
FROM spine AS s
JOIN cells AS c
  ON c.account_id = s.account_id
  AND c.known_ends <= s.as_of_day
  AND (
    c.disputed_ends IS NULL OR c.disputed_ends > s.as_of_day
  )
  AND c.starts >= s.as_of_day - $window
GROUP BY
  s.account_id,
  s.as_of;

-- counts_30d
WITH edges AS (
  SELECT
    as_of_day AS day
  FROM spine
  UNION
  SELECT
    as_of_day - $window
  FROM spine
), days AS (
  SELECT
    occurred_day AS day
  FROM signals
  UNION
  SELECT
    known_day
  FROM signals
  UNION
  SELECT
    contact_known_day
  FROM signals
  UNION
  SELECT
    disputed_day
  FROM signals
  WHERE
    NOT disputed_day IS NULL
), marked AS (
  SELECT
    day,
    MAX(edge) AS edge
  FROM (
    SELECT
      day,
      0 AS edge
    FROM days
    UNION ALL
    SELECT
      day,
      1
    FROM edges
  )
  GROUP BY
    day
), segment AS (
  SELECT
    day,
    MAX(CASE WHEN edge = 1 THEN day END) OVER (ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS starts,
    MIN(CASE WHEN edge = 1 THEN day END) OVER (ORDER BY day ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS ends
  FROM marked
), cells AS (
  SELECT
    g.account_id,
    o.starts,
    k.ends AS known_ends,
    d.ends AS disputed_ends,
    COUNT(*) FILTER(WHERE
      g.is_signal) AS signals,
    COUNT(*) FILTER(WHERE
      g.is_signal AND g.channel = $c1) AS web,
    COUNT(*) FILTER(WHERE
      g.is_signal AND g.channel = $c2 AND g.kind = $k2) AS web_pricing_visit,
    COUNT(*) FILTER(WHERE
      g.is_signal AND g.channel = $c3 AND g.kind = $k3) AS web_page_view,
    SUM(CAST(g.value AS DECIMAL(18, 4))) FILTER(WHERE
      g.is_signal AND g.kind = $v0) AS pricing_visit_value,
    COUNT(*) FILTER(WHERE
      g.kind = $t0) AS trigger_funding
  FROM signals AS g
  JOIN segment AS o
    ON o.day = g.occurred_day
  JOIN segment AS k
    ON k.day = g.known_day
  LEFT JOIN segment AS d
    ON d.day = g.disputed_day
  GROUP BY
    g.account_id,
    o.starts,
    k.ends,
    d.ends
)
SELECT
  s.account_id,
  s.as_of,
  CAST(SUM(c.signals) AS DOUBLE) AS signals_30d,
  CAST(SUM(c.web) AS DOUBLE) AS web_30d,
  CAST(SUM(c.web_pricing_visit) AS DOUBLE) AS web_pricing_visit_30d,
  CAST(SUM(c.web_page_view) AS DOUBLE) AS web_page_view_30d,
  CAST(SUM(c.pricing_visit_value) AS DOUBLE) AS pricing_visit_value_30d,
  CAST(SUM(c.trigger_funding) AS DOUBLE) AS trigger_funding_30d
FROM spine AS s
JOIN cells AS c
  ON c.account_id = s.account_id
  AND c.known_ends <= s.as_of_day
  AND (
    c.disputed_ends IS NULL OR c.disputed_ends > s.as_of_day
  )
  AND c.starts >= s.as_of_day - $window
GROUP BY
  s.account_id,
  s.as_of;

-- counts_60d
WITH edges AS (
  SELECT
    as_of_day AS day
  FROM spine
  UNION
  SELECT
    as_of_day - $window
  FROM spine
), days AS (
  SELECT
    occurred_day AS day
  FROM signals
  UNION
  SELECT
    known_day
  FROM signals
  UNION
  SELECT
    contact_known_day
  FROM signals
  UNION
  SELECT
    disputed_day
  FROM signals
  WHERE
    NOT disputed_day IS NULL
), marked AS (
  SELECT
    day,
    MAX(edge) AS edge
  FROM (
    SELECT
      day,
      0 AS edge
    FROM days
    UNION ALL
    SELECT
      day,
      1
    FROM edges
  )
  GROUP BY
    day
), segment AS (
  SELECT
    day,
    MAX(CASE WHEN edge = 1 THEN day END) OVER (ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS starts,
    MIN(CASE WHEN edge = 1 THEN day END) OVER (ORDER BY day ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS ends
  FROM marked
), cells AS (
  SELECT
    g.account_id,
    o.starts,
    k.ends AS known_ends,
    d.ends AS disputed_ends,
    COUNT(*) FILTER(WHERE
      g.is_signal) AS signals,
    COUNT(*) FILTER(WHERE
      g.is_signal AND g.channel = $c1) AS web,
    COUNT(*) FILTER(WHERE
      g.is_signal AND g.channel = $c2 AND g.kind = $k2) AS web_pricing_visit,
    COUNT(*) FILTER(WHERE
      g.is_signal AND g.channel = $c3 AND g.kind = $k3) AS web_page_view,
    SUM(CAST(g.value AS DECIMAL(18, 4))) FILTER(WHERE
      g.is_signal AND g.kind = $v0) AS pricing_visit_value,
    COUNT(*) FILTER(WHERE
      g.kind = $t0) AS trigger_funding
  FROM signals AS g
  JOIN segment AS o
    ON o.day = g.occurred_day
  JOIN segment AS k
    ON k.day = g.known_day
  LEFT JOIN segment AS d
    ON d.day = g.disputed_day
  GROUP BY
    g.account_id,
    o.starts,
    k.ends,
    d.ends
)
SELECT
  s.account_id,
  s.as_of,
  CAST(SUM(c.signals) AS DOUBLE) AS signals_60d,
  CAST(SUM(c.web) AS DOUBLE) AS web_60d,
  CAST(SUM(c.web_pricing_visit) AS DOUBLE) AS web_pricing_visit_60d,
  CAST(SUM(c.web_page_view) AS DOUBLE) AS web_page_view_60d,
  CAST(SUM(c.pricing_visit_value) AS DOUBLE) AS pricing_visit_value_60d,
  CAST(SUM(c.trigger_funding) AS DOUBLE) AS trigger_funding_60d
FROM spine AS s
JOIN cells AS c
  ON c.account_id = s.account_id
  AND c.known_ends <= s.as_of_day
  AND (
    c.disputed_ends IS NULL OR c.disputed_ends > s.as_of_day
  )
  AND c.starts >= s.as_of_day - $window
GROUP BY
  s.account_id,
  s.as_of;

-- counts_90d
WITH edges AS (
  SELECT
    as_of_day AS day
  FROM spine
  UNION
  SELECT
    as_of_day - $window
  FROM spine
), days AS (
  SELECT
    occurred_day AS day
  FROM signals
  UNION
  SELECT
    known_day
  FROM signals
  UNION
  SELECT
    contact_known_day
  FROM signals
  UNION
  SELECT
    disputed_day
  FROM signals
  WHERE
    NOT disputed_day IS NULL
), marked AS (
  SELECT
    day,
    MAX(edge) AS edge
  FROM (
    SELECT
      day,
      0 AS edge
    FROM days
    UNION ALL
    SELECT
      day,
      1
    FROM edges
  )
  GROUP BY
    day
), segment AS (
  SELECT
    day,
    MAX(CASE WHEN edge = 1 THEN day END) OVER (ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS starts,
    MIN(CASE WHEN edge = 1 THEN day END) OVER (ORDER BY day ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS ends
  FROM marked
), cells AS (
  SELECT
    g.account_id,
    o.starts,
    k.ends AS known_ends,
    d.ends AS disputed_ends,
    COUNT(*) FILTER(WHERE
      g.is_signal) AS signals,
    COUNT(*) FILTER(WHERE
      g.is_signal AND g.channel = $c1) AS web,
    COUNT(*) FILTER(WHERE
      g.is_signal AND g.channel = $c2 AND g.kind = $k2) AS web_pricing_visit,
    COUNT(*) FILTER(WHERE
      g.is_signal AND g.channel = $c3 AND g.kind = $k3) AS web_page_view,
    SUM(CAST(g.value AS DECIMAL(18, 4))) FILTER(WHERE
      g.is_signal AND g.kind = $v0) AS pricing_visit_value,
    COUNT(*) FILTER(WHERE
      g.kind = $t0) AS trigger_funding
  FROM signals AS g
  JOIN segment AS o
    ON o.day = g.occurred_day
  JOIN segment AS k
    ON k.day = g.known_day
  LEFT JOIN segment AS d
    ON d.day = g.disputed_day
  GROUP BY
    g.account_id,
    o.starts,
    k.ends,
    d.ends
)
SELECT
  s.account_id,
  s.as_of,
  CAST(SUM(c.signals) AS DOUBLE) AS signals_90d,
  CAST(SUM(c.web) AS DOUBLE) AS web_90d,
  CAST(SUM(c.web_pricing_visit) AS DOUBLE) AS web_pricing_visit_90d,
  CAST(SUM(c.web_page_view) AS DOUBLE) AS web_page_view_90d,
  CAST(SUM(c.pricing_visit_value) AS DOUBLE) AS pricing_visit_value_90d,
  CAST(SUM(c.trigger_funding) AS DOUBLE) AS trigger_funding_90d
FROM spine AS s
JOIN cells AS c
  ON c.account_id = s.account_id
  AND c.known_ends <= s.as_of_day
  AND (
    c.disputed_ends IS NULL OR c.disputed_ends > s.as_of_day
  )
  AND c.starts >= s.as_of_day - $window
GROUP BY
  s.account_id,
  s.as_of;

-- contacts_7d
WITH edges AS (
  SELECT
    as_of_day AS day
  FROM spine
  UNION
  SELECT
    as_of_day - $window
  FROM spine
), days AS (
  SELECT
    occurred_day AS day
  FROM signals
  UNION
  SELECT
    known_day
  FROM signals
  UNION
  SELECT
    contact_known_day
  FROM signals
  UNION
  SELECT
    disputed_day
  FROM signals
  WHERE
    NOT disputed_day IS NULL
), marked AS (
  SELECT
    day,
    MAX(edge) AS edge
  FROM (
    SELECT
      day,
      0 AS edge
    FROM days
    UNION ALL
    SELECT
      day,
      1
    FROM edges
  )
  GROUP BY
    day
), segment AS (
  SELECT
    day,
    MAX(CASE WHEN edge = 1 THEN day END) OVER (ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS starts,
    MIN(CASE WHEN edge = 1 THEN day END) OVER (ORDER BY day ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS ends
  FROM marked
), cells AS (
  SELECT DISTINCT
    g.account_id,
    g.contact_id,
    o.starts,
    k.ends AS known_ends,
    d.ends AS disputed_ends
  FROM signals AS g
  JOIN segment AS o
    ON o.day = g.occurred_day
  JOIN segment AS k
    ON k.day = g.contact_known_day
  LEFT JOIN segment AS d
    ON d.day = g.disputed_day
  WHERE
    g.is_signal
)
SELECT
  s.account_id,
  s.as_of,
  CAST(COUNT(DISTINCT c.contact_id) AS DOUBLE) AS contacts_7d
FROM spine AS s
JOIN cells AS c
  ON c.account_id = s.account_id
  AND c.known_ends <= s.as_of_day
  AND (
    c.disputed_ends IS NULL OR c.disputed_ends > s.as_of_day
  )
  AND c.starts >= s.as_of_day - $window
GROUP BY
  s.account_id,
  s.as_of;

-- contacts_30d
WITH edges AS (
  SELECT
    as_of_day AS day
  FROM spine
  UNION
  SELECT
    as_of_day - $window
  FROM spine
), days AS (
  SELECT
    occurred_day AS day
  FROM signals
  UNION
  SELECT
    known_day
  FROM signals
  UNION
  SELECT
    contact_known_day
  FROM signals
  UNION
  SELECT
    disputed_day
  FROM signals
  WHERE
    NOT disputed_day IS NULL
), marked AS (
  SELECT
    day,
    MAX(edge) AS edge
  FROM (
    SELECT
      day,
      0 AS edge
    FROM days
    UNION ALL
    SELECT
      day,
      1
    FROM edges
  )
  GROUP BY
    day
), segment AS (
  SELECT
    day,
    MAX(CASE WHEN edge = 1 THEN day END) OVER (ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS starts,
    MIN(CASE WHEN edge = 1 THEN day END) OVER (ORDER BY day ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS ends
  FROM marked
), cells AS (
  SELECT DISTINCT
    g.account_id,
    g.contact_id,
    o.starts,
    k.ends AS known_ends,
    d.ends AS disputed_ends
  FROM signals AS g
  JOIN segment AS o
    ON o.day = g.occurred_day
  JOIN segment AS k
    ON k.day = g.contact_known_day
  LEFT JOIN segment AS d
    ON d.day = g.disputed_day
  WHERE
    g.is_signal
)
SELECT
  s.account_id,
  s.as_of,
  CAST(COUNT(DISTINCT c.contact_id) AS DOUBLE) AS contacts_30d
FROM spine AS s
JOIN cells AS c
  ON c.account_id = s.account_id
  AND c.known_ends <= s.as_of_day
  AND (
    c.disputed_ends IS NULL OR c.disputed_ends > s.as_of_day
  )
  AND c.starts >= s.as_of_day - $window
GROUP BY
  s.account_id,
  s.as_of;

-- channels_7d
WITH edges AS (
  SELECT
    as_of_day AS day
  FROM spine
  UNION
  SELECT
    as_of_day - $window
  FROM spine
), days AS (
  SELECT
    occurred_day AS day
  FROM signals
  UNION
  SELECT
    known_day
  FROM signals
  UNION
  SELECT
    contact_known_day
  FROM signals
  UNION
  SELECT
    disputed_day
  FROM signals
  WHERE
    NOT disputed_day IS NULL
), marked AS (
  SELECT
    day,
    MAX(edge) AS edge
  FROM (
    SELECT
      day,
      0 AS edge
    FROM days
    UNION ALL
    SELECT
      day,
      1
    FROM edges
  )
  GROUP BY
    day
), segment AS (
  SELECT
    day,
    MAX(CASE WHEN edge = 1 THEN day END) OVER (ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS starts,
    MIN(CASE WHEN edge = 1 THEN day END) OVER (ORDER BY day ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS ends
  FROM marked
), cells AS (
  SELECT DISTINCT
    g.account_id,
    g.channel,
    o.starts,
    k.ends AS known_ends,
    d.ends AS disputed_ends
  FROM signals AS g
  JOIN segment AS o
    ON o.day = g.occurred_day
  JOIN segment AS k
    ON k.day = g.known_day
  LEFT JOIN segment AS d
    ON d.day = g.disputed_day
  WHERE
    g.is_signal
)
SELECT
  s.account_id,
  s.as_of,
  CAST(COUNT(DISTINCT c.channel) AS DOUBLE) AS channels_7d
FROM spine AS s
JOIN cells AS c
  ON c.account_id = s.account_id
  AND c.known_ends <= s.as_of_day
  AND (
    c.disputed_ends IS NULL OR c.disputed_ends > s.as_of_day
  )
  AND c.starts >= s.as_of_day - $window
GROUP BY
  s.account_id,
  s.as_of;

-- decayed
WITH edges AS (
  SELECT
    as_of_day AS day
  FROM spine
), days AS (
  SELECT
    occurred_day AS day
  FROM signals
  UNION
  SELECT
    known_day
  FROM signals
  UNION
  SELECT
    contact_known_day
  FROM signals
  UNION
  SELECT
    disputed_day
  FROM signals
  WHERE
    NOT disputed_day IS NULL
), marked AS (
  SELECT
    day,
    MAX(edge) AS edge
  FROM (
    SELECT
      day,
      0 AS edge
    FROM days
    UNION ALL
    SELECT
      day,
      1
    FROM edges
  )
  GROUP BY
    day
), segment AS (
  SELECT
    day,
    MAX(CASE WHEN edge = 1 THEN day END) OVER (ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS starts,
    MIN(CASE WHEN edge = 1 THEN day END) OVER (ORDER BY day ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS ends
  FROM marked
), cells AS (
  SELECT
    g.account_id,
    k.ends AS known_ends,
    d.ends AS disputed_ends,
    SUM(CAST(POWER(0.5, (
      k.ends - g.occurred_day
    ) / $h30) AS DECIMAL(18, 12))) FILTER(WHERE
      g.is_signal) AS signals_30,
    SUM(CAST(POWER(0.5, (
      k.ends - g.occurred_day
    ) / $h30) AS DECIMAL(18, 12))) FILTER(WHERE
      g.is_signal AND g.channel = $c1) AS web_30
  FROM signals AS g
  JOIN segment AS k
    ON k.day = g.known_day
  LEFT JOIN segment AS d
    ON d.day = g.disputed_day
  GROUP BY
    g.account_id,
    k.ends,
    d.ends
)
SELECT
  s.account_id,
  s.as_of,
  CAST(CAST(SUM(
    CAST(CAST(c.signals_30 AS DOUBLE) * POWER(0.5, (
      s.as_of_day - c.known_ends
    ) / $h30) AS DECIMAL(18, 9))
  ) AS DECIMAL(18, 2)) AS DOUBLE) AS signals_decayed_30d,
  CAST(CAST(SUM(
    CAST(CAST(c.web_30 AS DOUBLE) * POWER(0.5, (
      s.as_of_day - c.known_ends
    ) / $h30) AS DECIMAL(18, 9))
  ) AS DECIMAL(18, 2)) AS DOUBLE) AS web_decayed_30d
FROM spine AS s
JOIN cells AS c
  ON c.account_id = s.account_id
  AND c.known_ends <= s.as_of_day
  AND (
    c.disputed_ends IS NULL OR c.disputed_ends > s.as_of_day
  )
GROUP BY
  s.account_id,
  s.as_of;

-- recency
WITH edges AS (
  SELECT
    as_of_day AS day
  FROM spine
), days AS (
  SELECT
    occurred_day AS day
  FROM signals
  UNION
  SELECT
    known_day
  FROM signals
  UNION
  SELECT
    contact_known_day
  FROM signals
  UNION
  SELECT
    disputed_day
  FROM signals
  WHERE
    NOT disputed_day IS NULL
), marked AS (
  SELECT
    day,
    MAX(edge) AS edge
  FROM (
    SELECT
      day,
      0 AS edge
    FROM days
    UNION ALL
    SELECT
      day,
      1
    FROM edges
  )
  GROUP BY
    day
), segment AS (
  SELECT
    day,
    MAX(CASE WHEN edge = 1 THEN day END) OVER (ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS starts,
    MIN(CASE WHEN edge = 1 THEN day END) OVER (ORDER BY day ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS ends
  FROM marked
), cells AS (
  SELECT
    g.account_id,
    k.ends AS known_ends,
    d.ends AS disputed_ends,
    MAX(g.occurred_at) FILTER(WHERE
      g.is_signal) AS signals_last,
    MAX(g.occurred_at) FILTER(WHERE
      g.is_signal AND g.channel = $c1) AS web_last
  FROM signals AS g
  JOIN segment AS k
    ON k.day = g.known_day
  LEFT JOIN segment AS d
    ON d.day = g.disputed_day
  GROUP BY
    g.account_id,
    k.ends,
    d.ends
)
SELECT
  s.account_id,
  s.as_of,
  MAX(c.signals_last) AS last_occurred,
  (
    EPOCH_US(ANY_VALUE(s.as_of)) - EPOCH_US(MAX(c.signals_last))
  ) / 86400000000.0 AS signals_days_since,
  (
    EPOCH_US(ANY_VALUE(s.as_of)) - EPOCH_US(MAX(c.web_last))
  ) / 86400000000.0 AS web_days_since
FROM spine AS s
JOIN cells AS c
  ON c.account_id = s.account_id
  AND c.known_ends <= s.as_of_day
  AND (
    c.disputed_ends IS NULL OR c.disputed_ends > s.as_of_day
  )
GROUP BY
  s.account_id,
  s.as_of;

-- roles
WITH edges AS (
  SELECT
    as_of_day AS day
  FROM spine
  UNION
  SELECT
    as_of_day - $window
  FROM spine
), days AS (
  SELECT
    occurred_day AS day
  FROM signals
  UNION
  SELECT
    known_day
  FROM signals
  UNION
  SELECT
    contact_known_day
  FROM signals
  UNION
  SELECT
    disputed_day
  FROM signals
  WHERE
    NOT disputed_day IS NULL
), marked AS (
  SELECT
    day,
    MAX(edge) AS edge
  FROM (
    SELECT
      day,
      0 AS edge
    FROM days
    UNION ALL
    SELECT
      day,
      1
    FROM edges
  )
  GROUP BY
    day
), segment AS (
  SELECT
    day,
    MAX(CASE WHEN edge = 1 THEN day END) OVER (ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS starts,
    MIN(CASE WHEN edge = 1 THEN day END) OVER (ORDER BY day ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS ends
  FROM marked
), cells AS (
  SELECT DISTINCT
    g.account_id,
    g.contact_id,
    o.starts,
    k.ends AS known_ends,
    d.ends AS disputed_ends
  FROM signals AS g
  JOIN segment AS o
    ON o.day = g.occurred_day
  JOIN segment AS k
    ON k.day = g.contact_known_day
  LEFT JOIN segment AS d
    ON d.day = g.disputed_day
  WHERE
    g.is_signal AND NOT g.contact_id IS NULL
), acted AS (
  SELECT DISTINCT
    s.account_id,
    s.as_of,
    c.contact_id
  FROM spine AS s
  JOIN cells AS c
    ON c.account_id = s.account_id
    AND c.known_ends <= s.as_of_day
    AND (
      c.disputed_ends IS NULL OR c.disputed_ends > s.as_of_day
    )
    AND c.starts >= s.as_of_day - $window
)
SELECT
  r.account_id,
  r.as_of,
  TRUE AS any_role,
  COALESCE(
    LIST_SORT(
      ARRAY_AGG(DISTINCT r.role) FILTER(WHERE
        NOT a.contact_id IS NULL AND ARRAY_CONTAINS($roles, r.role))
    ),
    []
  ) AS roles
FROM contact_roles AS r
LEFT JOIN acted AS a
  ON a.account_id = r.account_id AND a.as_of = r.as_of AND a.contact_id = r.contact_id
WHERE
  NOT r.role IS NULL
GROUP BY
  r.account_id,
  r.as_of;

-- opportunity_history
SELECT
  s.account_id,
  s.as_of,
  CAST(COUNT(*) AS DOUBLE) AS n_opened,
  CAST(COUNT(*) FILTER(WHERE
    NOT COALESCE((
      o.is_closed AND o.closed_at < s.as_of
    ), FALSE)) AS DOUBLE) AS n_open,
  CAST(COUNT(*) FILTER(WHERE
    (
      o.is_closed AND o.closed_at < s.as_of
    ) AND o.is_won) AS DOUBLE) AS n_won,
  CAST(COUNT(*) FILTER(WHERE
    (
      o.is_closed AND o.closed_at < s.as_of
    ) AND NOT COALESCE(o.is_won, FALSE)) AS DOUBLE) AS n_lost,
  (
    EPOCH_US(s.as_of) - EPOCH_US(MAX(o.created_at))
  ) / 86400000000.0 AS days_since_opened,
  (
    EPOCH_US(s.as_of) - EPOCH_US(MAX(o.closed_at) FILTER(WHERE
      (
        o.is_closed AND o.closed_at < s.as_of
      )))
  ) / 86400000000.0 AS days_since_closed
FROM spine AS s
JOIN opportunities AS o
  ON o.account_id = s.account_id
  AND o.created_at < s.as_of
  AND (
    o.deleted_at IS NULL OR NOT o.deleted_at < s.as_of
  )
GROUP BY
  s.account_id,
  s.as_of;

-- "attribute_employee_count"
WITH h AS (
  SELECT
    *
  FROM (
    SELECT
      account_id,
      field,
      new_value AS value,
      changed_at AS from_at,
      LEAD(changed_at) OVER (PARTITION BY account_id, field ORDER BY changed_at) AS to_at
    FROM (
      SELECT
        account_id,
        field,
        changed_at,
        MAX(new_value) AS new_value
      FROM account_history
      GROUP BY
        account_id,
        field,
        changed_at
    )
    UNION ALL
    SELECT
      account_id,
      field,
      ARG_MIN(old_value_set, changed_at)[1] AS value,
      NULL AS from_at,
      MIN(changed_at) AS to_at
    FROM (
      SELECT
        account_id,
        field,
        changed_at,
        [old_value] AS old_value_set
      FROM account_history
    )
    GROUP BY
      account_id,
      field
  )
  WHERE
    field = $field
)
SELECT
  s.account_id,
  s.as_of,
  CASE
    WHEN h.to_at IS NULL AND h.from_at IS NULL
    THEN TRY_CAST(a."employee_count" AS DOUBLE)
    ELSE TRY_CAST(h.value AS DOUBLE)
  END AS value,
  h.from_at AS changed_at
FROM spine AS s
JOIN accounts AS a
  ON a.account_id = s.account_id
LEFT JOIN h
  ON h.account_id = s.account_id
  AND (
    h.from_at IS NULL OR h.from_at < s.as_of
  )
  AND (
    h.to_at IS NULL OR NOT h.to_at < s.as_of
  );

-- "attribute_segment"
WITH h AS (
  SELECT
    *
  FROM (
    SELECT
      account_id,
      field,
      new_value AS value,
      changed_at AS from_at,
      LEAD(changed_at) OVER (PARTITION BY account_id, field ORDER BY changed_at) AS to_at
    FROM (
      SELECT
        account_id,
        field,
        changed_at,
        MAX(new_value) AS new_value
      FROM account_history
      GROUP BY
        account_id,
        field,
        changed_at
    )
    UNION ALL
    SELECT
      account_id,
      field,
      ARG_MIN(old_value_set, changed_at)[1] AS value,
      NULL AS from_at,
      MIN(changed_at) AS to_at
    FROM (
      SELECT
        account_id,
        field,
        changed_at,
        [old_value] AS old_value_set
      FROM account_history
    )
    GROUP BY
      account_id,
      field
  )
  WHERE
    field = $field
)
SELECT
  s.account_id,
  s.as_of,
  CASE
    WHEN s.as_of < $since
    THEN NULL
    ELSE CASE
      WHEN h.to_at IS NULL AND h.from_at IS NULL
      THEN CAST(a."segment" AS TEXT)
      ELSE CAST(h.value AS TEXT)
    END
  END AS value,
  h.from_at AS changed_at
FROM spine AS s
JOIN accounts AS a
  ON a.account_id = s.account_id
LEFT JOIN h
  ON h.account_id = s.account_id
  AND (
    h.from_at IS NULL OR h.from_at < s.as_of
  )
  AND (
    h.to_at IS NULL OR NOT h.to_at < s.as_of
  );

-- disputed
SELECT DISTINCT
  s.account_id,
  s.as_of,
  d.field
FROM spine AS s
JOIN disputes AS d
  ON d.table_name = 'accounts'
  AND d.fact_id = s.account_id
  AND d.disputed_at < s.as_of
  AND (
    d.restored_at IS NULL OR NOT d.restored_at < s.as_of
  );

-- owner
WITH h AS (
  SELECT
    *
  FROM (
    SELECT
      account_id,
      field,
      new_value AS value,
      changed_at AS from_at,
      LEAD(changed_at) OVER (PARTITION BY account_id, field ORDER BY changed_at) AS to_at
    FROM (
      SELECT
        account_id,
        field,
        changed_at,
        MAX(new_value) AS new_value
      FROM account_history
      GROUP BY
        account_id,
        field,
        changed_at
    )
    UNION ALL
    SELECT
      account_id,
      field,
      ARG_MIN(old_value_set, changed_at)[1] AS value,
      NULL AS from_at,
      MIN(changed_at) AS to_at
    FROM (
      SELECT
        account_id,
        field,
        changed_at,
        [old_value] AS old_value_set
      FROM account_history
    )
    GROUP BY
      account_id,
      field
  )
  WHERE
    field = 'owner_id'
)
SELECT
  s.account_id,
  s.as_of,
  CASE WHEN h.to_at IS NULL AND h.from_at IS NULL THEN a.owner_id ELSE h.value END AS owner_id
FROM spine AS s
JOIN accounts AS a
  ON a.account_id = s.account_id
LEFT JOIN h
  ON h.account_id = s.account_id
  AND (
    h.from_at IS NULL OR h.from_at < s.as_of
  )
  AND (
    h.to_at IS NULL OR NOT h.to_at < s.as_of
  );

-- excluded
WITH barred AS (
  SELECT
    a.account_id,
    x.reason,
    x.recorded_at,
    x.starts_on,
    x.ends_on
  FROM accounts AS a
  JOIN exclusions AS x
    ON x.account_id = a.account_id
  UNION ALL
  SELECT
    a.account_id,
    x.reason,
    x.recorded_at,
    x.starts_on,
    x.ends_on
  FROM accounts AS a
  JOIN exclusions AS x
    ON LOWER(x.domain) = LOWER(a.domain) AND x.account_id IS NULL
  UNION ALL
  SELECT
    a.account_id,
    x.reason,
    x.recorded_at,
    x.starts_on,
    x.ends_on
  FROM accounts AS a
  JOIN exclusions AS x
    ON x.country = a.country AND x.account_id IS NULL AND x.domain IS NULL
)
SELECT
  s.account_id,
  s.as_of,
  MIN(
    CASE
      WHEN ARRAY_CONTAINS($reasons, REGEXP_REPLACE(LOWER(TRIM(x.reason)), '[^a-z0-9]+', '_', 'g'))
      THEN REGEXP_REPLACE(LOWER(TRIM(x.reason)), '[^a-z0-9]+', '_', 'g')
      ELSE 'other'
    END
  ) AS reason
FROM spine AS s
JOIN barred AS x
  ON x.account_id = s.account_id
WHERE
  (
    x.recorded_at IS NULL OR x.recorded_at < s.as_of
  )
  AND (
    x.starts_on IS NULL OR x.starts_on <= s.as_of
  )
  AND (
    x.ends_on IS NULL OR x.ends_on > s.as_of
  )
GROUP BY
  s.account_id,
  s.as_of;

-- negative
WITH k AS (
  SELECT
    UNNEST($kinds) AS kind,
    UNNEST($days) AS days
)
SELECT
  s.account_id,
  s.as_of,
  MIN(t.kind) AS kind
FROM spine AS s
JOIN touch AS t
  ON t.account_id = s.account_id
  AND t.known_at < s.as_of
  AND (
    t.disputed_at IS NULL OR NOT t.disputed_at < s.as_of
  )
JOIN k
  ON k.kind = t.kind AND t.occurred_at >= s.as_of - TO_DAYS(k.days)
GROUP BY
  s.account_id,
  s.as_of;

-- status
WITH ruled AS (
  SELECT
    s.account_id,
    s.as_of,
    CASE
      WHEN COALESCE(a.deleted_at < s.as_of, FALSE)
      THEN 'deleted'
      WHEN NOT COALESCE(r.last_occurred >= s.as_of - TO_DAYS($active), FALSE)
      THEN 'inactive'
      WHEN NOT e.account_id IS NULL
      THEN 'ended'
      WHEN COALESCE(o.n_open, 0) > 0
      THEN 'in_pipeline'
      WHEN COALESCE(o.n_won, 0) > 0
      THEN 'customer'
    END AS rule
  FROM spine AS s
  JOIN accounts AS a
    ON a.account_id = s.account_id
  LEFT JOIN opportunity_history AS o
    ON o.account_id = s.account_id AND o.as_of = s.as_of
  LEFT JOIN recency AS r
    ON r.account_id = s.account_id AND r.as_of = s.as_of
  LEFT JOIN (
    SELECT DISTINCT
      s.account_id,
      s.as_of
    FROM spine AS s
    JOIN touch AS t
      ON t.account_id = s.account_id
      AND ARRAY_CONTAINS($ended_by, t.kind)
      AND t.known_at < s.as_of
      AND (
        t.disputed_at IS NULL OR NOT t.disputed_at < s.as_of
      )
  ) AS e
    ON e.account_id = s.account_id AND e.as_of = s.as_of
)
SELECT
  account_id,
  as_of,
  rule,
  CASE
    WHEN rule IS NULL
    THEN 'eligible'
    WHEN rule IN ('in_pipeline', 'customer')
    THEN rule
    ELSE 'not_eligible'
  END AS status
FROM ruled;

-- outcomes
WITH own AS (
  SELECT
    account_id,
    happened_at
  FROM (
    SELECT
      e.account_id,
      e.created_at AS happened_at
    FROM opportunities AS e
    WHERE
      TRUE AND e.deleted_at IS NULL
  )
  WHERE
    NOT happened_at IS NULL
), became AS (
  SELECT
    p.account_id AS provisional_id,
    l.account_id
  FROM lead_links AS p
  JOIN lead_links AS l
    ON l.lead_id = p.lead_id
  WHERE
    STARTS_WITH(p.account_id, 'lead:') AND NOT STARTS_WITH(l.account_id, 'lead:')
  UNION
  SELECT
    p.account_id,
    c.account_id
  FROM claims AS p
  JOIN claims AS c
    ON c.domain = p.domain
  WHERE
    STARTS_WITH(p.account_id, 'lead:') AND NOT STARTS_WITH(c.account_id, 'lead:')
), event AS (
  SELECT
    account_id,
    happened_at
  FROM own
  UNION ALL
  SELECT
    b.provisional_id,
    o.happened_at
  FROM own AS o
  JOIN became AS b
    ON b.account_id = o.account_id
)
SELECT
  s.account_id,
  s.as_of,
  s.as_of + TO_DAYS($horizon) <= $through AS mature,
  MIN(v.happened_at) AS outcome_at
FROM spine AS s
LEFT JOIN event AS v
  ON v.account_id = s.account_id
  AND v.happened_at >= s.as_of
  AND v.happened_at < s.as_of + TO_DAYS($horizon)
GROUP BY
  s.account_id,
  s.as_of;

-- final select
SELECT
  s.account_id AS "account_id",
  s.as_of AS "as_of",
  s.family_id AS "family_id",
  st.status AS "status",
  CAST(a."industry" AS TEXT) AS "industry",
  "at_employee_count".value AS "employee_count",
  "at_segment".value AS "segment",
  CAST(ARRAY_CONTAINS(a."technologies", $set_3_0) AS DOUBLE) AS "technologies_snowflake",
  CAST(ARRAY_CONTAINS(a."technologies", $set_3_1) AS DOUBLE) AS "technologies_sap",
  CASE WHEN s.as_of_day - 7 < $day_19723 THEN NULL ELSE COALESCE(n7.signals_7d, 0) END AS "signals_7d",
  CASE
    WHEN s.as_of_day - 30 < $day_19723
    THEN NULL
    ELSE COALESCE(n30.signals_30d, 0)
  END AS "signals_30d",
  CASE
    WHEN s.as_of_day - 120 < $day_19723
    THEN NULL
    ELSE COALESCE(de.signals_decayed_30d, 0)
  END AS "signals_decayed_30d",
  CASE
    WHEN re.signals_days_since IS NULL
    THEN CASE WHEN s.as_of_day - 365 < $day_19723 THEN NULL ELSE 365.0 END
    ELSE LEAST(re.signals_days_since, 365.0)
  END AS "signals_days_since",
  CASE WHEN s.as_of_day - 7 < $day_19723 THEN NULL ELSE COALESCE(n7.web_7d, 0) END AS "web_7d",
  CASE WHEN s.as_of_day - 30 < $day_19723 THEN NULL ELSE COALESCE(n30.web_30d, 0) END AS "web_30d",
  CASE
    WHEN s.as_of_day - 120 < $day_19723
    THEN NULL
    ELSE COALESCE(de.web_decayed_30d, 0)
  END AS "web_decayed_30d",
  CASE
    WHEN re.web_days_since IS NULL
    THEN CASE WHEN s.as_of_day - 365 < $day_19723 THEN NULL ELSE 365.0 END
    ELSE LEAST(re.web_days_since, 365.0)
  END AS "web_days_since",
  CASE
    WHEN s.as_of_day - 7 < $day_19723
    THEN NULL
    ELSE COALESCE(n7.web_pricing_visit_7d, 0)
  END AS "web_pricing_visit_7d",
  CASE
    WHEN s.as_of_day - 30 < $day_19723
    THEN NULL
    ELSE COALESCE(n30.web_pricing_visit_30d, 0)
  END AS "web_pricing_visit_30d",
  CASE
    WHEN s.as_of_day - 7 < $day_19723
    THEN NULL
    ELSE COALESCE(n7.web_page_view_7d, 0)
  END AS "web_page_view_7d",
  CASE
    WHEN s.as_of_day - 30 < $day_19723
    THEN NULL
    ELSE COALESCE(n30.web_page_view_30d, 0)
  END AS "web_page_view_30d",
  CASE
    WHEN s.as_of_day - 60 < $day_19723
    THEN NULL
    ELSE LN(
      (
        COALESCE(n30.signals_30d, 0) + 1
      ) / (
        COALESCE(n60.signals_60d, 0) - COALESCE(n30.signals_30d, 0) + 1
      )
    )
  END AS "signals_trend_30d",
  CASE
    WHEN s.as_of_day - 7 < $day_19723
    THEN NULL
    ELSE COALESCE(n7.pricing_visit_value_7d, 0)
  END AS "pricing_visit_value_7d",
  CASE
    WHEN s.as_of_day - 30 < $day_19723
    THEN NULL
    ELSE COALESCE(n30.pricing_visit_value_30d, 0)
  END AS "pricing_visit_value_30d",
  CASE
    WHEN s.as_of_day - 7 < $day_19723
    THEN NULL
    ELSE COALESCE(p7.contacts_7d, 0)
  END AS "contacts_7d",
  CASE
    WHEN s.as_of_day - 30 < $day_19723
    THEN NULL
    ELSE COALESCE(p30.contacts_30d, 0)
  END AS "contacts_30d",
  CASE
    WHEN s.as_of_day - 60 < $day_19723
    THEN NULL
    ELSE CAST(COALESCE(ARRAY_CONTAINS(ro.roles, $role_0), FALSE) AS DOUBLE)
  END AS "reached_champion",
  CASE
    WHEN s.as_of_day - 60 < $day_19723
    THEN NULL
    ELSE CAST(COALESCE(ARRAY_CONTAINS(ro.roles, $role_1), FALSE) AS DOUBLE)
  END AS "reached_exec_buyer",
  CASE
    WHEN s.as_of_day - 60 < $day_19723
    THEN NULL
    ELSE COALESCE(LENGTH(ro.roles), 0) / 2.0
  END AS "buying_group_share",
  COALESCE(n30.trigger_funding_30d, 0) AS "trigger_funding_30d",
  COALESCE(n90.trigger_funding_90d, 0) AS "trigger_funding_90d",
  COALESCE(oh.n_opened, 0) AS "opportunities_before",
  COALESCE(oh.n_won, 0) AS "opportunities_won_before",
  COALESCE(oh.n_lost, 0) AS "opportunities_lost_before",
  CASE
    WHEN NOT oh.days_since_opened IS NULL
    THEN LEAST(oh.days_since_opened, 365.0)
  END AS "days_since_opportunity_opened",
  CASE
    WHEN NOT oh.days_since_closed IS NULL
    THEN LEAST(oh.days_since_closed, 365.0)
  END AS "days_since_opportunity_closed",
  re.signals_days_since AS "days_since_signal",
  (
    COALESCE(n90.signals_90d, 0) - COALESCE(n7.signals_7d, 0)
  ) * 0.08433734939759036 AS "signals_prior_weekly",
  COALESCE(ch.channels_7d, 0) AS "channels_7d",
  CASE
    WHEN NOT COALESCE(ro.any_role, FALSE)
    THEN 'unknown'
    WHEN LENGTH(ro.roles) = 0
    THEN 'none'
    WHEN LENGTH(ro.roles) < 2
    THEN 'partial'
    ELSE 'reached'
  END AS "coverage",
  COALESCE(ARRAY_TO_STRING(ro.roles, ';'), '') AS "roles_reached",
  ex.reason AS "excluded_by",
  ne.kind AS "negative_trigger",
  ow.owner_id AS "owner_id",
  COALESCE("at_employee_count".changed_at, s.known_from) AS "value_as_of_employee_count",
  COALESCE("at_segment".changed_at, s.known_from) AS "value_as_of_segment",
  CASE WHEN y.mature THEN CAST(NOT y.outcome_at IS NULL AS DOUBLE) END AS "outcome",
  CASE WHEN y.mature THEN y.outcome_at END AS "outcome_at"
FROM spine AS s
JOIN accounts AS a
  ON a.account_id = s.account_id
JOIN status AS st
  ON st.account_id = s.account_id AND st.as_of = s.as_of
JOIN owner AS ow
  ON ow.account_id = s.account_id AND ow.as_of = s.as_of
JOIN outcomes AS y
  ON y.account_id = s.account_id AND y.as_of = s.as_of
JOIN "attribute_employee_count" AS "at_employee_count"
  ON "at_employee_count".account_id = s.account_id
  AND "at_employee_count".as_of = s.as_of
JOIN "attribute_segment" AS "at_segment"
  ON "at_segment".account_id = s.account_id AND "at_segment".as_of = s.as_of
LEFT JOIN counts_7d AS n7
  ON n7.account_id = s.account_id AND n7.as_of = s.as_of
LEFT JOIN counts_30d AS n30
  ON n30.account_id = s.account_id AND n30.as_of = s.as_of
LEFT JOIN counts_60d AS n60
  ON n60.account_id = s.account_id AND n60.as_of = s.as_of
LEFT JOIN counts_90d AS n90
  ON n90.account_id = s.account_id AND n90.as_of = s.as_of
LEFT JOIN contacts_7d AS p7
  ON p7.account_id = s.account_id AND p7.as_of = s.as_of
LEFT JOIN contacts_30d AS p30
  ON p30.account_id = s.account_id AND p30.as_of = s.as_of
LEFT JOIN channels_7d AS ch
  ON ch.account_id = s.account_id AND ch.as_of = s.as_of
LEFT JOIN decayed AS de
  ON de.account_id = s.account_id AND de.as_of = s.as_of
LEFT JOIN recency AS re
  ON re.account_id = s.account_id AND re.as_of = s.as_of
LEFT JOIN roles AS ro
  ON ro.account_id = s.account_id AND ro.as_of = s.as_of
LEFT JOIN opportunity_history AS oh
  ON oh.account_id = s.account_id AND oh.as_of = s.as_of
LEFT JOIN excluded AS ex
  ON ex.account_id = s.account_id AND ex.as_of = s.as_of
LEFT JOIN negative AS ne
  ON ne.account_id = s.account_id AND ne.as_of = s.as_of
ORDER BY
  s.as_of,
  s.account_id;
