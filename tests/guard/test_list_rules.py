from __future__ import annotations

import hashlib
import json
import logging
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from support.blocklists import make_blocklist
from support.listed import pdq_of
from support.pictures import drawn, encode

from ingest_guard import BlocklistError, Guard, Outcome, Policy, PolicyError
from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.guard.audit import audit
from ingest_guard.guard.list_rules import actions, grade_of, strictest
from ingest_guard.guard.transfer import pack_guard, unpack_guard
from ingest_guard.hashing.registry import Kind
from ingest_guard.verdict import Action, Grade

if TYPE_CHECKING:
    from pathlib import Path

FILES = {name: encode(drawn(number), "PNG") for number, name in enumerate(("one", "two", "three"), 50)}


def md5(data: bytes) -> str:
    """Return a digest."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def sha1(data: bytes) -> str:
    """Return a digest."""
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


@pytest.fixture(scope="module")
def classified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a list of an owner's whose records have categories, and a plain one."""
    folder = tmp_path_factory.mktemp("classified")
    records = [
        {"MediaID": 1, "Category": 1, "MD5": md5(FILES["one"]), "SHA1": sha1(FILES["one"])},
        {"MediaID": 2, "Category": 2, "MD5": md5(FILES["two"])},
        {"MediaID": 3, "MD5": md5(FILES["three"])},
    ]
    model = "http://github.com/ICMEC/ProjectVic/DataModels/1.3.xml#Media"
    (folder / "v.json").write_text(json.dumps({"odata.metadata": model, "value": records}))
    (folder / "p.txt").write_text(f"pdq {pdq_of(drawn(2))}\n")
    sources = [
        ListSource("vics", "vics", folder / "v.json", owner="National unit"),
        ListSource("plain", "plain", folder / "p.txt"),
    ]
    build(folder / "b", sources)
    return folder / "b"


def guard_of(blocklist: Path, **keys: Any) -> Guard:
    """Return a guard for a blocklist with some policy keys."""
    return Guard.from_policy(Policy.model_validate({"blocklist": blocklist, **keys}))


def matched(guard: Guard) -> dict[str, list[str]]:
    """Return which files match by which algorithms."""
    found = {name: [match.algorithm for match in guard.check(data).matches] for name, data in FILES.items()}
    return {name: sorted(algorithms) for name, algorithms in found.items() if algorithms}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({}, {"one": ["md5", "sha1"], "two": ["md5"], "three": ["md5"]}),
        ({"severities": ("1",)}, {"one": ["md5", "sha1"]}),
        ({"severities": ("1", "NONE")}, {"one": ["md5", "sha1"], "three": ["md5"]}),
        ({"algorithms": ("sha1",)}, {"one": ["sha1"]}),
        ({"severities": ("1", "2"), "algorithms": ("md5",)}, {"one": ["md5"], "two": ["md5"]}),
    ],
    ids=str,
)
def test_what_counts_of_a_list(classified: Path, rule: dict[str, Any], expected: dict[str, list[str]]) -> None:
    """Only the severities and algorithms that the policy names match; NONE are entries without a severity."""
    guard = guard_of(classified, lists={"vics": rule})
    assert matched(guard) == expected
    assert matched(unpack_guard(pack_guard(guard, classified))) == expected


def test_check_set_tells_what_counts(classified: Path) -> None:
    """Another choice of severities, algorithms or action is another check set."""
    rules: list[dict[str, Any]] = [{}, {"severities": ("1",)}, {"algorithms": ("md5",)}, {"action": "drop_page"}]
    found = {guard_of(classified, lists={"vics": rule}).attestation["check_set"] for rule in rules}
    assert len(found) == 4


def test_attestation_names_each_part(classified: Path) -> None:
    """A list in several severities has a version for each that counts."""
    lists = guard_of(classified, lists={"vics": {"severities": ("1", "NONE")}}).attestation["lists"]
    assert [(each["id"], each.get("severity")) for each in lists if each["id"] == "vics"] in (
        [("vics", None), ("vics", "1")],
        [("vics", "1"), ("vics", None)],
    )


