"""What the command line says about settings, on top of file and environment.

What is not covered: what settings exist and which are valid (`config`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quorumsql.config import Settings

__all__ = ["settings_of"]


def settings_of(
    *,
    effort: str | None = None,
    generators: str | None = None,
    timeout: float | None = None,
    dry: bool = False,
    model: str | None = None,
    private: bool | None = None,
    max_error: float | None = None,
    config: Path | None = None,
    llm: Mapping[str, object] | None = None,
) -> Settings:
    """Return the settings of file and environment with what is given here instead.

    `config` is read instead of the user's and the folder's own files.
    `generators` are names separated by commas; `timeout` is seconds per statement,
    with `dry` none runs; of `llm` what
    is None is not given.

    Raises:
        ConfigError: a value is not possible.
    """
    from quorumsql.config import load_settings

    overrides: dict[str, object] = {
        "effort": effort,
        "model": model,
        "private": private,
        "max_error": max_error,
    }
    if generators is not None:
        overrides["generators"] = [name.strip() for name in generators.split(",") if name.strip()]
    limits = {name: value for name, value in (("seconds", timeout), ("dry", dry)) if value}
    if limits:
        overrides["limits"] = limits
    given = {key: value for key, value in (llm or {}).items() if value is not None}
    if given:
        overrides["llm"] = given
    return load_settings(
        config, overrides={key: value for key, value in overrides.items() if value is not None}
    )
