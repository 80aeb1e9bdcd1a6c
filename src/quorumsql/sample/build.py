"""A made-up company to ask about: an outdoor outfitter with seven years of trade.

`build_sample` writes fifteen tables and some thirty-five thousand rows, the same ones
every time, on every Python: all chance comes from `random.Random(SEED).random()`,
the one method whose sequence the standard library promises to keep.

What is not covered: realism of the numbers beyond what questions need (seasons,
cancelled orders, NULLs, names that people misspell); views; other engines.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple, TypeVar

from quorumsql.errors import DatabaseError
from quorumsql.sample.words import (
    CARRIERS,
    CATEGORIES,
    COUNTRIES,
    DEPARTMENTS,
    FIRST_NAMES,
    LAST_NAMES,
    METHODS,
    REASONS,
    REGIONS,
    REVIEWS_BY_STARS,
    SCHEMA,
    SEGMENTS,
    SERIES,
    SUPPLIER_KINDS,
    SUPPLIER_WORDS,
)

__all__ = ["build_sample"]

SEED = 20_240_229
FIRST_DAY = date(2018, 1, 2)
LAST_DAY = date(2024, 12, 30)
CUSTOMERS = 1_400
ORDERS = 5_600
REVIEWS = 1_900

Item = TypeVar("Item")
Record = tuple[object, ...]


class _Dice:
    """Chance from `Random.random` alone, so that every Python rolls the same."""

    def __init__(self, seed: int) -> None:
        self._roll: Callable[[], float] = Random(seed).random

    def below(self, n: int) -> int:
        """An integer from 0 to n - 1."""
        return int(self._roll() * n)

    def between(self, low: int, high: int) -> int:
        """An integer from low to high, both possible."""
        return low + self.below(high - low + 1)

    def chance(self, share: float) -> bool:
        """True in `share` of the cases."""
        return self._roll() < share

    def pick(self, items: Sequence[Item]) -> Item:
        """One of the items."""
        return items[self.below(len(items))]

    def day(self, first: date, last: date) -> date:
        """A day from first to last, both possible."""
        return first + timedelta(days=self.below((last - first).days + 1))

    def person(self) -> str:
        """A full name."""
        return f"{self.pick(FIRST_NAMES)} {self.pick(LAST_NAMES)}"


class _Product(NamedTuple):
    """What later tables must know about a product."""

    id: int
    price: float
    launched: date


class _Order(NamedTuple):
    """What later tables must know about an order."""

    id: int
    day: date
    status: str
    customer: int
    lines: tuple[Record, ...]


def build_sample(path: str | os.PathLike[str]) -> None:
    """Write the sample company to `path` as a SQLite file, replacing what is there.

    The file is complete or absent: it is built beside `path` and then moved.

    Raises:
        DatabaseError: `path` cannot be written.
    """
    target = Path(path)
    draft = target.with_name(f".{target.name}.{os.getpid()}.draft")
    try:
        draft.unlink(missing_ok=True)
        with closing(sqlite3.connect(draft)) as connection:
            connection.executescript(f"PRAGMA synchronous = OFF; BEGIN; {SCHEMA}")
            _fill(connection)
            connection.commit()
        draft.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise DatabaseError(
            f"Cannot write the sample database to {target}: {error}. Use a folder you may write to."
        ) from error
    finally:
        if draft.parent.is_dir():
            draft.unlink(missing_ok=True)


def _fill(connection: sqlite3.Connection) -> None:
    """Insert all rows, parents before children."""
    dice = _Dice(SEED)

    def insert(table: str, rows: Iterable[Record]) -> None:
        """Insert rows that give every column of a table."""
        for row in rows:
            marks = ", ".join("?" * len(row))
            values = [v.isoformat() if isinstance(v, date) else v for v in row]
            connection.execute(f'INSERT INTO "{table}" VALUES ({marks})', values)

    insert("regions", enumerate(REGIONS, start=1))
    insert("countries", ((i, c[0], c[1], c[2]) for i, c in enumerate(COUNTRIES, start=1)))
    insert("departments", ((i, *d[:3]) for i, d in enumerate(DEPARTMENTS, start=1)))
    employees = tuple(_employees(dice))
    insert("employees", employees)
    suppliers = tuple(_suppliers(dice))
    insert("suppliers", suppliers)
    insert("categories", ((i, c[0], c[1]) for i, c in enumerate(CATEGORIES, start=1)))
    records, products = _products(dice)
    insert("products", records)
    insert("product_suppliers", _sources(dice, products, len(suppliers)))
    customers = tuple(_customers(dice))
    insert("customers", customers)
    orders = tuple(_orders(dice, customers, products))
    sellers = [e[0] for e in employees if e[2] == "Sales Representative"]
    insert("orders", _order_rows(dice, orders, sellers))
    insert("order_items", (line for order in orders for line in order.lines))
    insert("shipments", _shipments(dice, orders))
    insert("payments", _payments(dice, orders))
    insert("returns", _returns(dice, orders))
    insert("Product Reviews", _reviews(dice, orders))


def _employees(dice: _Dice) -> Iterable[Record]:
    """The chief first, then every department's head, then everyone else."""
    heads: list[int] = []
    number = 0
    for department, (_, city, _, title, _, _, base) in enumerate(DEPARTMENTS, start=1):
        number += 1
        heads.append(number)
        hired, born = dice.day(date(2009, 1, 5), date(2016, 12, 1)), _birth(dice)
        salary = int(base * 1.9) + dice.below(90) * 100
        boss = 1 if number > 1 else None
        yield (number, dice.person(), title, city, salary, hired, born, department, boss)
    for department, (_, city, _, _, title, members, base) in enumerate(DEPARTMENTS, start=1):
        for _ in range(members):
            number += 1
            home = city if dice.chance(0.8) else dice.pick(dice.pick(COUNTRIES)[3])
            hired = dice.day(date(2012, 1, 2), date(2024, 6, 28))
            salary = base + dice.below(base // 250) * 100
            birth = None if dice.chance(0.04) else _birth(dice)
            boss = heads[department - 1]
            yield (number, dice.person(), title, home, salary, hired, birth, department, boss)


def _birth(dice: _Dice) -> date:
    """The birth date of an adult."""
    return dice.day(date(1952, 1, 1), date(2002, 12, 31))


def _suppliers(dice: _Dice) -> Iterable[Record]:
    """One supplier for every pair of words; a seventh of them not yet rated."""
    pairs = ((word, kind) for word in SUPPLIER_WORDS for kind in SUPPLIER_KINDS)
    for number, (word, kind) in enumerate(pairs, start=1):
        country = dice.below(len(COUNTRIES))
        rating = None if dice.chance(1 / 7) else dice.between(20, 50) / 10
        city = dice.pick(COUNTRIES[country][3])
        yield (number, f"{word} {kind}", city, rating, country + 1)


def _products(dice: _Dice) -> tuple[list[Record], list[_Product]]:
    """Every series in every kind of product, one in six left out."""
    records: list[Record] = []
    products: list[_Product] = []
    for category, (_, _, nouns, low, high) in enumerate(CATEGORIES, start=1):
        for noun in nouns:
            for series in SERIES:
                if dice.chance(1 / 6):
                    continue
                number = len(records) + 1
                price = dice.between(low, high) - 0.05
                weight = None if dice.chance(0.06) else dice.between(8, 420) / 100
                launched = dice.day(date(2015, 3, 1), date(2023, 10, 31))
                stock = 0 if dice.chance(0.08) else dice.between(1, 480)
                name = f"{series} {noun}"
                records.append((number, name, price, weight, stock, launched, category))
                products.append(_Product(number, price, launched))
    return records, products


def _sources(dice: _Dice, products: Sequence[_Product], suppliers: int) -> Iterable[Record]:
    """Which suppliers deliver a product: one to three of them, at about half its price."""
    for product in products:
        for supplier in sorted({dice.below(suppliers) + 1 for _ in range(dice.between(1, 3))}):
            cost = round(product.price * dice.between(40, 65) / 100, 2)
            days = None if dice.chance(0.1) else dice.between(3, 60)
            yield (product.id, supplier, cost, days)


def _customers(dice: _Dice) -> Iterable[Record]:
    """Customers spread over all countries, more of them in the first ones."""
    for number in range(1, CUSTOMERS + 1):
        country = min(dice.below(len(COUNTRIES)), dice.below(len(COUNTRIES) + 4))
        name = dice.person()
        mail = f"{name.split()[0].lower()}.{number}@example.com".encode("ascii", "ignore").decode()
        email = None if dice.chance(0.09) else mail
        phone = (
            None if dice.chance(0.3) else f"+{dice.between(30, 99)} 555 {dice.between(1000, 9999)}"
        )
        born = None if dice.chance(0.12) else _birth(dice)
        signup = dice.day(FIRST_DAY, date(2024, 9, 30))
        city = dice.pick(COUNTRIES[country][3])
        yield (number, name, city, email, phone, dice.pick(SEGMENTS), born, signup, country + 1)


def _orders(
    dice: _Dice, customers: Sequence[Record], products: Sequence[_Product]
) -> Iterable[_Order]:
    """Orders in order of their dates, none before its customer signed up.

    The last tenth of the customers and the last product have never been part of one.
    """
    buyers = customers[: len(customers) * 9 // 10]
    drafts: list[tuple[date, int]] = []
    for _ in range(ORDERS):
        buyer = buyers[min(dice.below(len(buyers)), dice.below(len(buyers) * 2))]
        signup = buyer[7]
        assert isinstance(signup, date), "the eighth column of customers is the sign-up date"
        day = dice.day(signup, LAST_DAY)
        if day.month in (2, 3) and dice.chance(0.5):  # the quiet season moves to early summer
            day = day.replace(month=6, day=min(day.day, 30))
        drafts.append((max(day, signup), int(str(buyer[0]))))
    for number, (day, customer) in enumerate(sorted(drafts), start=1):
        lines = tuple(_lines(dice, number, day, products[:-1]))
        yield _Order(number, day, _status(dice, day), customer, lines)


def _lines(dice: _Dice, order: int, day: date, products: Sequence[_Product]) -> Iterable[Record]:
    """One to four lines, of products launched by then, sometimes at a discount."""
    line = 0
    for _ in range(dice.between(1, 4)):
        product = dice.pick(products)
        if product.launched > day and line:
            continue
        line += 1
        price = round(product.price * (0.9 if dice.chance(0.15) else 1.0), 2)
        yield (order, line, product.id, min(dice.between(1, 6), dice.between(1, 3)), price)


def _status(dice: _Dice, day: date) -> str:
    """What became of an order: recent ones may still be under way."""
    if dice.chance(0.05):
        return "cancelled"
    recent = (LAST_DAY - day).days
    if recent < 5:
        return "pending"
    return "shipped" if recent < 14 else "delivered"


def _order_rows(
    dice: _Dice, orders: Sequence[_Order], sellers: Sequence[object]
) -> Iterable[Record]:
    """Orders as rows; those of the web shop have no seller."""
    for order in orders:
        channel = dice.pick(("web", "web", "store", "phone"))
        seller = None if channel == "web" else dice.pick(sellers)
        yield (order.id, order.day, order.status, channel, order.customer, seller)


def _shipments(dice: _Dice, orders: Sequence[_Order]) -> Iterable[Record]:
    """One shipment for every order that left the house; one in fifty was never confirmed."""
    sent = [order for order in orders if order.status in ("shipped", "delivered")]
    for number, order in enumerate(sent, start=1):
        shipped = order.day + timedelta(days=dice.between(0, 4))
        arrived = shipped + timedelta(days=dice.between(1, 9))
        known = order.status == "delivered" and not dice.chance(0.02)
        yield (number, dice.pick(CARRIERS), shipped, arrived if known else None, order.id)


def _payments(dice: _Dice, orders: Sequence[_Order]) -> Iterable[Record]:
    """Every order that was not cancelled is paid, some in two parts."""
    number = 0
    for order in orders:
        if order.status == "cancelled":
            continue
        total = round(sum(float(str(line[3])) * float(str(line[4])) for line in order.lines), 2)
        half = round(total / 2, 2)
        parts = (half, round(total - half, 2)) if dice.chance(0.07) else (total,)
        for part in parts:
            number += 1
            paid = order.day + timedelta(days=dice.between(0, 21))
            yield (number, order.id, dice.pick(METHODS), part, paid)


def _returns(dice: _Dice, orders: Sequence[_Order]) -> Iterable[Record]:
    """Some delivered lines come back."""
    delivered = (order for order in orders if order.status == "delivered")
    lines = ((order, line) for order in delivered for line in order.lines)
    back = [(order, line) for order, line in lines if dice.chance(0.04)]
    for number, (order, line) in enumerate(back, start=1):
        day = order.day + timedelta(days=dice.between(6, 45))
        yield (number, order.id, line[1], dice.pick(REASONS), day)


def _reviews(dice: _Dice, orders: Sequence[_Order]) -> Iterable[Record]:
    """Stars and sometimes words, from people who bought the product."""
    for number in range(1, REVIEWS + 1):
        order = dice.pick(orders)
        stars = max(dice.between(1, 5), dice.between(1, 5))
        words = None if dice.chance(0.35) else dice.pick(REVIEWS_BY_STARS[stars - 1])
        day = order.day + timedelta(days=dice.between(8, 90))
        yield (number, stars, words, day, dice.pick(order.lines)[2], order.customer)
