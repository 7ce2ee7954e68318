"""The control: flagged bodies planted on purpose, one in each encoding, which the search must find."""

from __future__ import annotations

import base64
import bz2
import contextlib
import gzip
import hashlib
import json
import lzma
import pickle
import sqlite3
import sys
import zlib
from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_NOISE = b"2026-01-01 00:00:00 [scrapy.core.engine] DEBUG: Crawled (200) <GET http://127.0.0.1/gallery/> "


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(body) + packer.flush()


def _digest(algorithm: str) -> Callable[[bytes], bytes]:
    def write(body: bytes) -> bytes:
        return _NOISE + hashlib.new(algorithm, body, usedforsecurity=False).hexdigest().encode() + b"\n"

    return write


def _middle(body: bytes) -> bytes:
    """Return a part from the middle, among other things, of a length that must be found wherever it starts."""
    middle = len(body) // 2 + 5
    return _NOISE + body[middle : middle + 96] + _NOISE


_PLANTS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": bytes,
    "a part of it": _middle,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "raw deflate": _raw_deflate,
    "br": lambda body: bytes(brotli.compress(body)),
    "zstd": zstd.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "gzip, cut off": lambda body: gzip.compress(body)[: len(body) // 2],
    "base64": base64.b64encode,
    "base64 in lines": base64.encodebytes,
    "base64 for URLs": lambda body: _NOISE + base64.urlsafe_b64encode(body).rstrip(b"="),
    "data: URL": lambda body: b'{"url": "data:image/jpeg;base64,' + base64.b64encode(body) + b'"}',
    "percent": lambda body: b"data:," + quote_from_bytes(body).encode(),
    "hex": lambda body: _NOISE + body.hex().encode(),
    "repr": lambda body: _NOISE + repr(body).encode(),
    "JSON": lambda body: json.dumps({"body": body.decode("latin-1")}).encode(),
    "latin-1": lambda body: body.decode("latin-1").encode(),
    "pickle 0": lambda body: pickle.dumps({"body": body}, 0),
    "pickle 2": lambda body: pickle.dumps({"body": body}, 2),
    "pickle of br": lambda body: _NOISE + pickle.dumps({"body": bytes(brotli.compress(body))}, 4),
    "gzip of base64": lambda body: gzip.compress(base64.b64encode(body)),
    "base64 of zstd": lambda body: base64.b64encode(zstd.compress(body)),
    "md5": _digest("md5"),
    "sha1": _digest("sha1"),
    "sha256": _digest("sha256"),
}
_DATABASE, _FILE_NAME = "a database", "a file's name"
PLANTED = (*_PLANTS, _DATABASE, _FILE_NAME)
"""Every kind of control trace."""


def plant(folder: Path, bodies: Mapping[str, bytes]) -> dict[str, Path]:
    """Plant one trace of each kind, from a different body each as far as there are.

    Returns
    -------
    dict
        Kind, one of ``PLANTED`` -> the file that holds it.
    """
    folder.mkdir(parents=True)
    supply = [body for body in bodies.values() if len(body) >= 1 << 10]
    planted = {}
    for number, kind in enumerate(PLANTED):
        body = supply[number % len(supply)]
        file = folder / f"control-{number:02}"
        if kind == _DATABASE:
            _write_database(file, gzip.compress(body))
        elif kind == _FILE_NAME:
            file = folder / f"{hashlib.sha1(body, usedforsecurity=False).hexdigest()}.jpg"
            file.touch()
        else:
            file.write_bytes(_PLANTS[kind](body))
        planted[kind] = file
    return planted


def _write_database(file: Path, value: bytes) -> None:
    with contextlib.closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE queue (id INTEGER PRIMARY KEY, item BLOB)")
        database.execute("INSERT INTO queue (item) VALUES (?)", (value,))
