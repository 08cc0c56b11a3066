-- HubSpot: from the tables that a loader lands in a warehouse (the names are Fivetran's; other loaders' differ little).
-- Save each result as CSV or Parquet under the name above it, all in one folder, then:
--   tierwise init DIR --hubspot FOLDER
-- or name the database itself as a source of kind hubspot in tierwise.yaml, and nothing needs to be saved.
--
-- Leave out a column that your portal does not have. Add your own properties to company: each becomes an attribute.
-- Names, e-mails and phones of people are not needed; of an e-mail only the domain is kept.
-- The property histories say what was known when: sync them (in Fivetran they are tables of their own).
-- Without a warehouse: export companies, contacts, deals and activities from their index pages ("All properties on
-- records", with associations). That has neither history nor what was deleted, so fewer attributes can be used.

-- company.csv
SELECT id, is_deleted, property_name, property_domain, property_hs_parent_company_id, property_salesforceaccountid,
  property_industry, property_numberofemployees, property_annualrevenue, property_country, property_lifecyclestage,
  property_hubspot_owner_id, property_createdate, property_hs_lastmodifieddate, _fivetran_synced
FROM hubspot.company;

-- company_property_history.csv
SELECT company_id, name, value, timestamp
FROM hubspot.company_property_history;

-- contact.csv
SELECT id, _fivetran_deleted, property_associatedcompanyid, property_jobtitle, property_hs_buying_role, property_email,
  property_salesforcecontactid, property_createdate, property_lastmodifieddate, _fivetran_synced
FROM hubspot.contact;

-- contact_property_history.csv: when contacts came to a company
SELECT contact_id, name, value, timestamp
FROM hubspot.contact_property_history
WHERE name IN ('associatedcompanyid', 'jobtitle', 'hs_buying_role');

-- contact_company.csv
SELECT contact_id, company_id
FROM hubspot.contact_company;

-- deal.csv
SELECT deal_id, is_deleted, deal_pipeline_id, deal_pipeline_stage_id, property_hs_is_closed, property_hs_is_closed_won,
  property_amount, property_deal_currency_code, property_dealtype, property_closedate, property_hs_analytics_source,
  property_hs_salesforceopportunityid, property_createdate, property_hs_lastmodifieddate, _fivetran_synced
FROM hubspot.deal;

-- deal_company.csv
SELECT deal_id, company_id
FROM hubspot.deal_company;

-- deal_stage.csv: every stage, with the instant at which it was entered
SELECT deal_id, value, date_entered
FROM hubspot.deal_stage;

-- deal_pipeline.csv
SELECT pipeline_id, label
FROM hubspot.deal_pipeline;

-- deal_pipeline_stage.csv
SELECT stage_id, label, is_closed, closed_won
FROM hubspot.deal_pipeline_stage;

-- engagement.csv
SELECT id, timestamp, created_at
FROM hubspot.engagement;

-- engagement_contact.csv
SELECT engagement_id, contact_id
FROM hubspot.engagement_contact;

-- engagement_company.csv
SELECT engagement_id, company_id
FROM hubspot.engagement_company;

-- engagement_deal.csv
SELECT engagement_id, deal_id
FROM hubspot.engagement_deal;

-- engagement_call.csv
SELECT engagement_id, _fivetran_deleted, property_hs_timestamp, property_hs_createdate, property_hs_call_direction,
  property_hs_lastmodifieddate
FROM hubspot.engagement_call;

-- engagement_email.csv
SELECT engagement_id, _fivetran_deleted, property_hs_timestamp, property_hs_createdate, property_hs_email_direction,
  property_hs_email_from_email, property_hs_lastmodifieddate
FROM hubspot.engagement_email;

-- engagement_meeting.csv
SELECT engagement_id, _fivetran_deleted, property_hs_timestamp, property_hs_createdate, property_hs_meeting_outcome,
  property_hs_lastmodifieddate
FROM hubspot.engagement_meeting;

-- engagement_note.csv
SELECT engagement_id, _fivetran_deleted, property_hs_timestamp, property_hs_createdate, property_hs_lastmodifieddate
FROM hubspot.engagement_note;

-- engagement_task.csv
SELECT engagement_id, _fivetran_deleted, property_hs_timestamp, property_hs_createdate, property_hs_task_status,
  property_hs_task_completion_date, property_hs_task_type, property_hs_lastmodifieddate
FROM hubspot.engagement_task;

-- engagement_communication.csv
SELECT engagement_id, _fivetran_deleted, property_hs_timestamp, property_hs_createdate,
  property_hs_communication_channel_type, property_hs_lastmodifieddate
FROM hubspot.engagement_communication;

-- email_event.csv
SELECT id, type, created, recipient, filtered_event
FROM hubspot.email_event
WHERE type IN ('SENT', 'OPEN', 'CLICK', 'FORWARD');

-- contact_form_submission.csv
SELECT contact_id, form_id, conversion_id, timestamp
FROM hubspot.contact_form_submission;

-- owner.csv
SELECT owner_id, created_at, updated_at
FROM hubspot.owner;

-- owner_team.csv
SELECT owner_id, team_id
FROM hubspot.owner_team;

-- team.csv
SELECT id, name
FROM hubspot.team;
