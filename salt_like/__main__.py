"""`python -m salt_like` is the `train` command."""

from __future__ import annotations

import sys

from salt_like.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
