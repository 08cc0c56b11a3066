"""Personal data, known by their values: e-mail addresses, phone numbers, people's names."""

from __future__ import annotations

import re

import pandas as pd

EMAIL = re.compile(r"[^\s@]@[^\s@]+\.[^\s@]")
PHONE = re.compile(
    r"^(?=(?:\D*\d){8,15}\D*$)(?:\+|00|\()?\d[\d\s().\-/]*(?:\s?(?:x|ext\.?)\s?\d{1,5})?$", re.IGNORECASE
)
PHONE_MARK = re.compile(r"[+()\s\-./]")
DATE = re.compile(r"^\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|^\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}")
NAMED = re.compile(r"^(?:(?:mr|mrs|ms|dr|prof)\.?\s+)?([^\W\d_]+)(?:[ \-][^\W\d_]+\.?){0,3}$", re.IGNORECASE)
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


def holds_people(values: pd.Series) -> tuple[str | None, float]:
    """What of people a column holds ("e-mail addresses", "phone numbers", "people's names"), and the share of it.

    One e-mail address is enough; phone numbers and names count as shares of the distinct values.
    """
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_datetime64_any_dtype(values):
        return None, 0.0
    distinct = pd.Series(values.dropna().astype(str).unique(), dtype="object")
    if distinct.empty:
        return None, 0.0
    if (mails := distinct.str.contains(EMAIL).mean()) > 0:
        return "e-mail addresses", float(mails)
    if len(distinct) < LEAST_VALUES:
        return None, 0.0
    phones = distinct.str.match(PHONE) & distinct.str.contains(PHONE_MARK) & ~distinct.str.match(DATE)
    if phones.mean() > LEAST_SHARE:
        return "phone numbers", float(phones.mean())
    first = distinct.str.extract(NAMED)[0].str.lower()
    if (names := first.isin(GIVEN).mean()) > LEAST_SHARE:
        return "people's names", float(names)
    return None, 0.0


def looks_personal(text: str) -> bool:
    """Whether one value looks like an e-mail address or a phone number.

    >>> looks_personal("ann@firm.example"), looks_personal("+31 20 555 0188"), looks_personal("2024-01-01")
    (True, True, False)
    """
    return bool(EMAIL.search(text) or (PHONE.match(text) and PHONE_MARK.search(text) and not DATE.match(text)))
