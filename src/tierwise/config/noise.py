"""Which activities are nobody's: the rules of noise, in tierwise.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tierwise.config.plan import Frozen

Count = Annotated[int, Field(ge=1)]


class RoundTheClock(Frozen):
    """People sleep: so many activities in one UTC day, in so many different hours of it, are a robot's."""

    activities: Count = 20
    hours: Annotated[int, Field(ge=1, le=24)] = 15


class NoiseRules(Frozen):
    """What is kept and counted, and kept out of signals.

    A rule whose number is null, or whose list is empty, is off. Bursts are counted by whoever is seen to act: a
    contact, a lead or an identity. What only an account or a domain is known to have done may be many people's: of it
    there is no most, but it is looked at round the clock.
    """

    channels: tuple[str, ...] = ("web", "product")
    """Where robots read: the channels in which bursts are looked for."""
    most_an_hour: Count | None = 60
    """More activities in one hour make that hour a robot's,"""
    most_a_day: Count | None = 200
    """and more in one UTC day make that day one's."""
    round_the_clock: RoundTheClock | None = RoundTheClock()
    sends: tuple[str, ...] = ("email_sent", "email_delivered")
    clicks: tuple[str, ...] = ("email_click", "email_open")
    """Kinds that e-mail security makes when it opens what it checks:"""
    seconds_after_send: Count | None = 5
    """within so many seconds after something was sent to the same contact,"""
    clicks_together: Annotated[int, Field(ge=2)] | None = 3
    """or so many of one kind by one contact,"""
    seconds_together: Count = 3
    """within so many seconds."""
    own_domains: tuple[str, ...] = ()
    """The domains of one's own company: what its people do is no buyer's."""
    test_domains: tuple[str, ...] = ("example.com", "example.net", "example.org", "test.com", "localhost")
    test_words: tuple[str, ...] = (
        "test",
        "tests",
        "testing",
        "tester",
        "dummy",
        "sandbox",
        "asdf",
        "qwerty",
        "delete me",
    )
    """Words of records that are for trying things out. A name or title counts if nothing else stands in it but
    `test_fillers` and numbers: Test Account 2 does, Speed Test Ltd does not."""
    test_fillers: tuple[str, ...] = (
        "account", "company", "contact", "customer", "lead", "record", "user", "please", "do not use",
        "ignore", "a", "the",
    )  # fmt: skip
    shared_methods: tuple[str, ...] = ("vpn", "carrier", "shared_address")
    """Methods of identities by which many companies look like one."""
