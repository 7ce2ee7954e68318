from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.blocklist.build.changes import compare
from ingest_guard.blocklist.build.compact import compact
from ingest_guard.blocklist.build.update import update
from ingest_guard.blocklist.canary import MOST, canary
from ingest_guard.blocklist.parts.load import load
from ingest_guard.blocklist.selection import Rule
from ingest_guard.blocklist.store.manifest import CANARY
from ingest_guard.cli.main import cli
from ingest_guard.errors import BlocklistError
from ingest_guard.guard.guard import Guard
from ingest_guard.policy.policy import Policy
from ingest_guard.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from blocklist.helpers import Made

KEY = bytes(range(32))


def lists_that_know(guard: Guard, number: int) -> set[tuple[str, str]]:
    """Return (list id, algorithm) of what a guard finds in the canary, or in a variant of it."""
    return {(match.list_id, match.algorithm) for match in guard.check(guard.whole.canary(number)).matches}


def test_its_bytes_never_change() -> None:
    """A list that was built elsewhere, or years ago, knows the canary of today."""
    digest = hashlib.sha256(canary(b"")).hexdigest()
    assert digest == "5255302d8ddacc27114723051814965bf374b40ff9aa6a42391bba9a97e0fb65"
    assert hashlib.sha256(canary(b"", 0x030201)).hexdigest() != digest


def test_it_is_a_picture() -> None:
    """Pillow reads it; variants differ by one pixel, and other seeds by everything."""
    pixels = [np.asarray(Image.open(io.BytesIO(canary(*args)))) for args in ((b"",), (b"", 0x030201), (b"x",))]
    assert [each.shape for each in pixels] == [(96, 96, 3)] * 3
    assert int((pixels[0] != pixels[1]).any(axis=2).sum()) == 1
    # The last row of a BMP is the picture's first; its colours are blue, green, red.
    assert pixels[1][-1, 0].tolist() == [3, 2, 1]
    assert (pixels[0] != pixels[2]).mean() > 0.9


@pytest.mark.parametrize("number", [-1, MOST])
def test_there_are_so_many_variants_and_no_more(number: int) -> None:
    """A number outside of them is refused."""
    with pytest.raises(ValueError, match="expected 0 to 16777215"):
        canary(b"", number)


@pytest.mark.parametrize("key", [None, KEY])
def test_every_build_knows_it(key: bytes | None, made: Made, tmp_path: Path) -> None:
    """The file itself by its digest and its looks, a variant by its looks alone; sealed lists have one of their own."""
    source = ListSource("known", "plain", tmp_path / "list.txt")
    build(tmp_path / "other", [source], key=key)
    policy = Policy(blocklist=tmp_path / "other")
    guard = Guard(Blocklist.open(tmp_path / "other", key=key), policy, key=key)
    assert guard.blocklist.knows_canary_by_sight
    assert lists_that_know(guard, 0) == {(CANARY, "sha256"), (CANARY, "pdq"), (CANARY, "phash")}
    assert lists_that_know(guard, 7) == {(CANARY, "pdq"), (CANARY, "phash")}
    everybodys = Guard(Blocklist.open(made.folder), Policy(blocklist=made.folder)).check(guard.whole.canary())
    assert (everybodys.outcome is Outcome.MATCH) == (key is None)


def test_nothing_is_computed_for_its_sake(tmp_path: Path, list_file: Callable[..., Path]) -> None:
    """A blocklist of digests alone knows it by a digest; one of perceptual hashes alone by SHA-256, too."""
    build(tmp_path / "digests", [ListSource("a", "plain", list_file(f"md5 {'ab' * 16}"))])
    with Blocklist.open(tmp_path / "digests") as opened:
        assert (opened.near_algorithms, opened.exact_algorithms) == (frozenset(), {"md5"})
        assert opened.knows_canary
        assert not opened.knows_canary_by_sight
    build(tmp_path / "hashes", [ListSource("a", "plain", list_file(f"pdq {'0f' * 32}"))])
    with Blocklist.open(tmp_path / "hashes") as opened:
        assert (opened.near_algorithms, opened.exact_algorithms) == ({"pdq"}, frozenset())
        assert opened.match_exact({"sha256": hashlib.sha256(opened.canary()).hexdigest()}) == [(CANARY, "sha256")]


