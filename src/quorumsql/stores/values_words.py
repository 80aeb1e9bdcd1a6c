"""Words by which people mean a stored value that is written otherwise.

Peoples for countries, the sexes for their letters, states for their two letters, dates in words for
dates in figures, and endings that English adds to a name.

What is not covered: other languages, and synonyms that a dictionary of meaning would know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType
from typing import Final

__all__ = ["SAME", "dates_in", "is_country", "other_words", "same_words"]

SAME: Final = 0.8
"""How likely a value is meant that is another word for the same."""
_PEOPLES: Final = (
    "american:america,usa,us,united states; british:uk,united kingdom,britain,england; "
    "english:england; scottish:scotland; welsh:wales; irish:ireland; french:france; "
    "german:germany; dutch:netherlands,holland; belgian:belgium; swiss:switzerland; "
    "austrian:austria; italian:italy; spanish:spain; portuguese:portugal; greek:greece; "
    "turkish:turkey; danish:denmark; norwegian:norway; swedish:sweden; finnish:finland; "
    "icelandic:iceland; polish:poland; czech:czech republic; slovak:slovakia; "
    "hungarian:hungary; romanian:romania; bulgarian:bulgaria; russian:russia; "
    "ukrainian:ukraine; serbian:serbia; croatian:croatia; chinese:china; japanese:japan; "
    "korean:korea,south korea; taiwanese:taiwan; thai:thailand; vietnamese:vietnam; "
    "filipino:philippines; indonesian:indonesia; malaysian:malaysia; indian:india; "
    "pakistani:pakistan; bangladeshi:bangladesh; iranian:iran; iraqi:iraq; israeli:israel; "
    "saudi:saudi arabia; egyptian:egypt; moroccan:morocco; nigerian:nigeria; kenyan:kenya; "
    "ethiopian:ethiopia; south african:south africa; canadian:canada; mexican:mexico; "
    "brazilian:brazil; argentinian:argentina; argentine:argentina; chilean:chile; "
    "colombian:colombia; peruvian:peru; cuban:cuba; australian:australia; "
    "european:europe; asian:asia; african:africa"
)
_COUNTRIES: Final = (
    ("usa", "us", "u.s.", "u.s.a.", "united states", "united states of america", "america"),
    ("uk", "u.k.", "united kingdom", "great britain", "britain"),
)
_SAME: Final = (
    *_COUNTRIES,
    ("f", "female", "females", "woman", "women", "girl", "girls"),
    ("m", "male", "males", "man", "men", "boy", "boys"),
)
_STATES: Final = (
    "alabama:al; alaska:ak; arizona:az; arkansas:ar; california:ca; colorado:co; connecticut:ct; "
    "delaware:de; florida:fl; georgia:ga; hawaii:hi; idaho:id; illinois:il; indiana:in; iowa:ia; "
    "kansas:ks; kentucky:ky; louisiana:la; maine:me; maryland:md; massachusetts:ma; michigan:mi; "
    "minnesota:mn; mississippi:ms; missouri:mo; montana:mt; nebraska:ne; nevada:nv; "
    "new hampshire:nh; new jersey:nj; new mexico:nm; new york:ny; north carolina:nc; "
    "north dakota:nd; ohio:oh; oklahoma:ok; oregon:or; pennsylvania:pa; rhode island:ri; "
    "south carolina:sc; south dakota:sd; tennessee:tn; texas:tx; utah:ut; vermont:vt; "
    "virginia:va; washington:wa; west virginia:wv; wisconsin:wi; wyoming:wy"
)
_ENDINGS: Final = (
    *(("ing", ""), ("ing", "e"), ("ed", ""), ("ed", "e"), ("er", ""), ("an", ""), ("n", "")),
    *(("ese", ""), ("ist", ""), ("ly", ""), ("", "ing"), ("", "er")),
)
_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTH: Final = "|".join(f"{m}|{m[:3]}" for m in _MONTHS)
_DAY: Final = r"(?P<d>\d{1,2})(?:st|nd|rd|th)?"
_YEAR: Final = r"\s*,?\s*(?P<y>\d{4})"
_DATES: Final = (
    re.compile(rf"\b(?P<m>{_MONTH})\.?\s+{_DAY}{_YEAR}", re.I),
    re.compile(rf"\b{_DAY}\s+(?:of\s+)?(?P<m>{_MONTH})\.?{_YEAR}", re.I),
)


def _others() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for entry in (*_PEOPLES.split("; "), *_STATES.split("; ")):
        word, _, others = entry.partition(":")
        found[word] = tuple(others.split(","))
    for group in _SAME:
        for word in group:
            if len(word) > 1:
                found[word] = (*found.get(word, ()), *(other for other in group if other != word))
    return found


_OTHERS: Final = MappingProxyType(_others())


def same_words(text: str) -> tuple[str, ...]:
    """Return the other words for the same: peoples and countries, sexes, states."""
    lower = text.lower()
    return _OTHERS.get(lower, ()) if lower != "us" or text.isupper() else ()


def is_country(text: str) -> bool:
    """Whether `text` is one of several names of a country, as good as any other of them.

    "America" may be a continent.
    """
    return text.lower() != "america" and any(text.lower() in names for names in _COUNTRIES)


def other_words(text: str) -> Iterator[tuple[str, float]]:
    """Yield what else `text` may be stored as, each with how likely that is at best."""
    for word in same_words(text):
        yield word, SAME
    lower = text.lower()
    if len(lower) >= 5 and lower.isalpha():
        for ending, instead in _ENDINGS:
            if lower.endswith(ending) and len(lower) - len(ending) >= 4:
                yield lower[: len(lower) - len(ending)] + instead, 0.7


def dates_in(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and ISO form of each date that `text` writes with a month's name."""
    for pattern in _DATES:
        for match in pattern.finditer(text):
            month = next(n for n, m in enumerate(_MONTHS, 1) if m[:3] == match["m"][:3].lower())
            yield match.start(), match.end(), f"{match['y']}-{month:02d}-{int(match['d']):02d}"
