"""The questions of a run as data inside the report's page, small enough for any number of them.

A small page carries plain JSON, which people can search as text; a large one carries it
compressed. Where even that is larger than a page may be, the least read details are left out,
step by step, and the page says so.

What is not covered: figures; `report` writes those as markup.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from quorumsql.disk import encodable
from quorumsql.evals.features import FEATURES
from quorumsql.evals.filters import ALIASES, FLAGS, NUMBERS, TEXTS
from quorumsql.evals.predictions import Prediction

__all__ = ["Packed", "inert", "pack"]

_LONG: Final = 4_000

_Item = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """The text of a data block, whether it is compressed, and what was left out."""

    text: str
    compressed: bool
    left_out: str = ""


def pack(
    predictions: Sequence[Prediction],
    others: Mapping[int, Prediction],
    *,
    plain: int = 1_500_000,
    largest: int = 9_000_000,
) -> Packed:
    """Return the data block for `predictions`; `others` are another run's, by index.

    Up to `plain` characters stay as they are; nothing is longer than `largest` as long as the
    least that is kept of each question, about 200 bytes, fits.
    """
    items = [_item(prediction, others.get(prediction.index)) for prediction in predictions]
    names = {
        "aliases": dict(ALIASES),
        "texts": list(TEXTS),
        "features": list(FEATURES),
        "others": [*NUMBERS, *FLAGS],
    }
    left_out = ""
    for words, shorten in (("", _same), *_CUTS):
        if words:
            items = [shorten(item) for item in items]
            left_out = words
        text = inert(json.dumps({"names": names, "items": items}, ensure_ascii=False))
        if len(text) <= plain:
            return Packed(text=text, compressed=False, left_out=left_out)
        packed = base64.b64encode(gzip.compress(text.encode("utf-8"), 6, mtime=0)).decode("ascii")
        if len(packed) <= largest:
            break
    return Packed(text=packed, compressed=True, left_out=left_out)


def inert(text: str) -> str:
    """Return JSON that no HTML parser takes for markup, whatever its strings hold."""
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return encodable(text)


def _item(prediction: Prediction, other: Prediction | None) -> _Item:
    item = asdict(prediction)
    item["db"] = item.pop("db_id")
    item["features"] = None if prediction.features is None else dict(prediction.features)
    for name in ("timings_ms", "usage", "verdicts", "scores"):
        del item[name]
    if prediction.correct:
        item["predicted_preview"] = item["gold_preview"] = None
    item["confidence"] = round(prediction.confidence, 4)
    item["seconds"] = round(prediction.seconds, 4)
    if other is not None:
        item["was"] = {"correct": other.correct, "sql": other.sql}
    return item


def _same(item: _Item) -> _Item:
    return item


def _without_votes_of_right(item: _Item) -> _Item:
    return {**item, "candidates": []} if item["correct"] else item


def _shortened(item: _Item) -> _Item:
    cut = {name: _cut(item[name]) for name in ("question", "gold", "sql", "unscored")}
    votes = [{**vote, "sql": _cut(vote["sql"])} for vote in item["candidates"][:8]]
    return {**item, **cut, "candidates": votes}


def _without_votes(item: _Item) -> _Item:
    return {**item, "candidates": []}


def _without_results(item: _Item) -> _Item:
    cut = {name: _cut(item[name], 500) for name in ("question", "gold", "sql", "unscored")}
    return {**item, **cut, "gold_preview": None, "predicted_preview": None, "differs": ()}


def _bare(item: _Item) -> _Item:
    cut = {name: _cut(item[name], 120) for name in ("question", "gold", "sql", "unscored")}
    return {**item, **cut, "features": None, "was": None}


def _cut(text: str | None, longest: int = _LONG) -> str | None:
    return text if text is None or len(text) <= longest else text[: longest - 1] + "…"


_CUTS: Final[tuple[tuple[str, Callable[[_Item], _Item]], ...]] = (
    ("candidates of right answers are left out", _without_votes_of_right),
    ("candidates of right answers are left out, long texts are cut", _shortened),
    ("candidates are left out, long texts are cut", _without_votes),
    ("candidates and results are left out, long texts are cut", _without_results),
    ("candidates, results and features are left out, texts are cut", _bare),
)
