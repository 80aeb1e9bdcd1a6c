"""Draws charts on the server, as SVG, from specifications of ours: the browser runs none of it.

What is not covered: interaction; the table beside a chart holds every value.
"""

from __future__ import annotations

import copy
from typing import Any, Literal

from quorumsql.errors import MissingExtra

__all__ = ["Theme", "draw", "ready"]

Theme = Literal["light", "dark"]

_INK: dict[Theme, tuple[str, str]] = {
    "light": ("#1d2330", "#d9dee7"),
    "dark": ("#e8ecf4", "#3a4358"),
}
_MARK: dict[Theme, str] = {"light": "#2f5fd0", "dark": "#8fb0ff"}


def draw(spec: dict[str, Any], theme: Theme) -> str:
    """Return the SVG of a Vega-Lite specification; nothing outside is ever fetched.

    Raises:
        MissingExtra: the renderer is not installed.
    """
    try:
        import vl_convert
    except ModuleNotFoundError as error:
        raise MissingExtra("Drawing charts", "web") from error
    ink, line = _INK[theme]
    words = {"labelColor": ink, "titleColor": ink, "labelFontSize": 12, "titleFontSize": 12}
    config = {
        "background": "transparent",
        "font": "DejaVu Sans, sans-serif",
        "axis": {**words, "gridColor": line, "domainColor": line, "tickColor": line},
        "legend": words,
        "view": {"stroke": "transparent"},
        "bar": {"color": _MARK[theme]},
        "line": {"color": _MARK[theme]},
        "point": {"color": _MARK[theme]},
    }
    return str(vl_convert.vegalite_to_svg(copy.deepcopy(spec), config=config, allowed_base_urls=[]))


def ready() -> bool:
    """Start the renderer, which takes a moment the first time; False when it is not installed."""
    values = [{"c0": "a", "c1": 1}]
    try:
        draw({"data": {"values": values}, "mark": "bar", "encoding": {}}, "light")
    except MissingExtra:
        return False
    return True
