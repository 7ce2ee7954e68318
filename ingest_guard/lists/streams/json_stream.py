"""JSON of any size as a stream of small events, over ijson: in bounded memory, with errors that quote nothing.

What ijson says of a broken file holds a piece of it, so its errors are neither passed on nor chained.
"""

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from ingest_guard.errors import ListFormatError

CHUNK = 1 << 16
"""Bytes that are read at once."""
MAX_TOKEN = 8 << 20
"""Most bytes that may pass without an event: a parser keeps a text until it has its end, and memory has a bound."""

Events: TypeAlias = "list[tuple[str, Any]]"

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def events(path: Path, *, several: bool = False) -> Iterator[Events]:
    """Yield the events of a JSON file, some thousand at a time: ``(kind, value)`` as ijson's ``basic_parse`` has them.

    Parameters
    ----------
    path
        The file, in UTF-8 or, with a byte-order mark, UTF-16. Bytes that are no UTF-8 (in a file's name, say) become
        U+FFFD: a row must not stop the reading of a file.
    several
        Whether it may hold more than one value one after another, as JSON Lines does.

    Raises
    ------
    ListFormatError
        No ijson, or the file cannot be read, is no JSON, ends in its midst, or has a text, a number or white space of
        more than :data:`MAX_TOKEN`.
    """
    parser, out = _parser(path, several=several)
    offset = quiet = 0
    try:
        with path.open("rb") as file:
            for chunk in _utf8(file):
                offset += len(chunk)
                quiet += len(chunk)
                if not _feed(parser, chunk):
                    raise ListFormatError(
                        f"list file {path} is no sound JSON: the fault is between byte {offset - len(chunk):,} and "
                        f"{offset:,}; check that the format's name is right, and get the file again"
                    )
                if out:
                    quiet = 0
                    yield out
                    del out[:]
                elif quiet > MAX_TOKEN:
                    raise ListFormatError(
                        f"list file {path}: the {quiet:,} bytes before byte {offset:,} hold one text or blank, "
                        "longer than any that a list needs; remove it, or get the file again"
                    )
    except OSError as error:
        raise ListFormatError(f"list file {path} cannot be read: {error.strerror}; check the path") from error
    if not _feed(parser, b""):
        raise ListFormatError(
            f"list file {path} is cut off: it ends after {offset:,} bytes, inside its JSON; get it again, whole"
        )
    yield out


def _parser(path: Path, *, several: bool) -> tuple[Any, Events]:
    try:
        import ijson  # noqa: PLC0415 - an optional dependency
    except ImportError as error:
        raise ListFormatError(
            f"list file {path}: reading JSON lists needs ijson; pip install ingest-guard[lists]"
        ) from error
    out: Events = ijson.sendable_list()
    return ijson.basic_parse_coro(out, multiple_values=several), out


def _feed(parser: Any, chunk: bytes) -> bool:
    """Feed a parser, and return whether it took the chunk; an empty one is the end. No error leaves this function."""
    try:
        parser.send(chunk)
    except StopIteration:
        return not chunk
    # Its own errors, and those of Python that it lets through: a number of too many digits, for one.
    except Exception:  # noqa: BLE001 - whatever it is, the file is no JSON that we can read
        return False
    return True


def _utf8(file: BinaryIO) -> Iterator[bytes]:
    """Yield the file's text in UTF-8, whatever it was in."""
    # None of the pieces is empty: that would be the end.
    chunk = file.read(CHUNK)
    encoding = next((name for mark, name in _BOMS if chunk.startswith(mark)), "utf-8")
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    pending = encoding != "utf-8"
    while chunk:
        # Lists are ASCII for the most part, and that needs no decoding.
        if not pending and chunk.isascii():
            yield chunk
        else:
            # Lone halves of UTF-16 pairs have no UTF-8.
            if text := decoder.decode(chunk):
                yield text.encode("utf-8", "replace")
            pending = encoding.startswith("utf-16") or bool(decoder.getstate()[0])
        chunk = file.read(CHUNK)
    if rest := decoder.decode(b"", final=True):
        yield rest.encode("utf-8", "replace")
