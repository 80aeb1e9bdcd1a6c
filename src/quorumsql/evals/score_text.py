"""What the official Spider script does to the text of a statement before it runs it.

- ` value ` in a prediction becomes ` 1 `;
- `> =`, `< =` and `! =` are joined;
- unless DISTINCT is kept, all words `distinct` that are not quoted go, and so does everything
  after the first statement, since the library that finds those words looks at one statement;
- `YEAR(CURDATE())` becomes 2020.

What is not covered: statements that create procedures, whose end that library guesses.
"""

from __future__ import annotations

import re

__all__ = [
    "first_statement",
    "official_prediction",
    "runnable",
    "tokens",
    "with_year",
    "without_distinct",
]

_THIS_YEAR = re.compile(r"YEAR\s*\(\s*CURDATE\s*\(\s*\)\s*\)\s*", re.IGNORECASE)
_TOKEN = re.compile(
    r"""
    (?P<comment> (?:--|\#[ ]).*?(?:\r\n|\r|\n|$) )
  | (?P<other>
        /\*.*?\*/
      | (?<![\w"$])(?P<dollar>\$(?:[_A-ZÀ-Ü]\w*)?\$).*?(?P=dollar)
      | `(?:``|[^`])*` | ´(?:´´|[^´])*´
      | %(?:\(\w+\))?s | (?<!\w)[$:]\w+ | \\\w+ | (?:@|\#\#|\#)[A-ZÀ-Ü]\w+
      | -?0x[\dA-F]+ | -?\d+(?:\.\d+)?E-?\d+
      | (?![_A-ZÀ-Ü])-?(?:\d+\.\d*|\.\d+|\d+)(?![_A-ZÀ-Ü])
      | '(?:''|\\'|[^'])*' | "(?:""|\\"|[^"])*"
      | (?<![\w\])])\[[^\]\[]+\]
    )
  | (?P<member> (?<=\.)[A-ZÀ-Ü]\w* | [A-ZÀ-Ü]\w*(?=\s*\.(?!\d)|\() )
  | (?P<word> \w[$\#\w]* )
  | (?P<space> \s )
  | (?P<sign> ->>? | \#>>? | @> | - | \#- | [<>=~!]+ | [+/@\#%^&|-]+ )
  | (?P<mark> . )
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


def tokens(sql: str) -> list[str]:
    """Cut `sql` into tokens: quoted texts, words, numbers, signs and single spaces."""
    return [match[0] for match in _TOKEN.finditer(sql)]


def official_prediction(line: str) -> str:
    """Return the statement of a line of predictions: what stands before a tab."""
    return line.strip().partition("\t")[0].replace(" value ", " 1 ")


def runnable(sql: str, *, keep_distinct: bool = False) -> str:
    """Return what the official script sends to the database for `sql`, gold or predicted."""
    sql = joined_comparisons(sql)
    if not keep_distinct:
        sql = without_distinct(sql)
    return with_year(sql)


def joined_comparisons(sql: str) -> str:
    """Return `sql` with `> =` and its like as one sign."""
    if " =" not in sql:
        return sql
    return sql.replace("> =", ">=").replace("< =", "<=").replace("! =", "!=")


def with_year(sql: str) -> str:
    """Return `sql` with MySQL's words for this year replaced by 2020."""
    return _THIS_YEAR.sub("2020", sql) if "curdate" in sql.lower() else sql


def without_distinct(sql: str) -> str:
    """Return the first statement of `sql` without the word `distinct`, quoted text as it is."""
    if "distinct" not in sql.lower():
        return first_statement(sql)
    return "".join(
        match[0] for match in _TOKEN.finditer(first_statement(sql)) if not _is_distinct(match)
    )


def _is_distinct(match: re.Match[str]) -> bool:
    return match.lastgroup in {"word", "member"} and match[0].lower() == "distinct"


def first_statement(sql: str) -> str:
    """Return `sql` up to the semicolon, or `GO`, that ends its first statement, spaces included.

    Brackets that stay open keep a statement from ending; `END` closes one too many.
    """
    if _ends_once(sql):
        return sql
    level, over = 0, False
    for match in _TOKEN.finditer(sql):
        kind, text = match.lastgroup, match[0]
        if over and not _may_follow(kind, text):
            return sql[: match.start()]
        if kind == "mark":
            level += (text == "(") - (text == ")")
            over = over or (text == ";" and level <= 0)
        elif kind == "word":
            if text.upper() == "BEGIN":
                return sql
            level -= text.upper() == "END"
            over = over or text == "GO"
    return sql


def _ends_once(sql: str) -> bool:
    """Whether there is plainly one statement: no semicolon but the last, no GO."""
    end = sql.find(";")
    return (end < 0 or end == len(sql.rstrip()) - 1) and "GO" not in sql


def _may_follow(kind: str | None, text: str) -> bool:
    return kind == "comment" or (kind == "space" and text not in "\r\n")
