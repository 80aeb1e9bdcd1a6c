"""A made-up company to ask about, for the demo, the tutorial and the tests.

What is not covered: any other sample. Bring your own database instead.
"""

from __future__ import annotations

from quorumsql.sample.build import build_sample

__all__ = ["build_sample"]
