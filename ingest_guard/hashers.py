"""For authors of hasher plug-ins: what a package needs to bring an algorithm of its own into every check.

A package names its hasher in the entry point group ``ingest_guard.hashers``; see "Use a hash of your own" in
``docs/usage.md``. :mod:`ingest_guard.testing` has the tests that a hasher must pass.
"""

from ingest_guard.hashing.registry import Algorithm, FrameSource, Hasher, HasherError, load, run

__all__ = ["Algorithm", "FrameSource", "Hasher", "HasherError", "load", "run"]
