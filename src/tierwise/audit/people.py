"""Personal data, known by their values: e-mail addresses, phone numbers, people's names."""

from __future__ import annotations

import re
from itertools import pairwise

import pandas as pd

PHONE_WORDS = frozenset({"phone", "telephone", "mobile", "fax"})
PERSON_WORDS = frozenset({"email", "mail", "contact", "person", "surname"}) | PHONE_WORDS
"""Words in the name of a column that may hold a person's data;"""
BEFORE_NAME = frozenset({"first", "last", "full", "given", "family", "middle"})
"""and those that do so before `name`."""
EMAIL = re.compile(r"[^\s@]@[^\s@]+\.[^\s@]")
PHONE = re.compile(r"^(?=(?:\D*\d){8,15}\D*$)[+(]{0,2}\d[\d\s().\-/]*(?:\s?(?:x|ext\.?)\s?\d{1,5})?$", re.IGNORECASE)
"""What a phone number may be written with; and one of the marks without which it may be any number:"""
PHONE_MARK = re.compile(r"^\+|\(|^0\d*[\s.\-/]|^(?=(?:\D*\d){9})\d+(?:[\s.\-/]+\d+){2}")
"""a plus, a bracket, a nought in front of groups, or three groups of nine digits or more."""
PLAIN = re.compile(r"^\d+\s?[-.]\s?\d+$")
"""Two plain numbers around a dash or a point: a range, a code, a decimal number."""
DATE = re.compile(r"^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|^\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}")
NAMED = re.compile(r"^(?:(?:mr|mrs|ms|dr|prof)\.?\s+)?([^\W\d_]+)(?:[ \-][^\W\d_]+\.?){0,3}$", re.IGNORECASE)
CAPITAL = re.compile(r"^[^\W\d_a-z]")
_NAMES = """
    adam alan albert alejandro alex alexander alexandra alice alicia amanda amelia amit amy ana andrea andreas
    andrew angela anita ann anna anne annie anthony antonio arjun arthur ashley barbara ben benjamin bernd bert
    betty bill bob brandon brenda brian bruno camila carl carla carlos carmen carol caroline catherine charles
    charlotte chloe chris christian christina christine christopher claire claudia daniel daniela danielle david
    deborah deepak dennis diana diego dirk donald dorothy douglas edward elena elisabeth elizabeth ella emily
    emma eric erik eva fatima felix fernando florian francesca francisco frank frederick gabriel gary george
    gerald giovanni giulia gloria grace greg gregory hannah hans harold harry heather heidi helen helena helmut
    henry hiroshi hugo ian ines ingrid irene isaac isabel isabella ivan jack jacob jacqueline james jan jane
    janet jason jean jeff jeffrey jennifer jeremy jerry jessica jim joan joanna joao joe johan johannes john
    jonas jonathan jorge jose josef joseph joshua juan judith judy julia julian julie jurgen justin karen karin
    karl kate katherine kathleen katja keith kelly kenneth kevin kim klaus kumar lars laura lauren leo leon
    linda lisa louis louise lucas lucia luis lukas luke magnus manuel marco margaret maria marie mario mark
    markus marta martha martin martina mary matteo matthew maurice max megan mehmet melissa michael michelle
    miguel mike mohamed mohammed monica monika nancy natalie nathan neha nicholas nicole nikhil nina noah olga
    oliver olivia oscar pablo pamela patricia patrick paul paula pedro peter petra philip philipp pierre pooja
    priya rachel rafael rahul rajesh ralf ralph raymond rebecca ricardo richard rita robert roberto robin roger
    roland ronald rosa roxana russell ruth ryan sabine sam samantha samuel sandra sanjay sara sarah scott sean
    sebastian sergio sharon silvia simon simone sofia sonia sophia sophie stefan stephanie stephen steve steven
    sunil susan susanne suresh sven sylvia tanja tatiana teresa terry thomas tim timothy tina tobias tom tony
    ulrich ursula valentina vanessa vera veronica victor victoria vijay vincent virginia walter wayne wei wendy
    werner wilhelm william wolfgang xavier yasmin yuki yusuf zoe
"""
GIVEN = frozenset(_NAMES.split())
"""Common given names of many countries; a column most of whose values begin with one holds people."""
LEAST_SHARE = 0.3
LEAST_VALUES = 5
MAILS, PHONES, PEOPLE = "e-mail addresses", "phone numbers", "people's names"


def holds_people(values: pd.Series, name: str = "") -> tuple[str | None, float]:
    """What of people a column holds (MAILS, PHONES or PEOPLE), and the share of it.

    One e-mail address is enough; phone numbers and names count as shares of the distinct values. Where these are few or
    foreign, the column's name, if it is given, tips the scales; it says nothing alone.
    """
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        return None, 0.0
    distinct = pd.Series(values.dropna().astype(str).unique(), dtype="object")
    if distinct.empty:
        return None, 0.0
    if (mails := distinct.str.contains(EMAIL).mean()) > 0:
        return MAILS, float(mails)
    words, named = _words(name), _before_name(name)
    phones = float(distinct.map(_is_phone_by_name if words & PHONE_WORDS else _is_phone).mean())
    names = float(distinct.str.extract(NAMED)[0].str.lower().isin(GIVEN).mean())
    many = len(distinct) >= LEAST_VALUES
    if (many and phones > LEAST_SHARE) or (words & PHONE_WORDS and phones > 0):
        return PHONES, phones
    if (many and names > LEAST_SHARE) or (words & PERSON_WORDS and names > LEAST_SHARE / 2):
        return PEOPLE, names
    written = float((distinct.str.match(NAMED) & distinct.str.match(CAPITAL)).mean())
    if (named or "surname" in words) and written > LEAST_SHARE:
        return PEOPLE, written
    return None, 0.0


def is_personal(name: str) -> bool:
    """Whether a column is named like a person's data (law 10); a rule on names may warn, and no more.

    >>> [is_personal(n) for n in ("billing_email", "PhoneNumber", "first_name", "contacts__c", "industry")]
    [True, True, True, True, False]
    """
    return bool(_words(name) & PERSON_WORDS) or _before_name(name)


def _words(name: str) -> set[str]:
    return set(_in_order(name))


def _before_name(name: str) -> bool:
    return any(b == "name" and a in BEFORE_NAME for a, b in pairwise(_in_order(name)))


def _in_order(name: str) -> list[str]:
    return [w.lower().removesuffix("s") for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]


def looks_personal(text: str) -> bool:
    """Whether one value looks like an e-mail address, a phone number, or a person's name of several words.

    >>> looks_personal("ann@firm.example"), looks_personal("+31 20 555 0188"), looks_personal("2024-01-01")
    (True, True, False)
    >>> looks_personal("John Smith"), looks_personal("Victoria"), looks_personal("Trade fair")
    (True, False, False)
    """
    name = NAMED.match(text)
    named = name is not None and len(text.split()) > 1 and name[1].lower() in GIVEN
    return bool(EMAIL.search(text) or _is_phone(text) or named)


def _is_phone_by_name(text: str) -> bool:
    """In a column that is named for phones, bare digits are one."""
    return bool(PHONE.match(text) and not DATE.match(text))


def _is_phone(text: str) -> bool:
    if DATE.match(text) or PLAIN.match(text):
        return False
    return bool(PHONE.match(text) and PHONE_MARK.search(text))
