from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from ingest_guard.workers import sandbox

SANDBOX = """
import errno, json, os, resource, socket, sys
from ingest_guard.workers import sandbox
target = sys.argv[1]
found = {"in_force": sandbox.enter(64 << 20)}
def attempt(name, action):
    try:
        action()
        found[name] = "done"
    except OSError as error:
        found[name] = errno.errorcode.get(error.errno, "?")
    except MemoryError:
        found[name] = "MemoryError"
attempt("read", lambda: open("/etc/passwd").read())
attempt("write", lambda: open(target, "w"))
attempt("symlink", lambda: os.symlink("/etc", target))
attempt("directory", lambda: os.mkdir(target))
attempt("socket", lambda: socket.create_connection(("127.0.0.1", 9)))
attempt("large", lambda: bytearray(128 << 20))
attempt("small", lambda: bytearray(1 << 20))
attempt("child", lambda: os.execv("/bin/true", ["true"]))
found["core"] = resource.getrlimit(resource.RLIMIT_CORE)
found["file size"] = resource.getrlimit(resource.RLIMIT_FSIZE)
print(json.dumps(found))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is made of Linux's own means")
def test_the_sandbox_takes_files_sockets_and_memory_away(tmp_path: object) -> None:
    """After entering, nothing can be opened, made or connected to, and memory is bounded."""
    target = f"{tmp_path}/made-by-a-worker"
    done = subprocess.run([sys.executable, "-c", SANDBOX, target], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert {"no_new_privs", "not_dumpable", "rlimit_fsize", "rlimit_data", "rlimit_nofile"} <= set(found["in_force"])
    for action in ("read", "write", "socket"):
        assert found[action] in ("EACCES", "EMFILE", "EPERM"), action
    if "landlock" in found["in_force"]:
        assert {found[action] for action in ("symlink", "directory", "child")} == {"EACCES"}
    assert found["large"] == "MemoryError"
    assert found["small"] == "done"
    assert found["core"] == found["file size"] == [0, 0]
    assert not os.path.lexists(target)


def test_a_worker_without_its_parent_leaves() -> None:
    """A process whose parent is not the one that it was told does not go on."""
    with pytest.raises(SystemExit):
        sandbox.die_with_parent(os.getpid())
