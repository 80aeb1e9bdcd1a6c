"""Databases: opened by URL or path, described as a `Schema`, read and never written.

`connect.open_database` is the door. `introspect`, `foreign_keys`, `kinds` and `sample` describe
any engine; each engine has files of its own (`sqlite`, `sqlite_file`, `sqlite_read`).

What is not covered: which statements make sense. `guard` refuses by their form; here the
engine's own means refuse what the guard let through.
"""

from __future__ import annotations

from quorumsql.db.audited import AuditedDatabase
from quorumsql.db.connect import open_database
from quorumsql.db.foreign_keys import infer_foreign_keys
from quorumsql.db.permitted import PermittedDatabase

__all__ = ["AuditedDatabase", "PermittedDatabase", "infer_foreign_keys", "open_database"]
