from __future__ import annotations

import io
import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from support.listed import PDF, World

from ingest_guard.cli import main
from ingest_guard.guard.guard import Guard
from ingest_guard.workers.pool import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def files(tmp_path: Path, world: World) -> Path:
    """Return a folder with one file of each outcome."""
    folder = tmp_path / "files"
    folder.mkdir()
    contents = {
        "exact.jpg": world.exact,
        "near.png": world.near,
        "clean.jpg": world.clean,
        "cut.jpg": world.clean[:-50],
        "listed.pdf": PDF,
        "other.pdf": PDF + b" ",
        "text.txt": b"hello",
        "empty": b"",
    }
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture
def check(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], world: World, files: Path, tmp_path: Path
) -> Callable[..., tuple[int, list[dict[str, Any]], str]]:
    """Return the command as its user has it: exit code, objects printed, errors; without processes where it may."""
    policy = tmp_path / "inline.yaml"
    policy.write_text(f"blocklist: {world.blocklist}\nworkers: inline\n")

    def run(*names: str, options: tuple[str, ...] | None = None) -> tuple[int, list[dict[str, Any]], str]:
        options = ("--policy", str(policy)) if options is None else options
        monkeypatch.chdir(files)
        monkeypatch.setattr("sys.argv", ["ingest-guard", "check", *names, *options])
        with pytest.raises(SystemExit) as stopped:
            main()
        shown = capsys.readouterr()
        assert isinstance(stopped.value.code, int)
        return stopped.value.code, [json.loads(line) for line in shown.out.splitlines()], shown.err

    return run


@pytest.mark.parametrize(
    ("names", "code", "outcomes"),
    [
        (["clean.jpg"], 0, ["no_known_match"]),
        (["text.txt", "empty"], 0, ["not_an_image"] * 2),
        (["exact.jpg"], 1, ["match"]),
        (["listed.pdf"], 1, ["match"]),
        (["cut.jpg"], 3, ["not_scannable"]),
        (["other.pdf"], 3, ["not_scannable"]),
        (["clean.jpg", "cut.jpg"], 3, ["no_known_match", "not_scannable"]),
        (["cut.jpg", "near.png", "clean.jpg"], 1, ["not_scannable", "match", "no_known_match"]),
        (["absent.jpg"], 2, []),
        (["exact.jpg", "absent.jpg", "cut.jpg"], 2, ["match", "not_scannable"]),
        (["."], 2, []),
    ],
)
def test_exit_codes(check: Callable[..., Any], names: list[str], code: int, outcomes: list[str]) -> None:
    """0 nothing known, 1 a match, 3 not scannable, 2 wrong use; the gravest counts, and every file has its line."""
    found, objects, errors = check(*names)
    assert (found, [each["outcome"] for each in objects]) == (code, outcomes)
    assert ("cannot be read" in errors) == (code == 2)


@pytest.mark.parametrize(
    ("names", "code"),
    [(["clean.jpg"], 4), (["clean.jpg", "exact.jpg"], 4), (["clean.jpg", "absent.jpg"], 2)],
)
def test_guard_that_fails(
    check: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, names: list[str], code: int
) -> None:
    """4 goes before a match and after wrong use; one file that fails does not hide the others."""
    real = Guard.begin

    def fail(self: Guard, data: bytes, **options: Any) -> Any:
        if len(data) < 8000:
            raise RuntimeError("secret")
        return real(self, data, **options)

    monkeypatch.setattr(Guard, "begin", fail)
    found, objects, errors = check(*names)
    assert found == code
    assert "clean.jpg: the guard failed (a body could not be checked (RuntimeError))" in errors
    assert "secret" not in errors
    assert len(objects) == names.count("exact.jpg")


