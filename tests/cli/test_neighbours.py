from __future__ import annotations

import hashlib
import io
import json
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.blocklists import make_blocklist

from ingest_guard.blocklist.transfer import encryption
from ingest_guard.cli.main import main
from ingest_guard.dataset.neighbours import run as run_module

WIDTH, ROWS = 32, 200
SEED, NEAR, FAR = 7, (11, 12, 150), 13
"""Rows of the second table: the seed, its neighbours, and one that is a little near."""


def near(vector: Any, cosine: float, rng: np.random.Generator) -> Any:
    """Return a unit vector of this cosine to another one."""
    other = rng.standard_normal(WIDTH)
    other -= (other @ vector) * vector
    other /= np.linalg.norm(other)
    return cosine * vector + np.sqrt(1 - cosine**2) * other


def uid(table: int, row: int) -> str:
    """Return a record's uid."""
    return hashlib.md5(f"text {row}https://site.example/{table}/{row}.jpg".encode(), usedforsecurity=False).hexdigest()


def md5(table: int, row: int) -> str:
    """Return a made-up digest of a record's picture."""
    return hashlib.md5(f"picture {table} {row}".encode(), usedforsecurity=False).hexdigest()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write a data set in LAION's layout: three tables, and a neighbourhood in the second one."""
    rng = np.random.default_rng(3)
    folder = tmp_path / "data"
    folder.mkdir()
    for table in range(3):
        rows = rng.standard_normal((ROWS, WIDTH))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        if table == 1:
            for number, row in enumerate(NEAR):
                rows[row] = near(rows[SEED], 0.98 - 0.05 * number, rng)
            rows[FAR] = near(rows[SEED], 0.7, rng)
        if table == 2:
            rows[5], rows[6] = 0, np.nan
        np.save(folder / f"img_emb_{table}.npy", rows.astype(np.float16))
        columns = {
            "url": [f"https://site.example/{table}/{row}.jpg" for row in range(ROWS)],
            "text": [f"text {row}" for row in range(ROWS)],
            "md5": [md5(table, row) for row in range(ROWS)],
        }
        pq.write_table(pa.table(columns), folder / f"metadata_{table}.parquet")
    (tmp_path / "uids.txt").write_text(f"# known\n\n{uid(1, SEED)}\n")
    return folder


