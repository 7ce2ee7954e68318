"""``python -m ingest_guard.demo``."""

from __future__ import annotations

import sys

from ingest_guard.demo.run import main

sys.exit(main())
