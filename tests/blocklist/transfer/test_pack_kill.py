from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from blocklist.packs import by_hand, contents, edited, other_store

from ingest_guard.blocklist.transfer import encryption
from ingest_guard.blocklist.transfer.pack import pack
from ingest_guard.signing import keys

if TYPE_CHECKING:
    from pathlib import Path

    from blocklist.helpers import Made

# One process imports everything; for each step a child is forked that kills itself there, with kill -9. A step is
# whatever the interpreter reports to audit hooks: every file that is opened, renamed, removed or locked, every folder.
_KILLER = """
import json, os, shutil, signal, sys, warnings
from pathlib import Path
warnings.simplefilter("ignore")  # that forking a process with threads is unsafe: here they are numpy's, at rest
from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.blocklist.transfer.pack import pack
from ingest_guard.blocklist.transfer.unpack import unpack
from ingest_guard.blocklist.store import versions
from ingest_guard.signing import keys
import cryptography.hazmat.primitives.asymmetric.ed25519, pyrage

os.fsync = lambda _: None  # no power fails: what a killed process wrote stays written
what, before, work = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
arguments = json.loads(sys.argv[4])

def act():
    if what == "pack":
        pack(arguments["source"], work / "out" / "it.igpack", **arguments["options"])
    else:
        options = dict(arguments["options"])
        options["signers"] = [bytes.fromhex(text) for text in options.get("signers", [])]
        unpack(arguments["source"], work, allow_older=True, **options)

def killed_at(step):
    count = 0
    def hook(event, _):
        nonlocal count
        if event == "open" or event.startswith(("os.", "fcntl.", "shutil.")):
            count += 1
            if count == step + 1:
                os.kill(os.getpid(), signal.SIGKILL)
    child = os.fork()
    if not child:
        try:
            sys.addaudithook(hook)
            act()
            os._exit(0)
        except BaseException:
            import traceback; traceback.print_exc()
            os._exit(1)
    return os.waitpid(child, 0)[1]

def seen():
    if what == "pack":
        out = work / "out" / "it.igpack"
        return [out.read_bytes().hex()[:64] if out.exists() else None, out.stat().st_size if out.exists() else 0]
    with Blocklist.open(work) as blocklist:
        return [blocklist.version, versions.current_version(work)]

step, results = 0, []
while True:
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(before, work)
    status = killed_at(step)
    found = seen()
    # Whatever was left: the next one goes through, and clears it away.
    act()
    hidden = [path.name for path in work.rglob(".*") if path.name != ".lock"]
    results.append([status, found, seen(), hidden])
    if status == 0:
        break
    step += 1
print(json.dumps(results))
"""


def killed_everywhere(what: str, before: Path, source: Path, **options: Any) -> list[Any]:
    """Kill the packing or unpacking at each of its steps; return what was found each time."""
    work = before.parent / "work"
    arguments = json.dumps({"source": str(source), "options": options}, default=str)
    done = subprocess.run(
        [sys.executable, "-c", _KILLER, what, str(before), str(work), arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    results: list[Any] = json.loads(done.stdout)
    assert [result[0] for result in results] == [9] * (len(results) - 1) + [0]
    assert not any(result[3] for result in results)
    return results


@pytest.mark.parametrize("encrypted", [False, True])
def test_unpack_killed_anywhere(made: Made, tmp_path: Path, *, encrypted: bool) -> None:
    """Killed at any step, the store opens at the old or the new version, and the next one goes through."""
    old = other_store(tmp_path / "before")
    public = keys.write_signing_key(tmp_path / "key")[1]
    options: dict[str, Any] = {"signers": [public]}
    recipients = []
    if encrypted:
        recipients = [encryption.write_identity(tmp_path / "age")[1]]
        options["identities"] = tmp_path / "age"
    new = pack(made.folder, tmp_path / "it.igpack", recipients=recipients, sign_key=tmp_path / "key").version
    results = killed_everywhere("unpack", tmp_path / "before", tmp_path / "it.igpack", **options)
    assert len(results) > 40
    opened = [result[1] for result in results]
    turned = opened.index([new, new])
    assert opened == [[old, old]] * turned + [[new, new]] * (len(opened) - turned)
    assert 10 < turned < len(opened)
    assert all(result[2] == [new, new] for result in results)


def test_pack_killed_anywhere(made: Made, tmp_path: Path) -> None:
    """Killed at any step, the file is the earlier one or the new one; what is left over goes with the next one."""
    (tmp_path / "before" / "out").mkdir(parents=True)
    out = tmp_path / "before" / "out" / "it.igpack"
    out.write_bytes(b"earlier")
    pack(made.folder, tmp_path / "expected")
    expected = (tmp_path / "expected").read_bytes()
    results = killed_everywhere("pack", tmp_path / "before", made.folder)
    new, old = [expected.hex()[:64], len(expected)], [b"earlier".hex(), 7]
    assert len(results) > 15
    found = [result[1] for result in results]
    turned = found.index(new)
    assert found == [old] * turned + [new] * (len(found) - turned)
    assert all(result[2] == new for result in results)


# What opening costs is not packing's: the index of what is no index is not looked at.
_MEASURE = """
import re, sys
from pathlib import Path
from ingest_guard.blocklist.build import activate
from ingest_guard.blocklist.transfer import unpack as unpacks
from ingest_guard.blocklist.transfer.pack import pack
import cryptography.hazmat.primitives.asymmetric.ed25519, pyrage
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
if sys.argv[1] == "pack":
    at_rest = peak()
    pack(sys.argv[2], sys.argv[3], recipients=sys.argv[4:])
else:
    activate.load = lambda path: None
    at_rest = peak()
    unpacks.unpack(sys.argv[2], sys.argv[3], identities=sys.argv[4] if sys.argv[4:] else None)
print(at_rest, peak())
"""


def growth(*arguments: object) -> float:
    """Return by how many MiB the peak memory of a process grew by packing or unpacking."""
    command = [sys.executable, "-c", _MEASURE, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    at_rest, peak = map(int, done.stdout.split())
    return (peak - at_rest) / 1024


@pytest.mark.parametrize("encrypted", [False, True])
def test_memory(made: Made, tmp_path: Path, *, encrypted: bool) -> None:
    """A version of 100 MB is packed and unpacked within a few MiB more than the programs have at rest."""
    manifest, files = contents(made.version_folder)
    big = os.urandom(1 << 20) * 100
    files["pdq.hashes.npy"] = big
    entry = {"size": len(big), "sha256": hashlib.sha256(big).hexdigest()}
    data = edited(manifest, lambda document: document["files"]["pdq.hashes.npy"].update(entry))
    version = tmp_path / "big" / hashlib.sha256(data).hexdigest()
    version.mkdir(parents=True)
    for name, content in {**files, "manifest.json": data}.items():
        (version / name).write_bytes(content)
    out, age = tmp_path / "big.igpack", tmp_path / "age"
    recipients = [encryption.write_identity(age)[1]] if encrypted else []
    assert growth("pack", version, out, *recipients) < 16
    assert out.stat().st_size > len(big)
    if not encrypted:
        assert out.stat().st_size == len(by_hand(data, files))
    # The new version is verified once more as crawls do, through a map, whose pages count only where they are read.
    assert growth("unpack", out, tmp_path / "there", *([age] if encrypted else [])) < 16
    assert (tmp_path / "there" / "versions" / version.name / "pdq.hashes.npy").stat().st_size == len(big)
