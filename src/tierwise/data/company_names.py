"""Names of companies, to be compared."""

from __future__ import annotations

_FORMS = (
    "inc|incorporated|corp|corporation|co|company|ltd|limited|llc|llp|plc|gmbh|ag|kg|se|sa|sas|sarl|srl|spa|bv|nv|ab"
    "|oy|as|pty"
)


def bare_name(column: str) -> str:
    """SQL for a company's name in lower case, without signs and its legal form."""
    words = f"regexp_replace(lower({column}), '[^\\p{{L}}\\p{{N}}]+', ' ', 'g')"
    return f"trim(regexp_replace({words}, '\\b({_FORMS})\\b', '', 'g'))"
