from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING

import pytest
from imaging.corpus import good

from ingest_guard.imaging.decode import Limits
from ingest_guard.imaging.embedded import escapes, url_net
from ingest_guard.imaging.embedded.images import net

if TYPE_CHECKING:
    from collections.abc import Callable

_PICTURE = good("JPEG")
_CODED = base64.b64encode(_PICTURE)
_KINDS: dict[str, bytes] = {
    "URL": b"<img src='data:image/jpeg;base64," + _CODED + b"'>",
    "bare base64": b" " + _CODED + b" ",
    "hex": b"INSERT '" + _PICTURE.hex().encode() + b"';",
    "escaped": b'"data:image\\/jpeg;base64,' + _CODED.replace(b"/", b"\\/") + b'"',
}
_FILLINGS: dict[str, Callable[[int], bytes]] = {
    "words": lambda size: b"some words " * (size // 11),
    "runs": lambda size: b"/9j/ " * (size // 5),
    "backslashes": lambda size: b"\\\\a" * (size // 3),
}


@pytest.mark.parametrize("kind", _KINDS)
@pytest.mark.parametrize("filling", ["words", "backslashes"])
def test_the_net_looks_at_eight_megabytes(kind: str, filling: str) -> None:
    """A picture is found behind five of them, however it is spelt: nothing else looks at what no parser reads."""
    text = _FILLINGS[filling](5 << 20) + _KINDS[kind]
    assert _PICTURE in {body.data for body in net(text, Limits())}


@pytest.mark.parametrize("before", [*range(-40, 8), 1 << 20])
def test_a_run_that_lies_across_two_pieces_is_found(before: int) -> None:
    """Wherever the search of a large text goes on, nothing is cut in two."""
    text = b" " * (url_net._PIECE + before) + _CODED
    found = url_net._search_bare(text, 0)
    assert found is not None
    assert found.start() == len(text) - len(_CODED)


@pytest.mark.parametrize("size", [2, 3, escapes._PIECE - 1, escapes._PIECE, escapes._PIECE + 1, 5 * escapes._PIECE + 3])
@pytest.mark.parametrize("before", range(4))
def test_runs_of_backslashes_become_one_wherever_they_lie(size: int, before: int) -> None:
    """Also a pair that lies across two pieces; it ends in any case."""
    for text in (b"a" * before + b"\\" * size, b"a" * (escapes._PIECE - before) + b"\\" * min(size, 9) + b"b"):
        assert escapes._single_backslashes(text) == re.sub(rb"\\+", rb"\\", text)
