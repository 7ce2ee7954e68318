from __future__ import annotations

import base64
import gzip
import os
import random
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.traces import Needles, Trace, find_traces, traces_in, undo
from support.traces.control import PLANTED, plant

if TYPE_CHECKING:
    from demo.site import Site

_BODY = random.Random(7).randbytes(6000)
_OTHER = random.Random(8).randbytes(6000)
_SMALL = Needles({"secret": _BODY}, [_OTHER])


def test_every_kind_of_control_trace_is_found(site: Site, needles: Needles, tmp_path: Path) -> None:
    """A planted trace of each kind is found, in the file that holds it."""
    planted = plant(tmp_path / "control", site.dropped)
    found = {trace.file for trace in find_traces([tmp_path], needles)}
    assert set(planted) == set(PLANTED)
    assert [kind for kind, file in planted.items() if file not in found] == []


def test_what_may_be_kept_is_no_trace(site: Site, needles: Needles) -> None:
    """No body that may be kept counts as a trace of one that may not."""
    assert [trace for body in site.kept for trace in traces_in(body, needles, Path("kept"))] == []


def test_every_dropped_body_would_be_found(site: Site, needles: Needles) -> None:
    """Each dropped body leaves a trace where it is kept as it is, whatever it shares with harmless ones."""
    missed = [name for name, body in site.dropped.items() if not needles.find(gzip.decompress(gzip.compress(body)))]
    assert missed == []


@given(st.integers(0, 5900), st.integers(63, 100), st.binary(max_size=40))
def test_any_run_of_63_bytes_is_found(start: int, length: int, before: bytes) -> None:
    """Any 63 bytes of a flagged body are found, wherever they lie."""
    part = _BODY[start : start + length]
    if len(part) >= 63:
        assert {found.name for found in _SMALL.find(before + part + b"and more")} == {"secret"}


@settings(deadline=None)
@given(st.binary(max_size=4000))
def test_noise_is_no_trace(noise: bytes) -> None:
    """Bytes that have nothing to do with a flagged body give no trace, and no error, whatever they look like."""
    assert list(traces_in(noise, _SMALL, Path("noise"))) == []


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from(["gzip", "base64", "hex", "repr", "zlib"]), min_size=1, max_size=3))
def test_encodings_inside_encodings_are_undone(codings: list[str]) -> None:
    """Three encodings one inside the other are undone, in any order."""
    import zlib  # noqa: PLC0415 - used here alone

    data = _BODY[:800]
    steps = {
        "gzip": gzip.compress,
        "base64": base64.b64encode,
        "hex": lambda body: body.hex().encode(),
        "repr": lambda body: repr(body).encode(),
        "zlib": zlib.compress,
    }
    for coding in codings:
        data = steps[coding](data)
    assert {trace.name for trace in traces_in(data, _SMALL, Path("nested"))} == {"secret"}


def test_shared_blocks_prove_nothing() -> None:
    """What a flagged body has in common with a harmless one is no trace; the rest of it is."""
    shared = random.Random(9).randbytes(2000)
    needles = Needles({"secret": shared + _BODY}, [b"xyz" + shared])
    assert not needles.find(shared)
    assert needles.find(_BODY)


def test_blocks_with_little_in_them_prove_nothing() -> None:
    """Runs of equal bytes, which any file may have, are no trace."""
    needles = Needles({"blank": bytes(4000)})
    assert not needles.find(bytes(100_000))
    assert len(needles) == 3  # its digests


@pytest.mark.parametrize("shift", range(4))
def test_base64_is_found_behind_other_letters(shift: int) -> None:
    """Letters in front of a base64 run do not hide it."""
    text = b"a" * shift + base64.b64encode(_BODY)
    assert "base64" in {trace.how for trace in traces_in(text, _SMALL, Path("x"))}


def test_octal_escapes_are_undone() -> None:
    """Bytes escaped as a shell or a C compiler reads them are found."""
    text = "".join(f"\\{byte:03o}" for byte in _BODY[:200]).encode()
    assert [trace.how for trace in traces_in(text, _SMALL, Path("x"))] == ["escapes"]


def test_a_trace_names_file_body_and_way(tmp_path: Path) -> None:
    """A trace says in which file, of which body, what, and under which encodings; the shortest way is told."""
    file = tmp_path / "cache" / "entry"
    file.parent.mkdir()
    body = bytes(random.Random(10).choices(range(100, 140), k=3000))  # gzip would store bytes of more kinds as they are
    needles = Needles({"poster": body})
    file.write_bytes(gzip.compress(body))
    assert find_traces([tmp_path / "cache"], needles) == [Trace(file, "poster", "bytes", "gzip")]
    assert find_traces([file], needles) == [Trace(file, "poster", "bytes", "gzip")]


def test_a_long_stream_is_unpacked_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A decompression bomb is unpacked as far as the bound and no further."""
    monkeypatch.setattr(undo, "MOST", 1 << 20)
    sizes = [len(layer) for _how, layer in undo.layers(gzip.compress(bytes(64 << 20)))]
    assert 1 << 20 < max(sizes) < 8 << 20


def test_a_file_with_many_false_starts_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures without a stream behind them are tried a bounded number of times."""
    monkeypatch.setattr(undo, "_STREAM_TRIES", 3)
    assert list(traces_in(b"\x1f\x8b\x08 \x80\x04 " * 50, _SMALL, Path("x"))) == []


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A folder that does not exist raises: what was not searched is not clean."""
    with pytest.raises(FileNotFoundError):
        find_traces([tmp_path / "missing"], _SMALL)


def test_an_unreadable_folder_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder inside of the searched one that cannot be listed raises."""
    scan = os.scandir

    def refuse(path: str | Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "closed")
        return scan(path)

    (tmp_path / "closed").mkdir()
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError):
        find_traces([tmp_path], _SMALL)


def test_sockets_and_links_are_searched_by_name_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket is not opened and a link not followed."""
    outside = tmp_path / "outside"
    outside.write_bytes(_BODY)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(outside)
    monkeypatch.chdir(folder)  # the whole path may be too long for a socket's address
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        assert find_traces([folder], _SMALL) == []
