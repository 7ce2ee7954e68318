from __future__ import annotations

import hashlib
import importlib
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from blocklist import toys
from support.blocklists import make_blocklist
from support.pictures import drawn, encode

from ingest_guard import BlocklistError, Guard, Match, Outcome, Policy, PolicyError, Reason
from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.build.build import ListSource, build
from ingest_guard.errors import ListFormatError
from ingest_guard.hashing import algorithms
from ingest_guard.hashing.algorithms import Kind
from ingest_guard.hashing.registry import load, run
from ingest_guard.lists import Rejected
from ingest_guard.lists.plain import parse
from ingest_guard.testing import DrawnFrame, check_hasher, draw

if TYPE_CHECKING:
    from collections.abc import Callable

USAGE = (Path(__file__).parent.parent.parent / "docs" / "usage.md").read_text(encoding="utf-8")
PICTURE = encode(drawn(1))
GRID = "00" * 143 + "01"


def value_of(name: str, seed: int = 1) -> str:
    """Return what a toy makes of a drawing, as lists have it."""
    hasher = load([name])[name]
    source = PICTURE if hasher.algorithm.source == "bytes" else DrawnFrame.of(drawn(seed))
    (value,) = run(hasher, source)
    return value.hex()


def guard_of(folder: Path, *rows: tuple[str, str], **keys: Any) -> Guard:
    """Return a guard for a list called ``toys`` of some rows."""
    return Guard.from_policy(Policy.model_validate({"blocklist": make_blocklist(folder / "b", {"toys": rows}), **keys}))


def test_plugins_are_algorithms_like_others(plugins: Path) -> None:
    """Bits become a near algorithm, bytes a vector; sizes, distances and defaults are what the hasher says."""
    bits, grid, file = (algorithms.get(f"toy_{name}") for name in ("bits", "grid", "file"))
    assert (bits.kind, bits.length, bits.distance, bits.threshold) == (Kind.NEAR, 8, "hamming", 5)
    assert (grid.kind, grid.length, grid.distance, grid.threshold) == (Kind.VECTOR, 144, "l1", 700)
    assert (file.kind, file.length, file.distance, file.threshold) == (Kind.VECTOR, 16, "l2", 2.5)
    assert "toy_bits" not in algorithms.names()
    assert algorithms.built_in("toy_bits") is None


def test_without_its_plugin_a_row_is_rejected(installed: Callable[..., Path]) -> None:
    """A name is unknown until its package is there, and so are hashes of ours that decide nothing by themselves."""
    assert parse(f"toy_grid {GRID}".encode(), 1) == Rejected(1, "unknown_algorithm")
    assert parse(b"colorhash 000000000000", 1) == Rejected(1, "unknown_algorithm")
    installed()
    assert parse(f"toy_grid {GRID}".encode(), 1) != Rejected(1, "unknown_algorithm")
    assert parse(b"toy_grid 00", 1) == Rejected(1, "bad_length")
    assert parse(b"toy_gird 00", 1) == Rejected(1, "unknown_algorithm")


def test_packages_are_not_searched_for_every_row(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is known what is installed, neither an unknown name nor a plug-in's leads to another search."""
    parse(f"toy_grid {GRID}".encode(), 1)
    monkeypatch.setattr("ingest_guard.hashing.registry.entry_points", None)
    parse(f"toy_grid {GRID}".encode(), 2)
    assert parse(b"other 00", 3) == Rejected(3, "unknown_algorithm")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("toy_broken", r"row 2: hasher toy_broken .* cannot be loaded: RuntimeError"),
        ("toy_odd", r"row 2: algorithm toy_odd: .* 10 bytes .* lists can hold such values of 8 or 32 bytes"),
    ],
)
def test_a_plugin_that_lists_cannot_use_is_a_clear_error(
    plugins: Path, tmp_path: Path, list_file: Callable[..., Path], name: str, said: str
) -> None:
    """A broken plug-in, or bits of a length that cannot be looked up, is an error that names the row."""
    source = ListSource("l", "plain", list_file("md5 " + "ab" * 16, f"{name} {'ab' * 10}"))
    with pytest.raises(ListFormatError, match=f"list.txt, {said}"):
        build(tmp_path / "b", [source], accept=True)
    assert not (tmp_path / "b" / "current").exists()


