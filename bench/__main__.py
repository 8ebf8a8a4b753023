"""`python -m bench`: measure, print, exit 0."""

from __future__ import annotations

import sys

from bench.cli import main

sys.exit(main())
