"""`python -m quorumsql` is the command `quorum`.

What is not covered: anything else.
"""

from __future__ import annotations

import sys

from quorumsql.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
