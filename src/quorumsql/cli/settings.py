"""What the command line says about settings, on top of file and environment.

What is not covered: what settings exist and which are valid (`config`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quorumsql.config import Settings

__all__ = ["settings_of"]


def settings_of(
    *, effort: str | None = None, generators: str | None = None, timeout: float | None = None
) -> Settings:
    """Return the settings of file and environment with what is given here instead.

    `generators` are names separated by commas; `timeout` is seconds per statement.

    Raises:
        ConfigError: a value is not possible.
    """
    from quorumsql.config import load_settings

    overrides: dict[str, object] = {}
    if effort is not None:
        overrides["effort"] = effort
    if generators is not None:
        overrides["generators"] = [name.strip() for name in generators.split(",") if name.strip()]
    if timeout is not None:
        overrides["limits"] = {"seconds": timeout}
    return load_settings(overrides=overrides)