def test_a_rule_that_leaves_perceptual_hashes_out_leaves_the_canarys_out(made: Made) -> None:
    """What no list is compared by any more is not computed for the canary either."""
    selected = Blocklist.open(made.folder).select({"known": Rule(algorithms=frozenset({"md5"}))})
    assert (selected.near_algorithms, selected.knows_canary_by_sight) == (frozenset(), False)
    assert selected.knows_canary


def test_no_rule_can_be_made_for_it(made: Made) -> None:
    """Nobody can switch it off by a policy."""
    with pytest.raises(BlocklistError, match="does not hold; it holds: known"):
        Blocklist.open(made.folder).select({CANARY: Rule(algorithms=frozenset())})


def test_it_stays_through_updates_and_compaction(tmp_path: Path, list_file: Callable[..., Path]) -> None:
    """Whatever comes and goes, also parts of lists that come after it: it is known, and named rightly."""
    folder = tmp_path / "store"
    first = list_file(f"md5 {'ab' * 16}", f"pdq {'0f' * 32}")
    build(folder, [ListSource("a", "plain", first)], confirm=True)
    more = list_file(f"pdq {'33' * 32}", f"sha1 {'cd' * 20}", name="more.txt")
    update(folder, [ListSource("a", "plain", more)])
    for step in (lambda: None, lambda: update(folder, [], removals=[ListSource("a", "plain", first)], accept=True)):
        step()
        guard = Guard(Blocklist.open(folder), Policy(blocklist=folder))
        assert lists_that_know(guard, 0) == {(CANARY, "md5"), (CANARY, "pdq")}
    compact(folder)
    guard = Guard(Blocklist.open(folder), Policy(blocklist=folder))
    assert lists_that_know(guard, 0) == {(CANARY, "md5"), (CANARY, "pdq")}
    query = np.full((1, 32), 0x33, np.uint8)
    assert [guard.blocklist.lists[part].id for part in guard.blocklist.find_near("pdq", query)[1].tolist()] == ["a"]


def test_it_is_not_told_among_the_operators_lists(made: Made) -> None:
    """It counts in no report, comparison or attestation; a blocklist with nothing else is empty."""
    opened = Blocklist.open(made.folder)
    assert [info.id for info in opened.lists] == ["known"]
    assert opened.names == ("known", CANARY)
    assert [report.list_id for report in made.report.lists] == ["known"]
    assert {list_id for list_id, *_ in compare(made.folder, made.folder).changes} == {"known"}
    attestation = Guard(opened, Policy(blocklist=made.folder)).attestation
    assert [each["id"] for each in attestation["lists"]] == ["known"]
    shown = [
        CliRunner().invoke(cli, ["blocklist", *command, str(made.folder)]).output for command in (["info"], ["verify"])
    ]
    assert CANARY not in "".join(shown)
    assert "1 lists" in shown[1]


def test_a_blocklist_with_nothing_else_is_empty(tmp_path: Path) -> None:
    """Only where an empty blocklist is allowed does it open."""
    build(tmp_path / "store", [], allow_empty=True)
    assert len(load(tmp_path / "store").manifest.lists) == 1
    with pytest.raises(BlocklistError, match="holds no list"):
        Blocklist.open(tmp_path / "store")
    assert Blocklist.open(tmp_path / "store", allow_empty=True).knows_canary


def test_its_id_cannot_be_taken(tmp_path: Path, list_file: Callable[..., Path]) -> None:
    """No list of an operator's can stand in for it."""
    with pytest.raises(BlocklistError, match="reserved"):
        build(tmp_path / "store", [ListSource(CANARY, "plain", list_file(f"md5 {'ab' * 16}"))])