def test_two_plugins_of_one_name_are_an_error(installed: Callable[..., Path]) -> None:
    """It cannot be left to chance which of them is asked."""
    installed()
    installed()
    with pytest.raises(BlocklistError, match="two hashers are called toy_"):
        algorithms.find("toy_bits")


@pytest.mark.parametrize(
    ("name", "safe", "largest"),
    [
        ("toy_bits", 8, 16),
        ("toy_wide", 20, 20),
        ("toy_grid", 700, math.nextafter(144 * 255.0, 0)),
        ("toy_file", 2.5, math.nextafter(4 * 255.0, 0)),
    ],
)
def test_thresholds_of_plugins(plugins: Path, name: str, safe: float, largest: float) -> None:
    """An eighth of the bits, or the author's default; of vectors the default, and with consent nearly anything."""
    assert algorithms.check_threshold(name, safe) == safe
    assert algorithms.check_threshold(name, largest, accept_false_matches=True) == largest
    beyond = largest + 1
    with pytest.raises(BlocklistError, match="choose a smaller one"):
        algorithms.check_threshold(name, beyond, accept_false_matches=True)
    if safe < largest:
        with pytest.raises(BlocklistError, match=rf"choose at most {safe}, or set accept_false_matches"):
            algorithms.check_threshold(name, int(safe) + 1)


@pytest.mark.parametrize("value", [-1, math.inf, math.nan, True, "7"])
def test_senseless_thresholds_of_vectors(plugins: Path, value: object) -> None:
    """Below zero, endless and no number at all: refused whatever is consented to."""
    with pytest.raises(BlocklistError, match="expected a number from 0"):
        algorithms.check_threshold("toy_grid", value, accept_false_matches=True)  # type: ignore[arg-type]


def test_values_that_say_nothing_are_left_out(plugins: Path, tmp_path: Path, list_file: Callable[..., Path]) -> None:
    """All numbers 0, or 255, is what a hasher that failed leaves behind; other values go in, equal ones once."""
    rows = [f"toy_grid {'00' * 144}", f"toy_grid {'ff' * 144}", f"toy_grid {GRID}", f"toy_grid {GRID.upper()}"]
    rows += [f"toy_bits {'00' * 8}", "toy_bits 8000000000000001", f"toy_file {'7f' * 16}"]
    (report,) = build(tmp_path / "b", [ListSource("l", "plain", list_file(*rows))]).lists
    assert dict(report.accepted) == {"toy_bits": 1, "toy_file": 1, "toy_grid": 1}
    assert {name: found.first for name, found in report.degenerate.items()} == {"toy_grid": [1, 2], "toy_bits": [5]}
    assert dict(report.duplicates) == {"toy_grid": 1}


def test_guard_matches_values_of_plugins(plugins: Path, tmp_path: Path) -> None:
    """A picture that a plug-in's value stands for is a match that names algorithm, distance and view."""
    rows = [(name, value_of(name)) for name in ("toy_bits", "toy_grid", "toy_file")]
    guard = guard_of(tmp_path, *rows)
    assert guard.attestation["algorithms"] == ["toy_bits", "toy_file", "toy_grid"]
    found = {match.algorithm: match for match in guard.check(PICTURE).matches}
    assert found["toy_file"] == Match("toys", "toy_file", 0, "bytes")
    assert found["toy_bits"].view == found["toy_grid"].view == "native"
    assert found["toy_bits"].distance <= 5
    assert 0 < found["toy_grid"].distance <= 700
    smaller = guard.check(encode(drawn(1).resize((200, 150)), "PNG"))
    assert {match.algorithm for match in smaller.matches} == {"toy_bits", "toy_grid"}
    assert guard.check(encode(drawn(2))).outcome is Outcome.NO_KNOWN_MATCH


@pytest.mark.parametrize(("apart", "found"), [((1, 2), [3]), ((1, 2, 1), [3]), ((2, 2), None)])
def test_distances_of_vectors_are_rounded_up(
    plugins: Path, tmp_path: Path, apart: tuple[int, ...], found: list[int] | None
) -> None:
    """The threshold is held against the distance as it is; what the match says is the next whole number."""
    value = bytearray(PICTURE[-16:])
    for at, difference in enumerate(apart):
        value[at] += difference if value[at] < 128 else -difference
    verdict = guard_of(tmp_path, ("toy_file", value.hex())).check(PICTURE)
    assert [match.distance for match in verdict.matches] == (found or [])


