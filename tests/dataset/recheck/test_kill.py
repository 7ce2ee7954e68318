from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.blocklists import make_blocklist
from support.rechecks import record, uids, value, write_lines

from ingest_guard.dataset.neighbours.nearest import Wanted
from ingest_guard.dataset.neighbours.removal import RemovedNeighbours
from ingest_guard.dataset.recheck.plan import Plan
from ingest_guard.dataset.recheck.run import Output, recheck
from ingest_guard.policy.policy import Policy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write records in three shards with their embeddings, and a list that knows one of each of two."""
    original = tmp_path / "data" / "original"
    write_lines(original / "a.jsonl", [record(number) for number in range(40)])
    pq.write_table(pa.Table.from_pylist([record(number) for number in range(40, 80)]), original / "b.parquet")
    write_lines(original / "c.jsonl", [record(number) for number in range(80, 90)])
    vectors = np.random.default_rng(8).standard_normal((40, 32)).astype(np.float16)
    np.save(original / "a.npy", vectors)
    np.savez(original / "b.npz", l14_img=vectors, l14_txt=vectors[::-1])
    np.save(original / "c.npy", vectors[:10])
    make_blocklist(tmp_path / "one", {"l": [("md5", value(7, "md5"))]})
    make_blocklist(tmp_path / "blocklist", {"l": [("md5", value(7, "md5")), ("md5", value(50, "md5"))]})
    return tmp_path


def shards(folder: Path) -> dict[str, str]:
    """Return name -> bytes."""
    return {path.name: path.read_bytes().hex() for path in folder.iterdir()}


def watched(folder: Path, mode: str) -> list[dict[str, Any]]:
    """Return what was seen after each kill and each run to the end."""
    script = Path(__file__).with_name("kills.py")
    command = [sys.executable, str(script), str(folder / "data"), str(folder / "blocklist"), mode]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "XDG_RUNTIME_DIR": "/nowhere"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    seen: list[dict[str, Any]] = json.loads(done.stdout)
    return seen


# Equal embeddings are in all three tables, in the same row.
GONE = {"in_place": (7, 50), "clean": (7, 50), "both": (7, 50, 10, 47, 87), "neighbours": (7, 47, 87)}


@pytest.mark.parametrize("mode", GONE)
def test_killed_at_any_point(folder: Path, mode: str) -> None:
    """Each file is the old or the new one; none is new before its tombstone is written; the next run ends it.

    A shard and its embeddings do not change in one step, so a kill in between leaves one old and one new; the next run
    never takes the one for the other.
    """
    old = shards(folder / "data" / "original")
    original = folder / "data" / "original"
    further = RemovedNeighbours(original, Wanted(0, 0.99)) if mode in {"both", "neighbours"} else None
    listed = "one" if mode == "neighbours" else "blocklist"
    recheck(original, Plan(Policy(blocklist=folder / listed)), Output(folder / "expected"), further)
    new = {name: data for name, data in shards(folder / "expected").items() if name in old}
    changed = {"a.jsonl", "a.npy", "b.npz", "b.parquet"} | ({"c.jsonl", "c.npy"} if 87 in GONE[mode] else set())
    assert {name for name in old if old[name] != new[name]} == changed
    gone = sorted(uids(record(number) for number in GONE[mode]))
    seen = watched(folder, mode)
    kills = [each for each in seen if each["kill"]]
    # Each file written, its flush to the disk and its rename: two shards, the tombstones, the note, the manifest.
    before = Counter(each["before"] for each in kills if each.get("before"))
    wanted = {
        "in_place": {"os.rename": 4},
        "clean": {"os.rename": 1, "shutil.copyfile": 1, "os.mkdir": 1},
        "both": {"os.rename": 1, "os.mkdir": 1},
        "neighbours": {"os.rename": 1, "os.mkdir": 1},
    }[mode]
    in_place = mode == "in_place"
    assert before >= Counter({"open": 5, "os.fsync": 6, "os.link": 1, **wanted})
    for each in kills:
        if in_place:
            assert set(each["shards"]) == set(old)
            assert all(data in (old[name], new[name]) for name, data in each["shards"].items())
            assert each["uids"] == gone or each["shards"] == old
        else:
            assert each["shards"] is None or {n: each["shards"][n] for n in old} == new
            assert each["shards"] is None or each["uids"] == gone
    for each in seen:
        if each["kill"] is None and each["ended"]:
            assert {name: each["shards"][name] for name in old} == new
            assert each["hidden"] == []
            assert each["uids"] == gone
    # With -o, a run that finds the whole folder there already says so.
    assert all(each["ended"] or not in_place for each in seen if each["kill"] is None)
    states = {json.dumps(each["shards"], sort_keys=True) for each in kills}
    assert len(states) >= (3 if in_place else 2)
