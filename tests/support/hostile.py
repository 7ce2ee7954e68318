"""A hasher plug-in that does to its process what the width of a picture says, installed as a package in a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = '''
"""A hasher that does to its process what the width of the picture says."""
import ctypes, os, time
from ingest_guard.hashing.registry import Algorithm

class Hostile:
    algorithm = Algorithm("hostile", 8, "bits", "hamming", 4)

    def hash(self, source):
        width = source.luma.shape[1]
        if width == 101:
            ctypes.string_at(0)
        if width == 102:
            while True:
                pass
        if width == 103:
            held = []
            while True:
                held.append(bytearray(1 << 24))
        if width == 104:
            raise ValueError("no")
        if width == 105:
            os._exit(0)
        if width == 108:
            time.sleep(1)
        if width == 106:
            open("/tmp/a-worker-must-not-write-this", "w").write("x")
        if width == 107:
            open("/etc/hostname").read()
        return [bytes(8)]
'''


def install(folder: Path) -> None:
    """Install the hasher ``hostile`` into a folder that is on the module search path."""
    info = folder / "hostile_hasher-1.dist-info"
    info.mkdir(parents=True)
    (folder / "hostile_hasher.py").write_text(HOSTILE)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hostile-hasher\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[ingest_guard.hashers]\nhostile = hostile_hasher:Hostile\n")


PAGE_FAULTS = '''
"""In the process that workers come from: a page reader that does to its process what a page says."""
import ctypes, os, sys
from ingest_guard.guard import page_reading
from ingest_guard.hashing.registry import Algorithm

class Faults:
    algorithm = Algorithm("page_faults", 8, "bits", "hamming", 4)

    def hash(self, source):
        return [bytes(8)]

def deep():
    return deep()

def reading(text, **options):
    if text == b"<p>exit":
        os._exit(0)
    if text == b"<p>segfault":
        ctypes.string_at(0)
    if text == b"<p>raise":
        raise ValueError("no")
    if text == b"<p>deep":
        deep()
    while text == b"<p>loop":
        pass
    held = []
    while text == b"<p>memory":
        held.append(bytearray(1 << 24))
    return read_page(text, **options)

# The nursery is started with "-c", and nothing else here is.
if sys.argv[0] == "-c":
    read_page, page_reading.read_page = page_reading.read_page, reading
'''


def install_page_faults(folder: Path) -> None:
    """Install the hasher ``page-faults``, which puts a reader of texts in that fails as a text says."""
    info = folder / "page_faults-1.dist-info"
    info.mkdir(parents=True)
    (folder / "page_faults.py").write_text(PAGE_FAULTS)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: page-faults\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[ingest_guard.hashers]\npage_faults = page_faults:Faults\n")