def test_hashers_of_files_run_once_a_file(plugins: Path, tmp_path: Path) -> None:
    """However many frames an animation has, a hasher of files sees it once, and its match stands beside the frames'."""
    frames = [drawn(50 + number, (64, 64)) for number in range(5)]
    data = encode(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=20)
    guard = guard_of(tmp_path, ("toy_file", data[-16:].hex()), ("toy_grid", GRID))
    kind = type(load(["toy_file"])["toy_file"])
    before = kind.runs
    assert guard.check(data).matches == (Match("toys", "toy_file", 0, "bytes"),)
    assert kind.runs == before + 1


def test_a_missing_plugin_stops_the_guard_and_nothing_else(tmp_path: Path, plugins: Path) -> None:
    """Verifying and describing works without a plug-in; a guard that could not find what is listed does not start."""
    folder = make_blocklist(tmp_path / "b", {"toys": [(name, value_of(name)) for name in ("toy_bits", "toy_grid")]})
    without = {**os.environ, "PYTHONPATH": ""}
    for part, shown in (("info", "toy_grid"), ("verify", "ok: version")):
        done = command("blocklist", part, folder, env=without)
        assert (done.returncode, done.stderr) == (0, "")
        assert shown in done.stdout
    done = command("check", "-", "--blocklist", folder, env=without)
    assert done.returncode == 4
    assert re.search(
        r"the blocklist holds toy_bits values, and no hasher of that name is installed \(entry point group "
        r"ingest_guard\.hashers\); install the package .*, or rebuild",
        done.stderr,
    )


def test_a_missing_plugin_stops_the_guard_in_this_process(
    tmp_path: Path, plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plug-in that was there when the blocklist was built, and is gone, is missed at once."""
    folder = make_blocklist(tmp_path / "b", {"toys": [("toy_grid", value_of("toy_grid"))]})
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(plugins)])
    opened = Blocklist.open(folder)
    assert (opened.near_algorithms, dict(opened.near_sizes)) == ({"toy_grid"}, {"toy_grid": 144})
    assert dict(opened.near_distances) == {"toy_grid": "l1"}
    with pytest.raises(BlocklistError, match="holds toy_grid values, and no hasher of that name"):
        Guard(opened, Policy(blocklist=folder))


@pytest.mark.parametrize(
    ("becomes", "said"),
    [
        ('144, "bytes", "l2", 700', "144 bytes, compared by l2"),
        ('100, "bytes", "l1", 700', "100 bytes, compared by l1"),
        ('8, "bits", "hamming", 5', "8 bytes, compared by hamming"),
    ],
)
def test_another_release_of_a_plugin_stops_the_guard(
    tmp_path: Path, installed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, becomes: str, said: str
) -> None:
    """Values that the installed hasher would not make, or would compare otherwise, are not compared at all."""
    first = installed()
    folder = make_blocklist(tmp_path / "b", {"toys": [("toy_grid", GRID)]})
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(first)])
    installed(toys.SOURCE.replace('144, "bytes", "l1", 700', becomes))
    with pytest.raises(
        BlocklistError, match=rf"toy_grid values of 144 bytes, compared by l1; .* makes {said}; install the release"
    ):
        Guard.from_policy(Policy(blocklist=folder))


def test_a_broken_plugin_stops_the_guard(
    tmp_path: Path, installed: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plug-in that worked when the blocklist was built, and does not load now, is an error of its own."""
    first = installed()
    folder = make_blocklist(tmp_path / "b", {"toys": [("toy_grid", GRID)]})
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(first)])
    installed(points={"toy_grid": "Broken"}, source=toys.SOURCE)
    with pytest.raises(BlocklistError, match=r"hasher toy_grid .* cannot be loaded: RuntimeError"):
        Guard.from_policy(Policy(blocklist=folder))