class Ran:
    """One run of the command."""

    def __init__(self, code: int, out: str, error: str) -> None:
        self.code, self.out, self.error = code, out, error


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return what runs the whole program."""

    def call(*arguments: object) -> Ran:
        monkeypatch.setattr("sys.argv", ["ingest-guard", "neighbours", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        return Ran(int(ended.value.code or 0), *capsys.readouterr())

    return call


def read(data: bytes) -> list[dict[str, Any]]:
    """Return the candidates in a file."""
    head, *lines = map(json.loads, data.splitlines())
    assert head["candidates"] == 1
    return lines


EXPECTED = [
    {"uid": uid(1, row), "shard": "metadata_1.parquet", "row": row, "band": band}
    for row, band in zip(NEAR, (0.95, 0.9, 0.85), strict=True)
]


def test_neighbours_of_a_record(data: Path, tmp_path: Path, run: Any) -> None:
    """They come in the order of tables and rows, in a file for its owner alone; the terminal shows counts."""
    out = tmp_path / "candidates.jsonl"
    done = run(data, "--seeds", tmp_path / "uids.txt", "-k", 0, "--above", 0.8, "-o", out, "--unsealed")
    assert done.code == 1
    assert read(out.read_bytes()) == EXPECTED
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert "598 rows in 3 tables compared with 1 seeds" in done.out
    assert "3 candidates" in done.out
    assert "similarity 0.95 and above: 1" in done.out
    assert "2 rows have no embedding" in done.out
    for secret in ("site.example", uid(1, NEAR[0]), uid(1, SEED)):
        assert secret not in done.out + done.error
    assert "https" not in out.read_text()
    assert uid(1, SEED) not in out.read_text()


def test_sealed_candidates(data: Path, tmp_path: Path, run: Any) -> None:
    """What is sealed shows nothing, and is opened by the recipient alone."""
    identity = tmp_path / "key"
    _, recipient = encryption.write_identity(identity)
    out = tmp_path / "candidates.jsonl.age"
    done = run(data, "--seeds", tmp_path / "uids.txt", "-k", 3, "-o", out, "--recipient", recipient)
    assert done.code == 1
    raw = out.read_bytes()
    assert raw.startswith(encryption.MAGIC)
    assert b"metadata_1" not in raw
    with encryption.decrypted(io.BytesIO(raw), identity, "x") as opened:
        found = read(opened.read())
    # The seed is one of the three.
    assert [each["row"] for each in found] == list(NEAR[:2])


def test_seeds_from_vectors(data: Path, tmp_path: Path, run: Any) -> None:
    """A vector from elsewhere finds the record that it is of as well."""
    np.save(tmp_path / "v.npy", np.load(data / "img_emb_1.npy")[[SEED]])
    out = tmp_path / "c"
    assert run(data, "--seeds", tmp_path / "v.npy", "-k", 2, "-o", out, "--unsealed").code == 1
    assert [each["row"] for each in read(out.read_bytes())] == [SEED, NEAR[0]]


@pytest.mark.parametrize("is_sealed", [False, True])
def test_seeds_from_tombstones(data: Path, tmp_path: Path, run: Any, *, is_sealed: bool) -> None:
    """What a recheck has removed leads to its neighbours, in the data set of before."""
    lines = [{"tombstones": 1}, {"uid": uid(1, SEED), "shard": "metadata_1.parquet", "action": "drop", "matches": []}]
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    file, identity = tmp_path / "t.tombstones.jsonl", tmp_path / "key"
    _, recipient = encryption.write_identity(identity)
    if is_sealed:
        with file.open("wb") as target:
            encryption.encrypt(io.BytesIO(text), target, [recipient])
        refused = run(data, "--tombstones", file, "-o", tmp_path / "c", "--unsealed")
        assert refused.code == 2
        assert "--identity" in refused.error
    else:
        file.write_bytes(text)
    arguments = ("-k", 0, "--above", 0.8, "-o", tmp_path / "c", "--unsealed", "--identity", identity)
    assert run(data, "--tombstones", file, *arguments).code == 1
    assert read((tmp_path / "c").read_bytes()) == EXPECTED


def test_seeds_from_a_blocklist(data: Path, tmp_path: Path, run: Any) -> None:
    """Records that a blocklist knows are seeds, without any other file."""
    make_blocklist(tmp_path / "list", {"l": [("md5", md5(1, SEED))]})
    arguments = ("-k", 0, "--above", 0.8, "-o", tmp_path / "c", "--unsealed")
    assert run(data, "--blocklist", tmp_path / "list", *arguments).code == 1
    assert read((tmp_path / "c").read_bytes()) == EXPECTED


def test_nothing_found(data: Path, tmp_path: Path, run: Any) -> None:
    """0 where all rows were compared and none is near, 3 where some could not be compared."""
    np.save(tmp_path / "v.npy", np.eye(WIDTH, dtype=np.float32)[:1])
    arguments = ("--seeds", tmp_path / "v.npy", "-k", 0, "--above", 0.99, "--unsealed")
    assert run(data, *arguments, "-o", tmp_path / "a").code == 3
    for kind in ("metadata_2.parquet", "img_emb_2.npy"):
        (data / kind).unlink()
    done = run(data, *arguments, "-o", tmp_path / "b")
    assert done.code == 0
    assert read((tmp_path / "b").read_bytes()) == []


def test_wrong_use(data: Path, tmp_path: Path, run: Any) -> None:
    """Each wrong use ends with 2 and says what is wrong, before anything is searched or written."""
    uids, out = tmp_path / "uids.txt", tmp_path / "c"
    (tmp_path / "taken").touch()
    (tmp_path / "other.txt").write_text("0" * 32)
    (tmp_path / "two words.txt").write_text("two words")
    (tmp_path / "empty.txt").write_text("# nothing\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "t.jsonl").write_text('{"no": 1}\n')
    (tmp_path / "rows.jsonl").write_text('{"tombstones": 1}\n{"shard": "x", "row": 3}\n')
    (tmp_path / "none.jsonl").write_text('{"tombstones": 1}\n')
    np.save(tmp_path / "wide.npy", np.ones((1, WIDTH + 1), np.float32))
    np.save(tmp_path / "whole.npy", np.ones((1, WIDTH), np.int32))
    (tmp_path / "no.npy").write_bytes(b"no array")
    good = ("-o", out, "--unsealed")
    for arguments, message in (
        ((*good,), "name the seeds once"),
        (("--seeds", uids, "--tombstones", uids, *good), "name the seeds once"),
        (("--seeds", uids, "-o", out), "say --unsealed"),
        (("--seeds", uids, "--recipient", "age1x", *good), "say --unsealed"),
        (("--seeds", uids, "-k", 0, *good), "-k 0 asks for nothing"),
        (("--seeds", uids, "-k", 1001, *good), "1000"),
        (("--seeds", uids, "-o", data / "c", "--unsealed"), "not for publication"),
        (("--seeds", uids, "-o", tmp_path / "taken", "--unsealed"), "never written over"),
        (("--seeds", tmp_path / "other.txt", *good), "no seed has a vector"),
        (("--seeds", tmp_path / "two words.txt", *good), "line 1 is no uid"),
        (("--seeds", tmp_path / "empty.txt", *good), "names no uid"),
        (("--seeds", tmp_path / "binary.txt", *good), "cannot be read as text"),
        (("--seeds", tmp_path / "wide.npy", *good), "the embeddings have 32 dimensions"),
        (("--seeds", tmp_path / "whole.npy", *good), "holds int32"),
        (("--seeds", tmp_path / "no.npy", *good), "cannot be read as an array"),
        (("--tombstones", tmp_path / "t.jsonl", *good), "holds no tombstones"),
        (("--tombstones", tmp_path / "rows.jsonl", *good), "by their rows"),
        (("--tombstones", tmp_path / "none.jsonl", *good), "names no record"),
        (("--blocklist", tmp_path / "nowhere", *good), ""),
    ):
        done = run(data, *arguments)
        assert done.code in ((2,) if message else (2, 4)), arguments
        assert message in done.error, (arguments, done.error)
        assert not out.exists()


def test_what_cannot_be_written_is_an_error(data: Path, tmp_path: Path, run: Any) -> None:
    """A folder that is not there ends the run with 4, and nothing is left behind."""
    done = run(data, "--seeds", tmp_path / "uids.txt", "-o", tmp_path / "nowhere" / "c", "--unsealed")
    assert done.code == 4
    assert "cannot be written" in done.error


def test_a_search_that_misses_planted_rows_fails(
    data: Path, tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that are known to be near are searched for each time; a run that misses them ends with 4."""

    class Blind(run_module.Search):
        def scan(self, rows: Any, first: int) -> Any:
            return super().scan(-rows, first)

    monkeypatch.setattr(run_module, "Search", Blind)
    done = run(data, "--seeds", tmp_path / "uids.txt", "-o", tmp_path / "c", "--unsealed")
    assert done.code == 4
    assert "did not find rows that were planted" in done.error
    assert not (tmp_path / "c").exists()


def test_seeds_without_an_embedding_are_counted(data: Path, tmp_path: Path, run: Any) -> None:
    """A record among the seeds whose row is zeros is named as a number."""
    (tmp_path / "uids.txt").write_text(f"{uid(1, SEED)}\n{uid(2, 5)}\n")
    done = run(data, "--seeds", tmp_path / "uids.txt", "-k", 1, "-o", tmp_path / "c", "--unsealed")
    assert "1 seeds have no embedding" in done.out
