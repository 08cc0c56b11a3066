"""Names of columns and files, compared regardless of how each exporter spells them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from fnmatch import fnmatchcase

from tierwise.data.sources.files import snake

_CUSTOM = re.compile(r"(?<=[^\W_])_{1,2}p?c$", re.IGNORECASE)
_LONGEST = 60


def key(name: str, prefixes: Sequence[str] = ()) -> str:
    """A column's name without case, blanks, marks and prefixes; a custom column (`__c`) keeps that it is one.

    >>> [key(name, ["property_"]) for name in ("CreatedDate", "Created Date", "property_created_date", "Type__c")]
    ['createddate', 'createddate', 'createddate', 'type~']
    """
    plain, custom = _plain(name, prefixes)
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", plain).casefold()) + ("~" if custom else "")


def _plain(name: str, prefixes: Sequence[str]) -> tuple[str, bool]:
    """A name without its prefix and the mark of a custom column, and whether it had that mark."""
    name = name.strip()
    for prefix in prefixes:
        if name.lower().startswith(prefix) and len(name) > len(prefix):
            name = name[len(prefix) :]
            break
    plain = _CUSTOM.sub("", name)
    return plain, plain != name


class Header:
    """The columns of a file, found by any of their spellings."""

    def __init__(self, names: Sequence[str], prefixes: Sequence[str]) -> None:
        self.names, self.prefixes = tuple(names), tuple(prefixes)
        self._at: dict[str, list[int]] = {}
        for place, name in enumerate(names):
            self._at.setdefault(key(name, prefixes), []).append(place)

    def find(self, name: str) -> list[int]:
        """Where a column stands; a custom one (`Segment__c`) also goes by its bare name, as labels have it."""
        wanted = key(name)
        return self._at.get(wanted) or (self._at.get(wanted[:-1], []) if wanted.endswith("~") else [])

    def places(self, names: Iterable[str]) -> list[int]:
        """Where any of the columns stands, each place once, in the order of the names."""
        return list(dict.fromkeys(place for name in names for place in self.find(name)))

    def has_one_of(self, names: Iterable[str]) -> bool:
        """Whether one of the columns is there."""
        return any(self.find(name) for name in names)


def is_system(name: str, patterns: Iterable[str], prefixes: Sequence[str]) -> bool:
    """Whether a column is one of those that are no attributes."""
    name = name.strip().lower()
    bare = next((name[len(p) :] for p in prefixes if name.startswith(p)), name)
    forms = {name, bare, key(name, prefixes).removesuffix("~")}
    return any(fnmatchcase(form, pattern.lower()) for pattern in patterns for form in forms) or any(
        key(pattern) in forms for pattern in patterns if "*" not in pattern
    )


def attribute(name: str, prefixes: Sequence[str], taken: Collection[str]) -> str:
    """What an attribute is called here: its name in snake case, made one that configuration files may hold.

    >>> attribute("Contract_Tier__c", [], set()), attribute("Type__c", [], {"type"}), attribute("3rd party", [], set())
    ('contract_tier', 'type_c', 'x_3rd_party')
    """
    plain, custom = _plain(name, prefixes)
    latin = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    base = snake(latin)[:_LONGEST].strip("_") or "column"
    base = base if base[0].isalpha() else f"x_{base}"[:_LONGEST]
    if base not in taken:
        return base
    tries = [f"{base[: _LONGEST - 2]}_c"] if custom else []
    tries += [f"{base[: _LONGEST - 4]}_{i}" for i in range(2, 1000)]
    return next(each for each in tries if each not in taken)


def words(name: str) -> tuple[str, ...]:
    """The words of a file's or table's name.

    >>> words("AccountHistory"), words("Demo_Request__c"), words("hubspot-crm-exports-all-companies-2026-01-01")[4:5]
    (('account', 'history'), ('demo', 'request'), ('companies',))
    """
    return tuple(word for word in snake(_CUSTOM.sub("", name)).split("_") if word)


def places(inside: Sequence[str], name: str) -> Iterable[tuple[str, ...]]:
    """What is left of the words around each place where a name stands in them, in the singular or plural."""
    wanted = words(name)
    for start in range(len(inside) - len(wanted) + 1):
        found = inside[start : start + len(wanted)]
        if found[:-1] == wanted[:-1] and found[-1] in _forms(wanted[-1]):
            yield (*inside[:start], *inside[start + len(wanted) :])


def _forms(word: str) -> set[str]:
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return {word, plural}
