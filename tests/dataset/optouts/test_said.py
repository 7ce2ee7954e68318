"""One signal, and its words as they are quoted."""

import pytest

from ingest_guard.dataset.optouts.said import LONGEST_QUOTE, Signal, quote_words


@pytest.mark.parametrize(
    ("words", "quoted"),
    [
        ("train-ai=n", "train-ai=n"),
        (b"train-ai=n", "train-ai=n"),
        ("a\r\nb\x1b[31m\0", r"a\r\nb\x1b[31m\x00"),
        ("é\u202e\ud800\U0001f600", r"\xe9\u202e\ud800\U0001f600"),
        (b"\xff\x7f", r"\xff\x7f"),
        ("\\", "\\\\"),
        ("x" * 10_000, "x" * LONGEST_QUOTE),
        (b"\0" * 10_000, (r"\x00" * LONGEST_QUOTE)[:LONGEST_QUOTE]),
    ],
)
def test_quoted_words_are_short_printable_ascii(words: str | bytes, quoted: str) -> None:
    """What a host wrote cannot break a line, steer a terminal, or fill a log."""
    assert quote_words(words) == quoted
    assert quoted.isascii()
    assert quoted.isprintable()


def test_a_signal_is_a_value() -> None:
    """Two signals that say the same are equal, and can be kept in a set."""
    assert (
        len(
            {
                Signal("header", "content_usage", "train-ai=n", "no"),
                Signal("header", "content_usage", "train-ai=n", "no"),
            }
        )
        == 1
    )
