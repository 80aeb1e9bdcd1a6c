"""The words in names, and names as words.

What is not covered: which words mean the same; `synonyms` knows that.
"""

from __future__ import annotations

import re

__all__ = ["readable", "singular", "stem"]

_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_\W]+|(?<=[A-Za-z])(?=\d)")


def readable(name: str) -> str:
    """Return an identifier as words: "FirstName_2" becomes "first name 2"."""
    return " ".join(word.lower() for word in _CAMEL.split(name) if word)


def singular(word: str) -> str:
    """Return a word, which is in lower case, without its plural ending."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("sses", "ches", "shes", "xes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def stem(word: str) -> str:
    """Return `word` as members learned to compare words: without its plural ending, crudely."""
    word = word.lower()
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word
