from __future__ import annotations

from ingest_guard import hashers
from ingest_guard.hashing import detectors, registry


def test_the_face_has_what_it_promises() -> None:
    """What plug-in authors import is exactly what is listed, and the same as in its own module."""
    names = ["Algorithm", "Detector", "DetectorError", "FrameSource", "Hasher", "HasherError", "load", "run"]
    assert sorted(hashers.__all__) == names
    assert sorted(name for name in vars(hashers) if not name.startswith("_")) == names
    for name in names:
        assert getattr(hashers, name) is getattr(detectors if name.startswith("Detector") else registry, name)


def test_a_plug_in_needs_nothing_else() -> None:
    """A hasher that is written with the face alone is one to the registry."""

    class Toy:
        algorithm = hashers.Algorithm("toy", 8, "bits", "hamming", threshold=4)

        def hash(self, source: hashers.FrameSource, /) -> list[bytes]:
            return [source.luma[:1, :8].tobytes()]

    assert isinstance(Toy(), hashers.Hasher)