@pytest.mark.parametrize("jobs", [("--jobs", "2"), ()])
def test_files_are_decoded_in_processes_of_their_own(
    check: Callable[..., Any], world: World, monkeypatch: pytest.MonkeyPatch, jobs: tuple[str, ...]
) -> None:
    """As many as are asked for, or one for each core; lines come in the order of the files."""
    made = []
    real = WorkerPool.__init__

    def noted(self: WorkerPool, guard: Guard, *others: Any) -> None:
        made.append(guard.policy.worker_count)
        real(self, guard, *others)

    monkeypatch.setattr(WorkerPool, "__init__", noted)
    monkeypatch.setattr(Guard, "check", None)
    names = ["cut.jpg", "clean.jpg", "near.png", "absent.jpg", *["clean.jpg"] * 9, "exact.jpg", "text.txt"]
    code, objects, errors = check(*names, options=("--blocklist", str(world.blocklist), *jobs))
    assert code == 2
    assert "absent.jpg: cannot be read" in errors
    assert [each["file"] for each in objects] == [name for name in names if name != "absent.jpg"]
    assert [each["outcome"] for each in objects[:3]] == ["not_scannable", "no_known_match", "match"]
    assert made == [2 if jobs else len(os.sched_getaffinity(0))]


def test_fields(check: Callable[..., Any]) -> None:
    """One object a file, with the documented fields."""
    _, (near, clean, cut), _ = check("near.png", "clean.jpg", "cut.jpg")
    for each in (near, clean, cut):
        assert list(each) == ["file", "outcome", "reason", "matches", "image"]
    (match,) = near["matches"]
    assert (match["list_id"], match["algorithm"], match["view"]) == ("looks", "pdq", "native")
    assert isinstance(match["distance"], int)
    assert clean["file"] == "clean.jpg"
    assert clean["matches"] == []
    assert {key: value for key, value in clean["image"].items() if key != "fingerprints"} == {
        "format": "JPEG",
        "width": 320,
        "height": 240,
        "frames": 1,
        "pdq_quality": 100,
    }
    assert len(clean["image"]["fingerprints"]["pdq"]) == 64
    assert (clean["reason"], cut["reason"]) == (None, "truncated")


def test_no_hash_of_a_match_unless_asked(check: Callable[..., Any], world: World) -> None:
    """What is on a list is not printed by the way."""
    _, (hidden,), _ = check("near.png")
    assert hidden["image"]["fingerprints"] == {}
    shown = ("--blocklist", str(world.blocklist), "--show-hashes")
    _, (open_,), _ = check("near.png", options=shown)
    assert set(open_["image"]["fingerprints"]) == {"pdq"}


@pytest.mark.parametrize("body", ["exact", "clean"])
def test_standard_input(check: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, world: World, body: str) -> None:
    """A dash is standard input, bytes as they come."""
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(getattr(world, body))))
    code, (found,), _ = check("-")
    assert (code, found["file"]) == (1 if body == "exact" else 0, "-")


def test_policy(check: Callable[..., Any], policy_file: Path) -> None:
    """With a policy, its other keys count, too."""
    policy_file.write_text(policy_file.read_text() + "unscanned_types: [PDF]\n")
    assert check("other.pdf", options=("--policy", str(policy_file)))[0] == 0


@pytest.mark.parametrize("both", [True, False])
def test_policy_or_blocklist(check: Callable[..., Any], policy_file: Path, world: World, *, both: bool) -> None:
    """Exactly one of them is wanted."""
    options = ("--policy", str(policy_file), "--blocklist", str(world.blocklist)) if both else ()
    code, _, errors = check("clean.jpg", options=options)
    assert code == 2
    assert "name either --policy FILE or --blocklist FOLDER" in errors


@pytest.mark.parametrize(
    ("option", "value", "code"),
    [
        ("--policy", "absent.yaml", 2),
        ("--policy", "text.txt", 2),
        ("--blocklist", "absent", 4),
        ("--blocklist", ".", 4),
    ],
)
def test_policy_or_blocklist_that_cannot_be_used(check: Callable[..., Any], option: str, value: str, code: int) -> None:
    """A wrong policy is wrong use; a blocklist that does not open is a guard that failed. One line tells."""
    found, objects, errors = check("clean.jpg", options=(option, value))
    assert (found, objects) == (code, [])
    assert errors.startswith("ingest-guard: ")
    assert errors.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["clean.jpg", "--no-such-option"]])
def test_wrong_use(check: Callable[..., Any], arguments: list[str]) -> None:
    """Click's own complaints have the same exit code."""
    code, _, errors = check(*arguments, options=())
    assert code == 2
    assert "Usage:" in errors
