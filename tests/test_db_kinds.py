from __future__ import annotations

import datetime
from decimal import Decimal

import pytest

from quorumsql.db.kinds import declared_kind, kind_of
from quorumsql.domain import Kind


@pytest.mark.parametrize(
    ("declared", "kind"),
    [
        ("INTEGER", "number"),
        ("int(11)", "number"),
        ("smallint unsigned", "number"),
        ("number(9,0)", "number"),
        ("DOUBLE PRECISION", "number"),
        ("decimal(19,4)", "number"),
        ("year", "number"),
        ("VARCHAR(20)", "text"),
        ("character varchar(4)", "text"),
        ("varchar2(50)", "text"),
        ("TEXT", "text"),
        ("date", "date"),
        ("DATETIME", "date"),
        ("timestamp with time zone", "date"),
        ("interval", "date"),
        ("bool", "boolean"),
        ("BOOLEAN", "boolean"),
        ("BLOB", "other"),
        ("point", "other"),
        ("", None),
        ("whatever", None),
    ],
)
def test_a_declared_type_promises_a_kind(declared: str, kind: Kind | None) -> None:
    assert declared_kind(declared) == kind


@pytest.mark.parametrize(
    ("declared", "values", "kind"),
    [
        ("TEXT", ["2010-01-02", "2011-12-31"], "date"),
        ("TEXT", ["2010-01-02 10:00:00", "2011-12-31T23:59:59.5Z"], "date"),
        ("TEXT", ["2010-01-02", "never"], "text"),
        ("TEXT", ["2010-13-02"], "text"),
        ("VARCHAR(20)", ["12", "-3.5", "0"], "number"),
        ("VARCHAR(20)", ["02134", "10001"], "text"),  # codes: the zero must not be lost
        ("VARCHAR(20)", ["12345678901234567890"], "text"),
        ("INTEGER", ["red", "blue"], "text"),
        ("INTEGER", [0, 0.23, "T"], "number"),  # mixed: the declaration stands
        ("", [1, 2.5, Decimal("3.5")], "number"),
        ("", ["a", 1], "text"),
        ("", [b"\x00"], "other"),
        ("", [], "text"),
        ("INTEGER", [], "number"),
        ("DATE", [40179, 40180], "date"),
        ("bool", [0, 1], "boolean"),
        ("bool", ["T", "F"], "boolean"),
        ("bool", [True, False], "boolean"),
        ("bool", ["Glebe Park", "Fir Park"], "text"),
        ("BLOB", ["text"], "other"),
        ("whatever", [datetime.date(2020, 1, 1)], "date"),
    ],
)
def test_values_overrule_the_declaration_when_they_agree(
    declared: str, values: list[object], kind: Kind
) -> None:
    assert kind_of(declared, values) == kind
