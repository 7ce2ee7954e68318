"""What a worker gives up before it sees the first image. Linux only; each step is one that the kernel keeps.

After :func:`enter`, the process writes no file (``RLIMIT_FSIZE`` 0), opens none (``RLIMIT_NOFILE`` at what is open,
and a Landlock rule set without a single permission where the kernel has Landlock), leaves no core dump, cannot be read
by other processes of the same user, gets no new privileges, and dies with its parent. Memory for data is limited; the
mapped lists do not count, since ``RLIMIT_DATA`` counts private writable pages alone.
"""

import contextlib
import ctypes
import os
import resource
import signal
import struct
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_RESTRICT_SELF = 446
_LANDLOCK_CREATE_RULESET_VERSION = 1
# Access rights of each Landlock ABI, as one mask of all bits that it knows (landlock(7)).
_FS_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1}
_NEWEST_FS_RIGHTS = (1 << 16) - 1
_TCP_RIGHTS = 3
_ABI_WITH_TCP = 4


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when its parent's thread ends; leave at once if that has happened."""
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(0)


def hide() -> None:
    """Leave no core dump, and be closed to other processes of the same user; forks inherit both."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        _libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def enter(memory: int) -> list[str]:
    """Give everything up that scanning does not need.

    Parameters
    ----------
    memory
        Bytes of data that may be allocated from here on.

    Returns
    -------
    list of str
        What is in force now, for the worker's greeting.
    """
    in_force = []
    libc = _libc()
    data = _data_in_use() + memory  # read first: soon no file can be opened
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0:
        in_force.append("no_new_privs")
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0:
        in_force.append("not_dumpable")
    if _landlock(libc):
        in_force.append("landlock")
    for name, limit in (
        ("CORE", 0),
        ("FSIZE", 0),
        ("DATA", data),
        ("NOFILE", 0),
    ):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (limit, limit))
            in_force.append(f"rlimit_{name.lower()}")
    return in_force


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _landlock(libc: ctypes.CDLL) -> bool:
    """Handle every file system right (and TCP, where known) and grant none."""
    abi = libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_CREATE_RULESET_VERSION)
    if abi < 1:
        return False
    rights = [_FS_RIGHTS.get(abi, _NEWEST_FS_RIGHTS)]
    if abi >= _ABI_WITH_TCP:
        rights.append(_TCP_RIGHTS)
    attributes = struct.pack(f"={len(rights)}Q", *rights)
    ruleset = libc.syscall(_LANDLOCK_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return False
    try:
        return bool(libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _data_in_use() -> int:
    """Bytes that count against RLIMIT_DATA by now."""
    with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - one line of a kernel file
        for line in status:
            if line.startswith("VmData:"):
                return int(line.split()[1]) * 1024
    return 0
