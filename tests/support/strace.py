"""A program watched from outside: what each of its processes handed to the kernel to write, as strace saw it."""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.traces import Needles, Trace, traces_in

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 1 << 26
"""Bytes of a buffer that are shown; one that is longer is told as cut off."""

_WRITING = ("write", "pwrite64", "writev", "pwritev", "pwritev2")
# These move bytes to a file without showing them, or make a file that has no name.
_BLIND = ("sendfile", "copy_file_range", "splice", "vmsplice", "io_uring_setup", "memfd_create", "process_vm_writev")
# Their texts end up on a disk, as names and attributes.
_NAMING = (
    *("openat", "open", "creat", "mkdir", "mkdirat", "rename", "renameat", "renameat2", "link", "linkat"),
    *("symlink", "symlinkat", "mknod", "mknodat", "setxattr", "fsetxattr", "lsetxattr"),
)
_CALL = re.compile(r"(?:\d+ +)?(\w+)\((.*)")
_TARGET = re.compile(r"-?\d+<([^>]*)>")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"(\.\.\.)?')
_ESCAPE = re.compile(r"\\x([0-9a-f]{2})")
# Pipes and sockets are no files: what goes through them is written by whoever reads it, or not at all.
_NO_FILE = re.compile(
    r"(socket|pipe|anon_inode|TCP|UDP|UNIX|NETLINK|TCPv6|UDPv6|UNIX-STREAM)\b.*|/dev/(null|tty|pts/\d+)"
)


def command(log: Path) -> list[str]:
    """Return what to put before a program's command; the test is skipped where strace is missing.

    The program's own buffers are shown whole and in hexadecimal, so that nothing of them is left to interpretation.
    """
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed; install it with: apt-get install strace")
    calls = ",".join(f"?{name}" for name in (*_WRITING, *_BLIND, *_NAMING, "mmap"))
    watched = ("-f", "-q", "-y", "-xx", "-s", str(LONGEST), "-e", f"trace={calls}", "-e", "signal=none")
    return ["strace", *watched, "-o", str(log)]


@dataclass
class Observed:
    """What was seen.

    Attributes
    ----------
    files
        Path -> all that was written, or meant to be written, to it; in the order of the calls.
    names
        Texts that became names or attributes of files.
    cut_off
        Calls whose buffers were not shown whole: what they wrote is unknown.
    blind
        Calls that move bytes to a file unseen.
    mapped
        Files that were mapped shared and writable: what is put there is not seen.
    processes
        How many processes and threads made such calls.
    """

    files: dict[str, bytearray] = field(default_factory=lambda: defaultdict(bytearray))
    names: set[str] = field(default_factory=set)
    cut_off: list[str] = field(default_factory=list)
    blind: list[str] = field(default_factory=list)
    mapped: list[str] = field(default_factory=list)
    processes: int = 0

    def traces(self, needles: Needles) -> list[Trace]:
        """Search everything for flagged bodies, in any encoding."""
        found = {trace for path, data in self.files.items() for trace in traces_in(bytes(data), needles, Path(path))}
        for name in self.names:
            found.update(traces_in(name.encode(), needles, Path(name)))
        return sorted(found)


def observed(log: Path) -> Observed:
    """Read what strace wrote."""
    seen, processes = Observed(), set()
    for line in _lines(log):
        if (call := _CALL.match(line)) is None:
            continue
        name, arguments = call.groups()
        processes.add(line.partition(" ")[0])
        if name in _WRITING:
            _note_write(name, arguments, seen)
        elif name in _BLIND:
            seen.blind.append(f"{name}: {' '.join(_unescaped(t).decode() for t in _TARGET.findall(arguments))}")
        elif name == "mmap":
            if "MAP_SHARED" in arguments and "PROT_WRITE" in arguments and (target := _TARGET.search(arguments)):
                seen.mapped.append(_unescaped(target[1]).decode())
        elif name in _NAMING:
            seen.names.update(_unescaped(text).decode("utf-8", "replace") for text, _ in _TEXT.findall(arguments))
    seen.processes = len(processes)
    return seen


def _note_write(name: str, arguments: str, seen: Observed) -> None:
    target = _TARGET.match(arguments)
    path = _unescaped(target[1]).decode("utf-8", "replace") if target else "?"
    if _NO_FILE.fullmatch(path):
        return
    texts = _TEXT.findall(arguments[target.end() if target else 0 :])
    if any(cut for _, cut in texts) or not texts:
        seen.cut_off.append(f"{name} {path}")
    for text, _ in texts:
        seen.files[path] += _unescaped(text)


def _unescaped(text: str) -> bytes:
    if "\\x" not in text:
        return text.encode()
    if len(text) % 4 == 0 and text.count("\\x") * 4 == len(text):
        return bytes.fromhex(text.replace("\\x", ""))
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text).encode("latin-1", "replace")


def _lines(log: Path) -> Iterator[str]:
    with log.open(encoding="ascii", errors="replace") as file:
        yield from file
