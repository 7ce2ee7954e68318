from __future__ import annotations

import hashlib
import io
import json
import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.blocklists import make_blocklist

from ingest_guard.blocklist.transfer import encryption
from ingest_guard.cli.main import main
from ingest_guard.dataset.attestation.manifest import Manifest
from ingest_guard.dataset.attestation.promises import format_manifest
from ingest_guard.dataset.attestation.verify import verify
from ingest_guard.dataset.neighbours import checkpoint as checkpoint_module
from ingest_guard.dataset.neighbours import finding as run_module

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


@pytest.fixture(autouse=True)
def memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep where searches stand in a folder of the test's."""
    (tmp_path / "memory").mkdir()
    monkeypatch.setattr(checkpoint_module, "_memory_folder", lambda: tmp_path / "memory")


@pytest.fixture
def recheck(run: Any) -> Any:
    """Return what runs a recheck; ``neighbours`` of it runs a search."""

    def call(*arguments: object) -> Ran:
        ran: Ran = run(*arguments, command="recheck")
        return ran

    call.neighbours = run  # type: ignore[attr-defined]
    return call


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Return what runs the whole program."""

    def call(*arguments: object, command: str = "neighbours") -> Ran:
        monkeypatch.setattr("sys.argv", ["ingest-guard", command, *map(str, arguments)])
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
    uids, out, new = tmp_path / "uids.txt", tmp_path / "c", tmp_path / "new"
    (tmp_path / "taken").touch()
    (tmp_path / "other.txt").write_text("0" * 32)
    (tmp_path / "two words.txt").write_text("two words")
    (tmp_path / "empty.txt").write_text("# nothing\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe")
    (tmp_path / "t.jsonl").write_text('{"no": 1}\n')
    (tmp_path / "rows.jsonl").write_text('{"tombstones": 1}\n{"shard": "x", "row": 3}\n')
    rows_then = '{"tombstones": 1, "rows": {"metadata_1.parquet": 9}}\n'
    (tmp_path / "other-rows.jsonl").write_text(rows_then + '{"uid": null, "shard": "metadata_1.parquet", "row": 3}\n')
    (tmp_path / "odd.jsonl").write_text('{"tombstones": 1}\n{"uid": null, "shard": "x", "row": -1}\n')
    (tmp_path / "pages.jsonl").write_text(
        '{"tombstones": 1}\n{"uid": "x", "matches": [{"list": "", "algorithm": "page"}]}\n'
    )
    (tmp_path / "full" / "x").mkdir(parents=True)
    (tmp_path / "none.jsonl").write_text('{"tombstones": 1}\n')
    np.save(tmp_path / "wide.npy", np.ones((1, WIDTH + 1), np.float32))
    np.save(tmp_path / "whole.npy", np.ones((1, WIDTH), np.int32))
    (tmp_path / "no.npy").write_bytes(b"no array")
    with (tmp_path / "packed.npy").open("wb") as file:
        np.savez(file, a=np.ones((1, WIDTH), np.float32))
    np.save(tmp_path / "nan.npy", np.full((1, WIDTH), np.nan, np.float32))
    np.save(tmp_path / "none.npy", np.ones((0, WIDTH), np.float32))
    good = ("-o", out, "--unsealed")
    for arguments, message in (
        (("--seeds", uids, "--unsealed"), "-o CANDIDATES"),
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
        (("--seeds", tmp_path / "wide.npy", *good), "the embeddings have 32"),
        (("--seeds", tmp_path / "whole.npy", *good), "holds int32"),
        (("--seeds", tmp_path / "packed.npy", *good), "no file of embeddings"),
        (("--seeds", tmp_path / "nan.npy", *good), "no seed has a vector"),
        (("--seeds", tmp_path / "none.npy", *good), "no seed has a vector"),
        (("--seeds", tmp_path / "no.npy", *good), "no file of embeddings"),
        (("--tombstones", tmp_path / "t.jsonl", *good), "holds no tombstones"),
        (("--tombstones", tmp_path / "rows.jsonl", *good), "by their rows"),
        (("--tombstones", tmp_path / "other-rows.jsonl", *good), "had 9 rows then and has 200 now"),
        (("--tombstones", tmp_path / "odd.jsonl", *good), "holds no tombstones (line 2)"),
        (("--tombstones", tmp_path / "pages.jsonl", *good), "names no record that a list knew"),
        (("--seeds", uids, "--remove", data / "out", *good), "lies in"),
        (("--seeds", uids, "--remove", tmp_path / "full", *good), "no empty folder"),
        (("--seeds", uids, "--remove", new, "-o", new / "c", "--unsealed"), "not for publication"),
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


def left(folder: Path) -> list[tuple[str, int, float]]:
    """Return what a cleaned data set holds: address, row in its table, and the first number of its embedding."""
    found = []
    for file in sorted(folder.glob("*.parquet")):
        vectors = np.load(folder / f"img_emb_{file.stem.removeprefix('metadata_')}.npy")
        urls = pq.read_table(file)["url"].to_pylist()
        assert len(urls) == len(vectors)
        found += [(url, row, float(vectors[row, 0])) for row, url in enumerate(urls)]
    return found


def require_cut(data: Path, out: Path, gone: set[int]) -> None:
    """Require that some rows of the second table are gone, and that each that is left has its own embedding."""
    expected = {url: number for url, _, number in left(data)}
    found = left(out)
    assert [url for url, _, _ in found] == [
        url for url in expected if url not in {f"https://site.example/1/{row}.jpg" for row in gone}
    ]
    for url, _, number in found:
        assert number == expected[url] or (np.isnan(number) and np.isnan(expected[url]))


def test_what_was_found_is_removed(data: Path, tmp_path: Path, run: Any) -> None:
    """--remove writes the data set without candidates and seeds, in step, and its manifest says what was searched."""
    out, clean = tmp_path / "c", tmp_path / "clean"
    before = {path.name: path.read_bytes() for path in data.iterdir()}
    arguments = ("-k", 0, "--above", 0.8, "-o", out, "--unsealed", "--remove", clean)
    done = run(data, "--seeds", tmp_path / "uids.txt", *arguments)
    assert done.code == 1
    assert "4 records removed" in done.out
    assert read(out.read_bytes()) == EXPECTED
    assert {path.name: path.read_bytes() for path in data.iterdir()} == before
    require_cut(data, clean, {SEED, *NEAR})
    manifest = Manifest.load(clean)
    (search,) = manifest.searches
    assert (search.seeds, search.seeds_from, search.k, search.above) == (1, "uids", 0, 0.8)
    assert search.counts == {"compared": 598, "removed": 4, "not_compared": 2}
    assert manifest.derived_from is not None
    assert (manifest.derived_from.rows, manifest.rows) == (600, 596)
    assert "Embeddings compared" in "\n".join(format_manifest(manifest))
    assert verify(clean).problems == ()
    # Of the cleaned one, the next manifest keeps what was said.
    again = run(clean, "--seeds", data / "v.npy", "-o", tmp_path / "c2", "--unsealed", "--remove", tmp_path / "clean2")
    assert again.code == 2
    np.save(tmp_path / "v.npy", np.load(data / "img_emb_1.npy")[[SEED]])
    arguments = ("-k", 1, "-o", tmp_path / "c2", "--unsealed", "--remove", tmp_path / "clean2")
    assert run(clean, "--seeds", tmp_path / "v.npy", *arguments).code == 1
    assert [each.counts["removed"] for each in Manifest.load(tmp_path / "clean2").searches] == [4, 1]


def test_a_recheck_removes_neighbours_as_well(data: Path, tmp_path: Path, recheck: Any) -> None:
    """Both searches in one run: what the list knows and what lies near to it go, and both are in the manifest."""
    make_blocklist(tmp_path / "list", {"l": [("md5", md5(1, SEED))]})
    clean = tmp_path / "clean"
    arguments = ("--blocklist", tmp_path / "list", "--neighbours", 4, "--above", 0.9)
    assert "say --unsealed" in recheck(data, *arguments, "-o", clean).error
    assert "into a new folder (-o) alone" in recheck(data, *arguments, "--in-place", "--unsealed").error
    rehearsal = recheck(data, *arguments, "--dry-run")
    assert rehearsal.code == 1
    assert "4 removed" in rehearsal.out
    done = recheck(data, *arguments, "-o", clean, "--unsealed")
    assert done.code == 1
    assert "neighbours: 3 candidates" in done.out
    assert "by neighbour: 3" in done.out
    require_cut(data, clean, {SEED, *NEAR})
    manifest = Manifest.load(clean)
    assert [each.counts["removed"] for each in (*manifest.rechecks, *manifest.searches)] == [4, 3]
    assert manifest.searches[0].seeds_from == "blocklist"
    lines = [json.loads(line) for line in (tmp_path / "clean.tombstones.jsonl").read_text().splitlines()]
    algorithms = {line["uid"]: line["matches"][0]["algorithm"] for line in lines[1:]}
    assert algorithms == {uid(1, SEED): "md5", **{uid(1, row): "neighbour" for row in NEAR}}
    # Neighbours are no seeds of the next search.
    again = tmp_path / "c"
    run = recheck.neighbours
    arguments = ("--tombstones", tmp_path / "clean.tombstones.jsonl", "-k", 0, "--above", 0.8, "-o", again)
    assert run(data, *arguments, "--unsealed").code == 1
    assert read(again.read_bytes()) == EXPECTED


def test_a_recheck_without_seeds_removes_no_neighbours(data: Path, tmp_path: Path, recheck: Any) -> None:
    """Where nothing matched, or what matched has no embedding, nothing is looked for, and that is said."""
    for number, listed in enumerate((md5(9, 9), md5(2, 5))):
        store = make_blocklist(tmp_path / f"list{number}", {"l": [("md5", listed)]})
        clean = tmp_path / f"clean{number}"
        done = recheck(data, "--blocklist", store, "--neighbours", 4, "-o", clean, "--unsealed")
        assert done.code == number
        assert "no removed record has an embedding" in done.out
        assert Manifest.load(clean).searches == ()


@pytest.mark.parametrize(
    "arguments", [("--above", 0.9), ("--embedding-column", "x"), ("--unsealed",), ("--neighbours", 0)]
)
def test_wrong_use_of_recheck(data: Path, tmp_path: Path, recheck: Any, arguments: tuple[Any, ...]) -> None:
    """What belongs to --neighbours is refused without it."""
    make_blocklist(tmp_path / "list", {"l": [("md5", md5(1, SEED))]})
    done = recheck(data, "--blocklist", tmp_path / "list", "--dry-run", *arguments)
    assert done.code == 2
    assert "--neighbours" in done.error


def test_seeds_from_tombstones_with_rows(data: Path, tmp_path: Path, run: Any, recheck: Any) -> None:
    """Records without a uid are found by their rows, in tables that have as many rows as before, and not otherwise."""
    for table in range(3):
        file = data / f"metadata_{table}.parquet"
        pq.write_table(pq.read_table(file).select(["md5"]), file)
    make_blocklist(tmp_path / "list", {"l": [("md5", md5(1, SEED))]})
    assert recheck(data, "--blocklist", tmp_path / "list", "-o", tmp_path / "clean").code == 1
    arguments = ("--tombstones", tmp_path / "clean.tombstones.jsonl", "-k", 0, "--above", 0.8, "--unsealed")
    assert run(data, *arguments, "-o", tmp_path / "c").code == 1
    assert read((tmp_path / "c").read_bytes()) == [{**each, "uid": None} for each in EXPECTED]
    refused = run(tmp_path / "clean", *arguments, "-o", tmp_path / "d")
    assert refused.code == 2
    assert "had 200 rows then and has 199 now" in refused.error
    (data / "metadata_1.parquet").unlink()
    assert "is not there now" in run(data, *arguments, "-o", tmp_path / "d").error


def test_calibration(data: Path, run: Any) -> None:
    """--calibrate shows shares alone, and needs neither seeds nor a file."""
    done = run(data, "--calibrate")
    assert done.code == 0
    assert "598 random records, 178,503 pairs" in done.out
    assert "0.00 and above: 100 %" in done.out
    assert "2 more have no embedding" in done.out


def test_a_killed_search_is_resumed(data: Path, tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run says how many files it need not search; when it has ended, nothing is left in memory."""
    memory = tmp_path / "memory"
    arguments = ("--seeds", tmp_path / "uids.txt", "-k", 0, "--above", 0.8, "--unsealed", "-o")
    assert run(data, *arguments, tmp_path / "nowhere" / "c").code == 4
    assert len(list(memory.iterdir())) == 1
    done = run(data, *arguments, tmp_path / "c")
    assert "going on after 3 of 3 files" in done.error
    assert done.code == 1
    assert read((tmp_path / "c").read_bytes()) == EXPECTED
    assert not list(memory.iterdir())
    monkeypatch.setattr(checkpoint_module, "_memory_folder", lambda: None)
    assert "cannot be resumed" in run(data, *arguments, tmp_path / "d").error


