from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from blocklist import journals
from blocklist.journals import MD5, PDQ, Record, source

from ingest_guard.blocklist.blocklist import Blocklist, Rule
from ingest_guard.blocklist.build import build as builds
from ingest_guard.blocklist.build import collect
from ingest_guard.blocklist.build.build import build
from ingest_guard.errors import BlocklistError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

QUERIES = np.frombuffer(b"".join(PDQ[:4]), np.uint8).reshape(-1, 32)


def values(raw: list[bytes]) -> np.ndarray:
    """Return values as an array."""
    return np.frombuffer(b"".join(raw), np.uint8).reshape(len(raw), -1).copy()


@pytest.fixture(params=[None, bytes(range(32))])
def opened(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Blocklist]:
    """Open a blocklist of two lists, the first in three parts; once as it is, once sealed."""
    for module in (collect, builds):
        monkeypatch.setattr(module, "reader", lambda _: journals.read)
    one = [
        Record("a", "A1", (("md5", 0), ("pdq", 0))),
        Record("b", "B2", (("md5", 1), ("pdq", 1), ("pdq", 0))),
        Record("c", None, (("md5", 2), ("pdq", 2))),
    ]
    two = [Record(None, "A1", (("md5", 0), ("pdq", 3)))]
    sources = [source(tmp_path / "one", one, "one"), source(tmp_path / "two", two, "two")]
    build(tmp_path / "s", sources, key=request.param)
    with Blocklist.open(tmp_path / "s", key=request.param) as blocklist:
        yield blocklist


def found(blocklist: Blocklist) -> tuple[list[tuple[int, str]], list[tuple[int, str, str | None]]]:
    """Return (MD5, list) and (PDQ, list, severity) of all matches."""
    exact = [(n, each) for n in range(4) for each, _ in blocklist.match_exact({"md5": MD5[n].hex()})]
    query, part, _ = blocklist.match_near("pdq", QUERIES)
    infos = [blocklist.lists[number] for number in part.tolist()]
    return exact, sorted(((q, i.id, i.severity) for q, i in zip(query.tolist(), infos, strict=True)), key=str)


def test_a_list_has_a_part_for_each_severity(opened: Blocklist) -> None:
    """What is told of a blocklist is told by list and severity; a list that matches twice is named once."""
    assert [(info.id, info.severity) for info in opened.lists] == [
        ("one", None),
        ("one", "A1"),
        ("one", "B2"),
        ("two", "A1"),
    ]
    exact, near = found(opened)
    assert exact == [(0, "one"), (0, "two"), (1, "one"), (2, "one")]
    assert near == [
        (0, "one", "A1"),
        (0, "one", "B2"),
        (1, "one", "B2"),
        (2, "one", None),
        (3, "two", "A1"),
    ]


def test_severities_and_algorithms_that_count(opened: Blocklist) -> None:
    """What a rule does not name does not match, and is not told of; entries without a severity are named NONE."""
    view = opened.select({"one": Rule(severities=frozenset({"A1"}))})
    assert found(view) == ([(0, "one"), (0, "two")], [(0, "one", "A1"), (3, "two", "A1")])
    view = opened.select({"one": Rule(severities=frozenset({"B2", "NONE"}), algorithms=frozenset({"pdq"}))})
    assert [(info.id, info.severity, dict(info.counts)) for info in view.lists] == [
        ("one", None, {"pdq": 1}),
        ("one", "B2", {"pdq": 2}),
        ("two", "A1", {"md5": 1, "pdq": 1}),
    ]
    exact, near = found(view)
    assert exact == [(0, "two")]
    assert near == [(0, "one", "B2"), (1, "one", "B2"), (2, "one", None), (3, "two", "A1")]
    only = opened.select({name: Rule(algorithms=frozenset({"md5"})) for name in ("one", "two")})
    assert (only.near_algorithms, only.exact_algorithms) == (frozenset(), {"md5"})
    assert [len(column) for column in only.find_near("pdq", QUERIES)] == [0] * 4
    assert found(opened)[0] == [(0, "one"), (0, "two"), (1, "one"), (2, "one")]