@pytest.mark.parametrize("rule", [{"severities": ("9",)}, {"algorithms": ("pdq",)}], ids=str)
def test_rule_that_leaves_nothing(classified: Path, rule: dict[str, Any]) -> None:
    """A list of which nothing counts would block nothing."""
    with pytest.raises(BlocklistError, match="nothing of list vics would count"):
        guard_of(classified, lists={"vics": rule})


def test_names_that_fit_nothing_are_told(classified: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Beside others that do fit, a severity that the list does not have is a warning: it may come with tomorrow's."""
    with caplog.at_level(logging.WARNING):
        guard_of(classified, lists={"vics": {"severities": ("1", "A1"), "algorithms": ("md5", "pdq")}})
    (record,) = caplog.records
    assert "lists.vics names A1, pdq, of which" in record.message


def test_unknown_algorithm_of_a_list(classified: Path) -> None:
    """An algorithm that is none is an error."""
    with pytest.raises(PolicyError, match=r"lists\.vics\.algorithms names md6, which is none"):
        guard_of(classified, lists={"vics": {"algorithms": ("md5", "md6")}})


def test_owner_must_be_the_lists(classified: Path) -> None:
    """A policy for somebody else's list does not start; where one of the two is silent, it does."""
    guard_of(classified, lists={"vics": {"owner": "National unit"}, "plain": {"owner": "Anybody"}})
    with pytest.raises(PolicyError, match=r"lists\.vics\.owner: 'Hotline', but the blocklist says 'National unit'"):
        guard_of(classified, lists={"vics": {"owner": "Hotline"}})


def test_thresholds_go_with_the_rest(classified: Path) -> None:
    """A rule with a threshold and an algorithm applies both."""
    near = encode(drawn(2).resize((280, 210)), "PNG")
    rule = {"algorithms": ("pdq",), "thresholds": {"pdq": 0}}
    assert guard_of(classified, lists={"plain": {}}).check(near).outcome is Outcome.MATCH
    assert guard_of(classified, lists={"plain": rule}).check(near).outcome is Outcome.NO_KNOWN_MATCH


@pytest.mark.parametrize(
    ("lists", "action"),
    [
        ([], Action.DROP),
        (["unknown"], Action.DROP),
        (["holds"], Action.HOLD),
        (["holds", "unknown"], Action.DROP),
        (["holds", "drops"], Action.DROP),
        (["drops", "pages", "holds"], Action.DROP_PAGE),
    ],
)
def test_the_strictest_action_wins(tmp_path: Path, lists: list[str], action: Action) -> None:
    """drop_page before drop before hold; a list of which the policy says nothing drops."""
    rules = {"holds": {"action": "hold"}, "drops": {}, "pages": {"action": "drop_page"}}
    held = SimpleNamespace(lists=[SimpleNamespace(id=name, counts={"pdq": 1}) for name in rules])
    assert strictest(actions(Policy.model_validate({"blocklist": tmp_path, "lists": rules}), held), lists) is action


def test_a_verdict_says_what_is_to_be_done(tmp_path: Path) -> None:
    """The strictest action of the lists that matched; none where nothing did."""
    listed = {"a": [("md5", md5(FILES["one"]))], "b": [("sha1", sha1(FILES["one"])), ("sha1", sha1(FILES["two"]))]}
    blocklist = make_blocklist(tmp_path / "b", listed)
    guard = guard_of(blocklist, lists={"a": {"action": "drop_page"}, "b": {"action": "hold"}})
    found = [guard.check(FILES[name]).action for name in ("one", "two", "three")]
    assert found == [Action.DROP_PAGE, Action.HOLD, None]
    assert str(found[0]) == "drop_page"
    assert Action.strictest([]) is None


def test_a_digest_that_matches_is_known_to_whoever_counts_floods(tmp_path: Path) -> None:
    """An inquiry has the value and the image of each exact match, inside of texts too, and shows neither."""
    blocklist = make_blocklist(tmp_path / "b", {"a": [("md5", md5(FILES["one"]))]})
    inquiry = guard_of(blocklist).begin(FILES["one"])
    sha256 = hashlib.sha256(FILES["one"]).hexdigest()
    assert inquiry.hits == (("a", "md5", md5(FILES["one"]), sha256),)
    assert sha256 not in repr(inquiry)
    assert guard_of(blocklist).begin(FILES["two"]).hits == ()


def test_audit(classified: Path, tmp_path: Path) -> None:
    """It tells of each list, part and algorithm: what counts, how near, what a match does, what is allowed."""
    (tmp_path / "ours.txt").write_text(f"md5 {md5(FILES['one'])}\npdq {pdq_of(drawn(2))}\n")
    keys = {
        "lists": {"vics": {"severities": ("1", "NONE"), "algorithms": ("md5",), "action": "hold"}},
        "allow": {"files": (tmp_path / "ours.txt",)},
    }
    made = audit(Policy.model_validate({"blocklist": classified, **keys}))
    rows = {(row.list_id, row.severity, row.algorithm): row for row in made.rows}
    counting = {key for key, row in rows.items() if row.counts}
    assert counting == {("plain", None, "pdq"), ("vics", "1", "md5"), ("vics", None, "md5")}
    assert set(rows) - counting == {("vics", "1", "sha1"), ("vics", "2", "md5")}
    assert rows["plain", None, "pdq"].threshold == 31
    assert rows["vics", "1", "md5"].threshold is None
    assert (rows["vics", "1", "md5"].action, rows["plain", None, "pdq"].action) == ("hold", "drop")
    assert rows["vics", "2", "md5"].owner == "National unit"
    assert (rows["vics", "1", "md5"].allowed, rows["plain", None, "pdq"].allowed) == (1, 1)
    assert (made.allow_entries, made.allow_files) == (2, (str(tmp_path / "ours.txt"),))
    told = json.dumps(made.to_json())
    assert made.allow_digest is not None
    assert md5(FILES["one"]) not in told
    assert pdq_of(drawn(2)) not in told
    assert audit(Policy(blocklist=classified)).allow_digest is None


def test_another_process_has_the_same_guard(classified: Path, tmp_path: Path) -> None:
    """Rules and allow-list go over with the message; the files are not read again."""
    ours = tmp_path / "ours.txt"
    ours.write_text(f"md5 {md5(FILES['one'])}\n")
    guard = guard_of(classified, lists={"vics": {"algorithms": ("md5",)}}, allow={"files": (ours,)})
    ours.unlink()
    again = unpack_guard(pack_guard(guard, classified))
    assert matched(again) == matched(guard) == {"two": ["md5"], "three": ["md5"]}
    assert again.version == guard.version
    # The check set is the crawl's to say, but nothing that decides is lost on the way.
    assert again.attestation == guard.attestation


def test_another_version_is_refused(classified: Path, tmp_path: Path) -> None:
    """A worker holds images against the very version of its crawl, or does not start."""
    guard = guard_of(classified)
    other = make_blocklist(tmp_path / "b", {"vics": [("md5", "0" * 31 + "1")], "plain": [("md5", "0" * 31 + "1")]})
    with pytest.raises(BlocklistError, match="changed while a worker started"):
        unpack_guard(pack_guard(guard, other))


@pytest.mark.parametrize(("confirm", "exact"), [(True, Grade.EXACT_CONFIRMED), (False, Grade.EXACT_FILTER)])
def test_how_sure_a_match_is(*, confirm: bool, exact: Grade, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table makes digests and addresses certain, perceptual hashes are near, and vectors no more than a suspicion."""
    (tmp_path / "l.txt").write_text(f"md5 {md5(b'x')}\npdq {pdq_of(drawn(1))}\nurl https://a.example/\n")
    build(tmp_path / "b", [ListSource("l", "plain", tmp_path / "l.txt")], confirm=confirm)
    with Blocklist.open(tmp_path / "b") as opened:
        grades = {name: grade_of(opened, "l", name) for name in ("md5", "url", "pdq", "not_installed")}
        assert grades == {"md5": exact, "url": exact, "pdq": Grade.NEAR, "not_installed": Grade.SUSPICION}
        assert grade_of(opened, "l", "sha1") is Grade.EXACT_FILTER
        vector = SimpleNamespace(kind=Kind.VECTOR)
        monkeypatch.setattr("ingest_guard.guard.list_rules.algorithms.find", lambda _: vector)
        assert grade_of(opened, "l", "encoder") is Grade.SUSPICION
    assert Grade.surest([Grade.NEAR, Grade.EXACT_FILTER, Grade.SUSPICION]) is Grade.EXACT_FILTER
