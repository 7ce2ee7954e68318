"""For authors of plug-ins: what a package needs to bring an algorithm, or a detector, of its own into every check.

A package names its hasher in the entry point group ``ingest_guard.hashers``; see "Use a hash of your own" in
``docs/usage.md``. A detector stands in the group ``ingest_guard.detectors``; see ``docs/detectors.md``.
:mod:`ingest_guard.testing` has the tests that each must pass.
"""

from ingest_guard.hashing.detectors import Detector, DetectorError
from ingest_guard.hashing.registry import Algorithm, FrameSource, Hasher, HasherError, load, run

__all__ = ["Algorithm", "Detector", "DetectorError", "FrameSource", "Hasher", "HasherError", "load", "run"]
