import pytest

from ingest_guard.checking.bodies import _takes_long


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", False),
        (b"a" * (1 << 19), False),
        (b"a" * ((1 << 19) + 1), True),
        (b":" * 2_500, False),
        (b":" * 2_501, True),
        (b"/" * 10_000, False),
        (b"/9j" * 2_501, True),
        (b":" * 2_000 + b"/9j" * 501, True),
        (b":" * 2_000 + b"/9j" * 500, False),
    ],
)
def test_bodies_that_take_long_are_known_beforehand(body: bytes, *, expected: bool) -> None:
    """A large body, and one with many signs of URLs or of base64, is looked through off the event loop."""
    assert _takes_long(body) == expected
