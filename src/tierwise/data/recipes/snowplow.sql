-- Snowplow: visits as activities of a cookie, and the logins that say which account a cookie is. Both results are
-- tables of the contract: save them as CSV or Parquet under the names above them, beside your accounts, then:
--   tierwise init DIR --tables FOLDER
--
-- A visit joins its account by `identities`, and never before the link was made: a cookie that logged in today was
-- nobody's last week, as of last week. Page pings are left out: they are seconds on a page, not acts.
-- Exclude your own offices and known bots here (app_id, user_ipaddress, useragent), or by noise rules.

-- activities.csv
SELECT
  event_id AS activity_id,
  domain_userid AS identity_id,
  derived_tstamp AS occurred_at,
  collector_tstamp AS recorded_at,
  'web' AS channel,
  CASE
    WHEN event_name = 'page_view' AND page_urlpath LIKE '/pricing%' THEN 'pricing_visit'
    WHEN event_name = 'page_view' AND page_urlpath LIKE '/docs%' THEN 'docs_visit'
    ELSE event_name
  END AS kind,
  'buyer' AS initiator
FROM atomic.events
WHERE domain_userid IS NOT NULL
  AND app_id = 'website'
  AND event_name IN ('page_view', 'submit_form', 'link_click');

-- identities.csv: `app.users` stands for your own table of users, which says the account of each
SELECT
  e.domain_userid AS identity_id,
  u.account_id AS account_id,
  'login' AS method,
  1.0 AS confidence,
  min(e.collector_tstamp) AS linked_at
FROM atomic.events AS e
JOIN app.users AS u ON u.user_id = e.user_id
WHERE e.domain_userid IS NOT NULL
GROUP BY e.domain_userid, u.account_id;
