from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ingest_guard.dataset.tables.fingerprints import decode_hex
from ingest_guard.dataset.tables.lines import read_texts

TEXTS = st.lists(
    st.none()
    | st.integers()
    | st.text(max_size=20)
    | st.text("0123456789abcdefABCDEF", min_size=8, max_size=8)
    | st.text("0123456789abcdefABCDEF ", min_size=16, max_size=16),
    max_size=12,
)


def slowly(text: object, size: int) -> list[bytes]:
    """Return the values in a text, by Python's own means."""
    if not isinstance(text, str) or not text or len(text) % (2 * size):
        return []
    if not all(char in "0123456789abcdefABCDEF" for char in text):
        return []
    whole = bytes.fromhex(text)
    return [whole[at : at + size] for at in range(0, len(whole), size)]


@given(texts=TEXTS, size=st.sampled_from([1, 4, 8]))
def test_as_python_reads_it(texts: list[object], size: int) -> None:
    """Texts of digits are their bytes, several values of a text come one after the other, anything else is nothing."""
    rows, values, unread = read_texts(texts, size)
    expected = [(row, part) for row, text in enumerate(texts) for part in slowly(text, size)]
    assert [(row, one.tobytes()) for row, one in zip(rows.tolist(), values, strict=True)] == expected
    assert values.shape[1] == size
    assert unread == sum(1 for text in texts if text and not slowly(text, size))


def test_texts_that_lie_apart() -> None:
    """Texts need not follow each other in memory."""
    text = np.frombuffer(b"..00ff..a1B2", np.uint8)
    rows, values = decode_hex(text, np.array([2, 8]), np.array([4, 4]), 2)
    assert rows.tolist() == [0, 1]
    assert values.tolist() == [[0, 255], [0xA1, 0xB2]]
