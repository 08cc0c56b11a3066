"""Names of columns, without what cannot be seen in them."""

from __future__ import annotations

import re

_INVISIBLE = re.compile("[\ufeff\u200b\u200c\u200d\u2060\u00ad\x00-\x08\x0e-\x1f]")
_BLANKS = re.compile(r"\s+")


def plain_name(name: str) -> str:
    """A name without marks that cannot be seen, and with single blanks only inside.

    >>> plain_name("\\ufeff Account\\u00a0 ID ")
    'Account ID'
    """
    return _BLANKS.sub(" ", _INVISIBLE.sub("", name)).strip()


def unseen(names: tuple[str, ...]) -> str | None:
    """What to say of names that held marks that cannot be seen (blanks around a name are not worth a word)."""
    changed = [plain_name(name) for name in names if plain_name(name) != _BLANKS.sub(" ", name).strip()]
    if not changed:
        return None
    return f"the header holds marks that cannot be seen; it was read as {', '.join(changed)}"