@pytest.mark.parametrize(
    ("name", "row", "reason"),
    [
        ("toy_raising", "0123456789abcdef", Reason.HASHER_FAILED),
        ("toy_raising_file", "01" * 16, Reason.HASHER_FAILED),
        ("toy_greedy", "01" * 16, Reason.MEMORY),
    ],
)
def test_a_plugin_that_raises_lets_nothing_pass(
    plugins: Path, tmp_path: Path, name: str, row: str, reason: Reason
) -> None:
    """An image on which a hasher fails is not scannable; one that is listed all the same is a match."""
    guard = guard_of(
        tmp_path, (name, row), ("toy_bits", value_of("toy_bits")), ("sha256", hashlib.sha256(PICTURE).hexdigest())
    )
    other = encode(drawn(7))
    verdict = guard.check(other)
    assert (verdict.outcome, verdict.reason, verdict.matches) == (Outcome.NOT_SCANNABLE, reason, ())
    exact = guard.check(PICTURE)
    assert (exact.outcome, exact.reason) == (Outcome.MATCH, None)
    assert Match("toys", "sha256", 0, "bytes") in exact.matches
    resized = guard.check(encode(drawn(1).resize((200, 150)), "PNG"))
    assert [(match.algorithm, match.view) for match in resized.matches] == [("toy_bits", "native")]


def test_policy_thresholds_of_plugins(plugins: Path, tmp_path: Path) -> None:
    """The policy can move a list's threshold without a rebuild; beyond the author's default that takes consent."""
    rows = [("toy_grid", value_of("toy_grid"))]
    data = encode(drawn(1).resize((200, 150)), "PNG")
    (near,) = guard_of(tmp_path, *rows).check(data).matches
    keys = {"lists": {"toys": {"thresholds": {"toy_grid": near.distance - 1}}}}
    assert guard_of(tmp_path, *rows, **keys).check(data).outcome is Outcome.NO_KNOWN_MATCH
    keys = {"lists": {"toys": {"thresholds": {"toy_grid": 20_000}}}}
    with pytest.raises(PolicyError, match=r"toy_grid: an l1 distance of 20000 would match .* use at most 700, or add"):
        guard_of(tmp_path, *rows, **keys)
    wide = guard_of(tmp_path, *rows, **keys, accept_false_matches=True)
    assert wide.check(encode(drawn(2))).outcome is Outcome.MATCH
    with pytest.raises(BlocklistError, match="an l1 distance of 36720 is not below 36720, at which everything matches"):
        guard_of(tmp_path, *rows, lists={"toys": {"thresholds": {"toy_grid": 36_720}}}, accept_false_matches=True)


def command(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run ``ingest-guard`` in a process of its own."""
    program = [sys.executable, "-c", "from ingest_guard.cli.main import main; main()", *map(str, arguments)]
    return subprocess.run(program, capture_output=True, text=True, check=False, input="", **options)


def blocks(language: str) -> list[str]:
    """Return the blocks of code in a language of the page's section on own hashes."""
    section = USAGE.partition("## Use a hash of your own\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


def test_the_example_in_the_docs_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example's hasher passes the contract, its list row builds by the command line, and its picture is found."""
    folder = tmp_path / "site"
    info = folder / "our_grid-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: our-grid\nVersion: 1\n", encoding="utf-8")
    module, printing = blocks("python")
    (folder / "our_grid.py").write_text(module, encoding="utf-8")
    (project,) = blocks("toml")
    group, point = (
        re.fullmatch(r'\[project\.entry-points\."(.+)"\]\n(.+ = )"(.+)"\n', project).expand(r"\1 \2\3").split(" ", 1)
    )  # type: ignore[union-attr]
    (info / "entry_points.txt").write_text(f"[{group}]\n{point}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    check_hasher("our_grid")
    (row,) = blocks("text")
    (tmp_path / "ours.txt").write_text(row, encoding="utf-8")
    (build_line,) = blocks("sh")
    words = build_line.split()
    assert words[0] == "ingest-guard"
    path = f"{folder}{os.pathsep}{Path(__file__).parent.parent.parent}"
    environment = {**os.environ, "PYTHONPATH": path}
    done = command(*words[1:], cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"our_grid +1\b", done.stdout)
    printed = subprocess.run(
        [sys.executable, "-c", printing], capture_output=True, text=True, check=True, env=environment
    ).stdout
    assert printed.split()[0] == row.split()[0] == "our_grid"
    assert len(printed) == len(row)
    verdict = Guard.from_policy(Policy(blocklist=tmp_path / "blocklist")).check(encode(draw(1)))
    assert [(match.list_id, match.algorithm, match.view) for match in verdict.matches] == [
        ("ours", "our_grid", "native")
    ]
    sys.modules.pop("our_grid", None)
    importlib.invalidate_caches()
