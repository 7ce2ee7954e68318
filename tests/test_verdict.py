from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingest_guard import Guard, ImageFacts, Match, Outcome, Policy, Reason, Verdict
from ingest_guard.guard.inquiry import Inquiry, Part
from ingest_guard.guard.scan_result import Scan
from ingest_guard.imaging.sniffing.sniff import Kind

if TYPE_CHECKING:
    from support.listed import World

SECRET = "5ec2e7" * 8


@pytest.mark.parametrize("member", [*Outcome, *Reason])
def test_enums_print_their_value(member: Outcome | Reason) -> None:
    """In a log line or a statistics key an outcome or a reason is its own word."""
    assert str(member) == f"{member}" == member.value
    assert member.value == member.name.lower()


@pytest.mark.parametrize(
    "value",
    [
        ImageFacts("JPEG", 3, 2, 1, 99, {"pdq": SECRET}),
        Verdict(Outcome.NO_KNOWN_MATCH, digests={"md5": SECRET}, image=ImageFacts("PNG", 1, 1, 1, 0, {"pdq": SECRET})),
        Inquiry(Kind.IMAGE, {"sha256": SECRET}, (), (Part(SECRET.encode(), SECRET),)),
        Part(SECRET.encode(), SECRET),
        Scan(image=ImageFacts("PNG", 1, 1, 1, 0, {"pdq": SECRET})),
    ],
    ids=lambda value: type(value).__name__,
)
def test_reprs_show_no_hash_and_no_byte(value: object) -> None:
    """What may end up in a log line or a traceback tells nobody a hash value."""
    assert SECRET not in repr(value)
    assert SECRET not in str(value)


def test_repr_of_a_real_verdict_shows_no_hash(world: World) -> None:
    """The verdict of a listed image names the list, and neither digest nor fingerprint."""
    verdict = Guard.from_policy(Policy(blocklist=world.blocklist)).check(world.exact)
    shown = repr(verdict)
    assert "'bytes'" in shown
    assert verdict.image is not None
    for value in (*verdict.digests.values(), *verdict.image.fingerprints.values()):
        assert value not in shown


def test_defaults_are_empty_and_cannot_be_written() -> None:
    """A verdict without digests has an empty mapping of them that nobody can fill for all others."""
    verdict = Verdict(Outcome.NOT_AN_IMAGE)
    assert (verdict.matches, verdict.reason, verdict.image, dict(verdict.digests)) == ((), None, None, {})
    with pytest.raises(TypeError):
        verdict.digests["md5"] = "x"  # type: ignore[index]


def test_match_is_a_plain_value() -> None:
    """Equal matches are one match: that is how doubles are left out."""
    assert len({Match("a", "pdq", 3, "native"), Match("a", "pdq", 3, "native")}) == 1
