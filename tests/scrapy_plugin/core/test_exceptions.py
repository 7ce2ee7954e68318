from __future__ import annotations

import pytest

from ingest_guard import ImageBlocked, Match, Outcome, Reason, Verdict


@pytest.mark.parametrize(
    ("verdict", "text", "lists"),
    [
        (
            Verdict(
                Outcome.MATCH, (Match("a", "pdq", 1, "native"), Match("b", "md5", 0, "bytes"), Match("a", "x", 0, "y"))
            ),
            "match (a, b)",
            ("a", "b"),
        ),
        (Verdict(Outcome.NOT_SCANNABLE, reason=Reason.PIXELS), "not_scannable (pixels)", ()),
        (Verdict(Outcome.NOT_SCANNABLE), "not_scannable ()", ()),
    ],
)
def test_image_blocked_says_what_and_by_which_list(verdict: Verdict, text: str, lists: tuple[str, ...]) -> None:
    """The exception can be logged: it names outcome, reason and lists."""
    error = ImageBlocked.from_verdict(verdict)
    assert str(error) == f"ingest_guard dropped this response: {text}"
    assert (error.outcome, error.reason, error.lists) == (str(verdict.outcome), verdict.reason, lists)
