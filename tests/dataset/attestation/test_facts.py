from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from ingest_guard import Guard, Policy
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.dataset.attestation import facts
from ingest_guard.guard import check_set as attestation

if TYPE_CHECKING:
    from pathlib import Path

LISTS = {"bytes": [f"md5 {'a' * 32}", f"sha256 {'b' * 64}"], "looks": [f"pdq {'0123456789abcdef' * 4}"]}


def guard(folder: Path, lines: str = "", *, order: tuple[str, ...] = ("bytes", "looks")) -> Guard:
    """Return a guard with its blocklist and policy in a folder of its own, as on a machine of its own."""
    (folder / "lists").mkdir(parents=True, exist_ok=True)
    sources = []
    for name in order:
        file = folder / "lists" / f"{name}.txt"
        file.write_text("".join(f"{line}\n" for line in LISTS[name]), encoding="ascii")
        sources.append(ListSource(name, "plain", file))
    build(folder / "blocklist", sources)
    (folder / "policy.yaml").write_text(f"blocklist: blocklist\nworkers: inline\n{lines}", encoding="utf-8")
    return Guard.from_policy(Policy.load(folder / "policy.yaml"))


def test_two_machines_with_the_same_lists_and_rules_have_the_same_check_set(tmp_path: Path) -> None:
    """Wherever their files lie, whenever they were built, in whatever order."""
    here = guard(tmp_path / "here")
    there = guard(tmp_path / "there" / "deeper", order=("looks", "bytes"))
    assert here.version != there.version, "each build has a salt of its own"
    assert here.attestation["check_set"] == there.attestation["check_set"]
    assert re.fullmatch(r"[0-9a-f]{16}", here.attestation["check_set"])
    digests = {facts.policy_digest(each.policy) for each in (here, there)}
    assert len(digests) == 1


@pytest.mark.parametrize(
    "lines",
    [
        "lists: {looks: {thresholds: {pdq: 20}}}",
        "lists: {looks: {algorithms: [pdq]}, bytes: {algorithms: [md5]}}",
        "views: {inverse: false}",
        "limits: {frames: 7}",
        "limits: {sample_frames: true}",
        "min_quality: 40",
        "low_quality: drop",
        "allow: {files: [lists/allowed.txt]}",
    ],
)
def test_whatever_decides_an_outcome_makes_another_check_set(tmp_path: Path, lines: str) -> None:
    """And another digest of the policy, unless it is what a file holds."""
    plain = guard(tmp_path)
    (tmp_path / "lists" / "allowed.txt").write_text(f"md5 {'c' * 32}\n", encoding="ascii")
    other = guard(tmp_path, f"{lines}\n")
    assert plain.attestation["check_set"] != other.attestation["check_set"]
    assert (facts.policy_digest(plain.policy) != facts.policy_digest(other.policy)) == ("allow" not in lines)


@pytest.mark.parametrize(
    ("lines", "same_policy"),
    [
        ("in_flight: {images: 3}\nimages_per_worker: 5", True),
        ("records: {hashes: [phash]}", False),
        ("dataset: {name: Pictures, license: 'https://spdx.org/licenses/CC0-1.0.html'}", False),
        ("dataset: {sign_key: key}", True),
        ("max_age: 5d", False),
    ],
)
def test_what_decides_nothing_makes_no_other_check_set(tmp_path: Path, lines: str, same_policy: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """How much is done at a time, what records have beside, what the data set is called."""
    plain, other = guard(tmp_path), guard(tmp_path, f"{lines}\n")
    assert plain.attestation["check_set"] == other.attestation["check_set"]
    assert (facts.policy_digest(plain.policy) == facts.policy_digest(other.policy)) == same_policy


def test_another_list_or_another_guard_makes_another_check_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version of this package may compare otherwise than the one before."""
    plain = guard(tmp_path / "a")
    monkeypatch.setitem(LISTS, "bytes", [f"md5 {'e' * 32}"])
    assert guard(tmp_path / "b").attestation["check_set"] != plain.attestation["check_set"]
    monkeypatch.undo()
    monkeypatch.setattr(attestation, "__version__", "99")
    assert guard(tmp_path / "c").attestation["check_set"] != plain.attestation["check_set"]


def test_a_guard_is_described_in_full(tmp_path: Path) -> None:
    """Lists with versions, counts, thresholds and actions; algorithms, views, allow-list, frames."""
    plain = guard(tmp_path)
    (tmp_path / "lists" / "allowed.txt").write_text(f"md5 {'c' * 32}\n", encoding="ascii")
    lines = (
        "lists: {looks: {thresholds: {pdq: 20}, action: hold}}\nlimits: {sample_frames: true}\n"
        "views: {quadrants: true, inverse: false}\nallow: {files: [lists/allowed.txt]}\n"
    )
    made = guard(tmp_path, lines)
    said = facts.describe(made)
    assert said.check_set == made.attestation["check_set"]
    assert said.blocklist.version == made.version
    assert [(each.id, each.counts, each.thresholds, each.action) for each in said.blocklist.lists] == [
        ("bytes", {"md5": 1, "sha256": 1}, {}, "drop"),
        ("looks", {"pdq": 1}, {"pdq": 20}, "hold"),
    ]
    assert [each.version for each in said.blocklist.lists] == [each["version"] for each in plain.attestation["lists"]]
    assert said.algorithms == ("md5", "pdq", "sha256")
    assert said.views == ("native", "orientations", "scale", "normalise", "trim", "quadrants")
    assert said.frames == "sample"
    assert said.allow_list is not None
    assert said.allow_list.entries == 1
    assert facts.describe(plain).allow_list is None


def test_a_description_has_no_path_and_no_value(tmp_path: Path) -> None:
    """Neither of the lists nor of the machine."""
    told = facts.describe(guard(tmp_path)).model_dump_json()
    assert str(tmp_path) not in told
    assert ".txt" not in told
    assert not [line for lines in LISTS.values() for line in lines if line.split()[1] in told]


def test_the_libraries_are_those_of_this_process() -> None:
    """By the names under which they are installed; what is not installed is not named."""
    versions = facts.library_versions()
    assert versions["Python"].startswith("3.")
    assert {"Scrapy", "numpy", "pillow", "pybloom-live", "ImageHash"} <= versions.keys()
    assert json.loads(json.dumps(versions)) == versions


def test_a_policy_says_what_only_its_operator_knows(tmp_path: Path) -> None:
    """And where the signing key is, which is nobody's business."""
    lines = "dataset: {name: A, creator: B, version: 1.2.3, published: '2026-01-02', sign_key: keys/k}\n"
    policy = guard(tmp_path, lines).policy
    assert policy.dataset.sign_key == tmp_path / "keys" / "k"
    said = facts.about(policy)
    assert (said.name, said.creator, said.version, said.published, said.license) == (
        "A",
        "B",
        "1.2.3",
        "2026-01-02",
        None,
    )
    assert "keys" not in said.model_dump_json()
    assert "sign_key" not in policy.to_json()