def test_thresholds_of_a_rule(opened: Blocklist) -> None:
    """A rule's threshold holds for all parts of its list."""
    near = QUERIES.copy()
    near[:, 0] ^= 0x0F
    view = opened.select({"one": Rule(thresholds={"pdq": 3})})
    assert view.match_near("pdq", near)[0].tolist() == [3]
    assert all(info.thresholds["pdq"] == (3 if info.id == "one" else 31) for info in view.lists)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ({"nobody": Rule()}, "rule for a list 'nobody'.*it holds: one, two"),
        ({"one": Rule(severities=frozenset({"C1"}))}, "nothing of list one would count.*severities A1, B2, NONE"),
        ({"two": Rule(algorithms=frozenset({"sha1"}))}, "nothing of list two.*holds md5, pdq"),
        ({"two": Rule(algorithms=frozenset())}, "asked for are none of severities all"),
        ({"two": Rule(thresholds={"pdq": 32})}, "built for at most 31"),
    ],
)
def test_rules_that_cannot_be_are_refused(opened: Blocklist, rules: Any, said: str) -> None:
    """A list that is not there, one of which nothing would count, or too large a threshold is an error."""
    with pytest.raises(BlocklistError, match=said):
        opened.select(rules)


def test_what_is_allowed_never_matches(opened: Blocklist) -> None:
    """Entries within the radius of an allowed value do not match, equal exact values neither; both are counted."""
    near = values([PDQ[0], PDQ[3]])
    near[1, 0] ^= 0xFF
    given = {"md5": values([MD5[0], MD5[7]]), "pdq": near}
    view = opened.allowing(given, {"pdq": 4})
    assert found(view) == ([(1, "one"), (2, "one")], [(1, "one", "B2"), (2, "one", None), (3, "two", "A1")])
    assert dict(view.allowed) == {("one", "md5"): 1, ("two", "md5"): 1, ("one", "pdq"): 2}
    wider = view.allowing(given, {"pdq": 8})
    assert found(wider)[1] == [(1, "one", "B2"), (2, "one", None)]
    assert wider.allowed["two", "pdq"] == 1
    assert dict(opened.allowed) == {}
    assert len(found(opened)[1]) == 5


def test_an_entry_is_allowed_not_a_picture(opened: Blocklist) -> None:
    """A picture near an allowed entry still matches another entry that it is near to."""
    view = opened.allowing({"pdq": values([PDQ[0]])}, {}).select({"two": Rule(thresholds={"pdq": 20})})
    query = values([PDQ[3]])
    assert view.match_near("pdq", query)[1].tolist() == [3]
    assert view.match_near("pdq", values([PDQ[0]]))[1].tolist() == []
    assert dict(view.allowed) == {("one", "pdq"): 2}


def test_allow_lists_that_cannot_be_are_refused(opened: Blocklist) -> None:
    """Values of another shape, unknown algorithms, and a radius that the index was not built for are errors."""
    with pytest.raises(BlocklistError, match=r"radius 32.*at most 31"):
        opened.allowing({"pdq": values([PDQ[0]])}, {"pdq": 32})
    with pytest.raises(BlocklistError, match="unknown algorithm"):
        opened.allowing({"sha3": values([MD5[0]])}, {})
    for name, wrong in (("md5", values([PDQ[0]])), ("pdq", values([MD5[0]])), ("pdq", QUERIES.astype(int))):
        with pytest.raises(ValueError, match=f"allowed {name} values: expected uint8"):
            opened.allowing({name: wrong}, {})
    assert not opened.allowing({"phash": np.zeros((1, 8), np.uint8), "pdq": QUERIES[:0]}, {}).allowed