def test_a_preset_names_records(data: Path, tmp_path: Path, run: Any, recheck: Any) -> None:
    """With PD12M's columns, records are named by their id, seeds are found by hash, and the share is said."""
    for table in range(3):
        file = data / f"metadata_{table}.parquet"
        rows = pq.read_table(file)
        names = pa.array([f"{table}-{row}" for row in range(ROWS)])
        pq.write_table(pa.table({"id": names, "hash": rows["md5"]}), file)
    make_blocklist(tmp_path / "list", {"l": [("md5", md5(1, SEED))]})
    arguments = ("--preset", "pd12m", "-k", 0, "--above", 0.8, "--unsealed", "-o")
    expected = [f"1-{row}" for row in NEAR]
    done = run(data, "--blocklist", tmp_path / "list", *arguments, tmp_path / "a")
    assert "99.6 % of the rows could be compared" in done.out
    (tmp_path / "uids.txt").write_text(f"1-{SEED}")
    run(data, "--seeds", tmp_path / "uids.txt", *arguments, tmp_path / "b")
    for name in "ab":
        assert [each["uid"] for each in read((tmp_path / name).read_bytes())] == expected
    more = ("--preset", "pd12m", "--neighbours", 4, "--above", 0.8, "--unsealed", "-o", tmp_path / "clean")
    assert recheck(data, "--blocklist", tmp_path / "list", *more).code == 1
    lines = (tmp_path / "clean.tombstones.jsonl").read_text().splitlines()[1:]
    assert {json.loads(line)["uid"] for line in lines} == {f"1-{SEED}", *expected}


def test_a_package_that_is_not_installed(data: Path, tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "threadpoolctl", None)
    done = run(data, "--seeds", tmp_path / "uids.txt", "-o", tmp_path / "c", "--unsealed")
    assert done.code == 4
    assert "ingest-guard[neighbours]" in done.error


def test_one_table(data: Path, tmp_path: Path, run: Any) -> None:
    """A single table is searched and cleaned with its embeddings, and what lies beside it stays where it is."""
    np.save(tmp_path / "v.npy", np.load(data / "img_emb_1.npy")[[SEED]])
    arguments = ("--seeds", tmp_path / "v.npy", "-k", 0, "--above", 0.8, "--unsealed")
    done = run(data / "metadata_1.parquet", *arguments, "-o", tmp_path / "c", "--remove", tmp_path / "clean")
    assert done.code == 1
    assert {path.name for path in (tmp_path / "clean").iterdir()} >= {"metadata_1.parquet", "img_emb_1.npy"}
    assert not (tmp_path / "clean" / "img_emb_0.npy").exists()
    assert len(np.load(tmp_path / "clean" / "img_emb_1.npy")) == ROWS - 4
