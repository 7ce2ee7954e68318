"""Files of lines that are not for publication: tombstones, and candidates of a search for neighbours.

Each is JSON Lines, readable for its owner alone, sealed where recipients are named, never written over, and lies
outside of the data.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ingest_guard.errors import BlocklistError, DatasetError, PolicyError
from ingest_guard.files.atomic import remove_abandoned, whole_file

_MODE = 0o600


def write_lines(
    path: Path, lines: Iterable[Mapping[str, Any]], recipients: Sequence[str], *, what: str, then: str = ""
) -> Path:
    """Write a file of JSON Lines; it is on disk when this returns.

    Parameters
    ----------
    path
        The file; it must not exist.
    lines
        Its lines; the first one says what the file is.
    recipients
        age recipients (``age1...``) who may open it; none: it is not sealed.
    what
        What the lines are, for error texts.
    then
        What a failure means, for error texts.

    Raises
    ------
    DatasetError
        It cannot be written.
    """
    encoded = ((json.dumps(line) + "\n").encode() for line in lines)
    try:
        with whole_file(path, _MODE, replace=False) as file:
            if recipients:
                from ingest_guard.blocklist.transfer import encryption  # noqa: PLC0415 - pyrage is an extra

                encryption.encrypt(io.BufferedReader(encryption.Blocks(encoded)), file, recipients)
            else:
                file.writelines(encoded)
    except (OSError, BlocklistError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise DatasetError(f"{path}: the {what} cannot be written ({why}){then}") from None
    return path


@contextmanager
def open_lines(path: Path, identity: Path | None, *, what: str) -> Iterator[BinaryIO]:
    """Open such a file, sealed or not.

    Parameters
    ----------
    path
        The file.
    identity
        The file with the age identity that opens it; not needed where it is not sealed.
    what
        What the lines are, for error texts.

    Raises
    ------
    PolicyError
        It is sealed, and no identity is named; or it cannot be read.
    BlocklistError
        The identity does not open it.
    """
    from ingest_guard.blocklist.transfer import encryption  # noqa: PLC0415 - pyrage is an extra

    try:
        file = path.open("rb")
    except OSError as error:
        raise PolicyError(f"{path} cannot be read: {error.strerror}") from None
    with file:
        if not file.peek(len(encryption.MAGIC)).startswith(encryption.MAGIC):
            yield file
            return
        if identity is None:
            raise PolicyError(f"the {what} are sealed; name the identity that opens them: --identity FILE")
        with encryption.decrypted(file, identity, str(path)) as opened:
            yield opened


def require_recipients(recipients: Sequence[str]) -> None:
    """Seal nothing to recipients, so that a wrong one is found before the work; BlocklistError."""
    if recipients:
        from ingest_guard.blocklist.transfer import encryption  # noqa: PLC0415 - pyrage is an extra

        encryption.encrypt(io.BytesIO(), io.BytesIO(), recipients)


def refuse_inside(option: str, path: Path, *folders: Path, what: str) -> None:
    """Raise PolicyError where such a file would lie among the records, or over another file."""
    where = path.absolute().parent.resolve()
    for folder in folders:
        if folder.resolve() in (where, *where.parents):
            raise PolicyError(
                f"{option} {path}: {what} are not for publication, and this lies in {folder}; choose a place outside "
                "of the records"
            )
    if os.path.lexists(path):
        # A run that was killed right after it gave the file its name has left a second, hidden one.
        remove_abandoned(path)
        raise PolicyError(f"{option} {path} exists; {what} are never written over: choose a new name")
