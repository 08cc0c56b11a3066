"""Currencies: their three letters, and the symbols by which amounts name them."""

from __future__ import annotations

from collections.abc import Mapping

from tierwise.data.cells.sql import among, literal, matches

_CODES = """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF
    CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD
    HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL
    LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR
    PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP
    TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWL
"""
CODES = tuple(_CODES.split())
"""ISO 4217."""
SYMBOLS = {
    "us$": "USD", "ca$": "CAD", "c$": "CAD", "au$": "AUD", "a$": "AUD", "nz$": "NZD", "hk$": "HKD", "sg$": "SGD",
    "s$": "SGD", "mx$": "MXN", "r$": "BRL", "$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "₩": "KRW",
    "₽": "RUB", "₺": "TRY", "₪": "ILS", "₴": "UAH", "₫": "VND", "฿": "THB", "₱": "PHP", "₦": "NGN", "zł": "PLN",
    "kč": "CZK", "kr": "", "rs.": "INR", "rs": "INR", "fr.": "CHF",
}  # fmt: skip
"""A symbol in lower case, and what it means where nothing else says; empty: it means nothing alone."""
FAMILIES = {
    "$": ("USD", "CAD", "AUD", "NZD", "HKD", "SGD", "MXN", "ARS", "CLP", "COP", "TWD"),
    "¥": ("JPY", "CNY"),
    "£": ("GBP", "EGP", "FKP", "GIP", "LBP", "SHP"),
    "kr": ("SEK", "NOK", "DKK", "ISK"),
    "rs": ("INR", "PKR", "LKR", "NPR", "MUR"),
    "rs.": ("INR", "PKR", "LKR", "NPR", "MUR"),
}
"""The currencies that share a symbol: with one of them declared beside it, an amount agrees."""


def symbols(declared: Mapping[str, str]) -> dict[str, str]:
    """Every symbol with its meaning, the longest first: the declared ones before the usual ones."""
    known = SYMBOLS | {symbol.lower(): code for symbol, code in declared.items()}
    return dict(sorted(known.items(), key=lambda pair: (-len(pair[0]), pair[0])))


def code(cell: str, declared: Mapping[str, str]) -> str:
    """The three letters that a cell of currencies means; null if it names none."""
    return f"CASE WHEN {matches(cell, '[A-Za-z]{3}')} THEN upper({cell}) ELSE nullif({meaning(cell, declared)}, '') END"


def meaning(mark: str, declared: Mapping[str, str]) -> str:
    """The currency that an amount's mark names; empty if several share it, null if there is no mark."""
    known = " ".join(f"WHEN {literal(symbol)} THEN {literal(code)}" for symbol, code in symbols(declared).items())
    is_code = f"length({mark}) = 3 AND contains({literal(' '.join(CODES))}, upper({mark}))"
    return f"CASE lower({mark}) {known} ELSE CASE WHEN {is_code} THEN upper({mark}) END END"


def agrees(mark: str, given: str) -> str:
    """Whether a mark may stand for a given currency, as $ for CAD."""
    shared = [f"(lower({mark}) = {literal(s)} AND {among(given, codes)})" for s, codes in FAMILIES.items()]
    return f"({' OR '.join(shared)})"
