"""The boundary between a text that claims to be SQL and a database, as pure functions.

`check` decides whether a statement may run at all, `permissions` what a person may read and
`restrict` rewrites a statement so that it cannot read more. Nothing here opens a database.
"""

from __future__ import annotations

from quorumsql.guard.check import check

__all__ = ["check"]
