"""Plays as the YAML text of plays.yaml."""

from __future__ import annotations

from io import StringIO

from tierwise.config.plays import Plays

HEAD = """\
# The operating matrix: what entering, staying in or leaving a tier or status, or a surge, calls for; each action is
# owed once. complete: true means that every movement which can happen names its play, or stands under none.
# movements: entered (the default), left, surge; stayed, with every_days: owed each time so many further days are over.
# statuses: in_pipeline, customer, not_eligible; with stages: [Proposal], where an open opportunity stands in one of
#   them; owed once the account comes into the status, or the opportunity into the stages.
# owner: account_owner (revops where none is active); territory (where none is, who has fewest accounts of its territory
#   and team); capacity (the same also where the owner has more accounts in the tier than it can work); or a function:
#   marketing_operations, sales_development, revops.
# sla_hours: business hours of hours:, by the clock (owners.time_zone) of the owner who is to act.
# sla_days: business days, Monday to Friday, from as_of. On an account's first scoring (it has no tier yet) only
#   actions in tier_1 and suppress have a due date; what the other tiers owe then is a starting list, without one.
# hours: {time_zone: Europe/Berlin, days: [monday, tuesday, wednesday, thursday, friday], from: "09:00", to: "17:00",
#   holidays: [2026-12-25], calendars: [{calendar: gulf, territories: [Gulf], days: [sunday, monday]}]}; by default UTC.
# message: may say {account_id}, {name} (the account's own), {tier}, {tier_words} ("Tier 2 · Growth"), {why}, {signal}
#   (the dynamic signal that moved it) and {job} (icp.yaml's job_to_be_done); personas: a message for each role, which
#   may also say its {pain}; both are under personas in icp.yaml. A sentence whose signal, job or pain is empty is left
#   out.
# control: {share: 0.1, salt: "2026", never: [A1, A2]}: so large a share of who enters tier_1 or tier_2 (tiers:) gets no
#   seller action, so that the review can say what seller action is worth. An account is drawn once, when it enters, and
#   only if sellers were owed nothing for it yet: nobody who stands there already. It is held back wherever it goes
#   among the tiers, as long as the salt is the same; those under never, or with a person's override, are not, and are
#   owed then what was withheld when they entered. near: 5 draws, by a coin-flip, only accounts that would stand lower
#   with 5 points less, and holds them back only while they stand in that tier. detect: 0.5, the lift that the review
#   is to be able to tell from 0. Plays of marketing_operations and revops, of the status in which an account stands,
#   and those whose motion is none go on.
# budget_share: of all that the plan may spend; the shares add up to 1 at most. With budget: below, in the workspace's
#   currency, `tierwise govern` tells what each tier's pipeline cost.
# suppress: owed whenever an account was not suppressed before, its first scoring included.
# budget: {amount: 400000, months: 12}
"""


def plays_text(plays: Plays) -> str:
    """plays.yaml with these plays; what a play leaves at its default is left out."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 110
    out = StringIO()
    yaml.dump(plays.model_dump(mode="json", exclude_defaults=True, by_alias=True), out)
    return HEAD + out.getvalue()
