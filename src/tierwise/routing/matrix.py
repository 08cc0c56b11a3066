"""The default operating matrix: a play, or none, for every movement of the default tiers and statuses."""

from __future__ import annotations

from tierwise.config.plays import NoPlay, Play, Plays

_MATRIX = (
    Play(
        play="focus",
        tiers=("tier_1",),
        motion="1:1 ABM, executive alignment",
        owner="account_owner",
        sla_hours=16,
        channel="meeting",
        message="{name} ({tier_words}): plan its 1:1 programme and align its executives with ours. {why}",
        personas={
            "champion": "{name}, champions: show the work itself. Speak to {pain}. Help them to {job}. "
            "Open with its {signal}.",
            "exec_buyer": "{name}, executive buyers: show what it is worth to them. Speak to {pain}. "
            "Help them to {job}. Open with its {signal}.",
        },
        budget_share=0.4,
        kpi="pipeline created, win rate, ACV",
    ),
    Play(
        play="growth",
        tiers=("tier_2",),
        motion="1:few ABM, coordinated outbound",
        owner="sales_development",
        sla_days=5,
        channel="email",
        message="{name} ({tier_words}): add it to a 1:few programme and to outbound. {why}",
        personas={
            "champion": "{name}, champions: invite them to compare notes with their peers. Speak to {pain}. "
            "Open with its {signal}.",
        },
        budget_share=0.25,
        kpi="meetings set, pipeline velocity",
    ),
    Play(
        play="scaled",
        tiers=("tier_3",),
        except_rows=("target",),
        motion="scaled nurture, self-serve",
        owner="marketing_operations",
        sla_days=10,
        channel="email",
        message="{name} ({tier_words}): start its nurture. {why}",
        budget_share=0.1,
        kpi="MQL to SAL, engagement lift",
    ),
    Play(
        play="target",
        tiers=("tier_3",),
        rows=("target",),
        motion="awareness and outbound",
        owner="marketing_operations",
        sla_days=10,
        channel="ads",
        message="{name} ({tier_words}): put it on the outbound list. {why}",
        budget_share=0.1,
        kpi="MQL to SAL, engagement lift",
    ),
    Play(
        play="surge",
        tiers=("tier_1", "tier_2", "tier_3"),
        movements=("surge",),
        motion="reach out while the surge lasts",
        owner="account_owner",
        sla_hours=8,
        channel="phone",
        message="{name} ({tier_words}): reach out while its surge lasts. Open with its {signal}. {why}",
        budget_share=0.1,
        kpi="meetings set",
    ),
    Play(
        play="recycle",
        tiers=("recycle",),
        motion="recycle path, enrichment, partner route",
        owner="revops",
        sla_days=20,
        message="{name} ({tier_words}): enrich it, or pass it to a partner. {why}",
        budget_share=0.05,
        kpi="false positives, cost per pipeline",
    ),
    Play(
        play="stop",
        tiers=("suppress",),
        motion="none",
        owner="revops",
        sla_days=1,
        message="Take {name} out of every sequence and audience. {why}",
        kpi="zero outreach",
    ),
    Play(
        play="focus_review",
        tiers=("tier_1",),
        movements=("stayed",),
        every_days=90,
        motion="review of the 1:1 programme",
        owner="account_owner",
        sla_days=5,
        channel="meeting",
        message="{name} ({tier_words}): look at what its programme brought, and renew it or end it. {why}",
        kpi="pipeline created, win rate, ACV",
    ),
    Play(
        play="focus_ended",
        tiers=("tier_1",),
        movements=("left",),
        motion="end of the 1:1 programme",
        owner="account_owner",
        sla_days=2,
        message="{name} ({tier_words}): end its 1:1 programme, and hand on what is known of it. {why}",
        kpi="budget freed",
    ),
    Play(
        play="growth_ended",
        tiers=("tier_2",),
        movements=("left",),
        motion="end of the 1:few programme",
        owner="sales_development",
        sla_days=5,
        message="{name} ({tier_words}): take it out of its 1:few programme and of outbound. {why}",
        kpi="budget freed",
    ),
    Play(
        play="open_deal",
        statuses=("in_pipeline",),
        motion="support of the open opportunity, no prospecting",
        owner="account_owner",
        sla_hours=16,
        channel="meeting",
        message="{name} ({tier_words}): end prospecting, and bring the whole buying group to the opportunity. {why}",
        kpi="win rate, days to close",
    ),
    Play(
        play="slow_deal",
        statuses=("in_pipeline",),
        movements=("stayed",),
        every_days=60,
        motion="review of the open opportunity",
        owner="account_owner",
        sla_days=5,
        channel="meeting",
        message="{name} ({tier_words}): look at what holds its opportunity up. {why}",
        kpi="win rate, days to close",
    ),
    Play(
        play="new_customer",
        statuses=("customer",),
        motion="onboarding, then expansion",
        owner="account_owner",
        sla_days=5,
        channel="meeting",
        message="{name} ({tier_words}): hand it to its onboarding, and note what was promised. {why}",
        kpi="time to first value, retention",
    ),
)
_NONE = (
    NoPlay(movements=("left",), tiers=("tier_3", "recycle", "suppress")),
    NoPlay(statuses=("not_eligible",)),
)


def default_plays() -> Plays:
    """The operating matrix of the default tiers; every movement names its play, or none."""
    return Plays(complete=True, plays=_MATRIX, none=_NONE)
