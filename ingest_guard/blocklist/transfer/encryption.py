"""Packs that only some can open: the age format (age-encryption.org/v1), by pyrage, streamed in constant memory."""

import io
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

from ingest_guard._clock import now
from ingest_guard.errors import BlocklistError
from ingest_guard.signing.keys import read_private, read_public, write_pair

MAGIC = b"age-encryption.org/v1\n"

_BLOCK = 1 << 18


def write_identity(path: Path | str) -> tuple[Path, str]:
    """Make an age identity: the secret in `path` (mode 0600), the recipient in ``<path>.pub``.

    Returns
    -------
    path of the file with the recipient, the recipient (``age1...``)

    Raises
    ------
    BlocklistError
        pyrage is missing, or a file exists already or cannot be written.
    """
    identity = _pyrage().x25519.Identity.generate()
    recipient = str(identity.to_public())
    text = f"# created: {now()}\n# public key: {recipient}\n{identity}\n"
    return write_pair(Path(path), text.encode(), recipient), recipient


def read_recipients(path: Path | str) -> list[str]:
    """Return the recipients in a file: one on each line; empty lines and those that begin with ``#`` do not count.

    Raises
    ------
    BlocklistError
        It cannot be read, is writable by others, or names no recipient.
    """
    found = _lines(read_public(path))
    if not found:
        raise BlocklistError(f"{path} names no recipient; write one on each line, each beginning with age1")
    return found


def encrypt(source: io.BufferedIOBase, target: BinaryIO, recipients: Sequence[str]) -> None:
    """Encrypt everything that `source` has to each of the recipients (``age1...``), 64 KiB at a time.

    Raises
    ------
    BlocklistError
        pyrage is missing, or a recipient is malformed. Whatever reading and writing raise is raised too.
    """
    pyrage = _pyrage()
    try:
        parsed = [pyrage.x25519.Recipient.from_str(text) for text in recipients]
    except pyrage.RecipientError:
        raise BlocklistError(
            "one of the recipients is not an age recipient: expected age1 and 58 more characters, as "
            "ingest-guard blocklist keygen --age FILE writes them to FILE.pub"
        ) from None
    both = _Remembering(source, target)
    try:
        pyrage.encrypt_io(both, both, parsed)
    except pyrage.EncryptError as error:
        raise both.error or BlocklistError(f"the pack could not be encrypted: {error}") from None
    # pyrage says nothing when its last write fails: the file would lack its end.
    if both.error is not None:
        raise both.error


@contextmanager
def decrypted(source: BinaryIO, identities: Path | str, where: str) -> Iterator[BinaryIO]:
    """Decrypt `source` with the identities in a file; yield a stream of what is inside.

    A reader that gets to the end of the stream without an error has read all of it, unchanged.

    Raises
    ------
    BlocklistError
        pyrage is missing, no usable identity; while reading: none of them fits, or the file is damaged or cut off.
    """
    pyrage = _pyrage()
    lines = _lines(read_private(identities).decode("ascii", "replace"))
    try:
        parsed = [pyrage.x25519.Identity.from_str(line) for line in lines]
    except pyrage.IdentityError:
        parsed = []
    if not parsed:
        raise BlocklistError(
            f"{identities} holds no age identity, or something else too; expected lines that begin with "
            "AGE-SECRET-KEY-1, as ingest-guard blocklist keygen --age FILE writes them"
        )
    with closing(_Decryption(pyrage, source, parsed, where)) as raw:
        yield io.BufferedReader(raw, _BLOCK)


class Blocks(io.RawIOBase):
    """Blocks as a file to read from."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        super().__init__()
        self._blocks = blocks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer from the next block; return how many bytes that were."""
        if not self._rest:
            self._rest = memoryview(next(self._blocks, b""))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size


class _Decryption(io.RawIOBase):
    """What comes out of pyrage, which pushes, for readers that pull: a thread and a pipe between them."""

    def __init__(self, pyrage: ModuleType, source: BinaryIO, identities: list[Any], where: str) -> None:
        super().__init__()
        self._pyrage = pyrage
        self._where = where
        self._error: Exception | None = None
        self._read_end, self._write_end = os.pipe()
        self._thread = threading.Thread(target=self._run, args=(source, identities), name="age", daemon=True)
        self._thread.start()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        size = os.readv(self._read_end, [buffer])
        if not size and len(buffer):
            # The end of the pipe is not yet the end of the data: only a decryption that went well says so.
            self._thread.join()
            if self._error is not None:
                raise self._explained(self._error)
        return size

    def close(self) -> None:
        if not self.closed:
            # The thread, if it still writes, gets a broken pipe and ends.
            os.close(self._read_end)
            self._thread.join()
        super().close()

    def _run(self, source: BinaryIO, identities: list[Any]) -> None:
        try:
            self._pyrage.decrypt_io(source, _PipeWriter(self._write_end), identities)
        except Exception as error:  # noqa: BLE001 - raised in the thread that reads
            self._error = error
        finally:
            os.close(self._write_end)

    def _explained(self, error: Exception) -> BlocklistError:
        if isinstance(error, self._pyrage.DecryptError):
            return BlocklistError(
                f"{self._where} cannot be decrypted: it is for other recipients than the identities given, or its "
                "beginning is damaged; check --identity, or get the file again"
            )
        return BlocklistError(f"{self._where} is damaged or cut off: its encryption does not add up; get it again")


class _PipeWriter:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


class _Remembering:
    """Reads or writes, and keeps what that raised: pyrage hands on no more than its text."""

    def __init__(self, source: io.BufferedIOBase, target: BinaryIO) -> None:
        self._source = source
        self._target = target
        self.error: Exception | None = None

    def read(self, size: int = -1) -> bytes:
        try:
            return self._source.read(size)
        except Exception as error:
            self.error = error
            raise

    def write(self, data: bytes) -> int:
        try:
            return self._target.write(data)
        except Exception as error:
            self.error = error
            raise

    def flush(self) -> None:
        """Leave that to the one who opened the target."""


def _lines(text: str) -> list[str]:
    return [line for raw in text.splitlines() if (line := raw.strip()) and not line.startswith("#")]


def _pyrage() -> ModuleType:
    try:
        import pyrage  # noqa: PLC0415 - an extra
    except ImportError:
        raise BlocklistError(
            "encrypted packs need pyrage, which is not installed: pip install 'ingest-guard[incidents]'"
        ) from None
    module: ModuleType = pyrage
    return module
