"""The newest version of a store that was in use here, remembered outside the store: none older takes its place.

A signature has no end. A store that is pointed back to an older version is whole, signed, and perhaps not older than
``max_age``; what was listed since would pass. So the policy's ``state`` folder has a file for each store, with the
newest version by each signer.

The file is not signed: a process that can write into the folder can also remove the file, and then this is a first
start. What counts is that the crawl can write there, and that those who can write into the store cannot. A file that
cannot be read is an error, never a first start.
"""

import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingest_guard.errors import BlocklistError
from ingest_guard.files.atomic import whole_file
from ingest_guard.files.safe import check_mode

UNSIGNED = "unsigned"
"""Stands for the signer of versions whose signatures the policy does not ask for."""

_LOCK = "blocklists.lock"
_MAX_BYTES = 1 << 20
_FILE_MODE = 0o600
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Seen(BaseModel):
    """A version that was in use, and when it was built (UTC)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    created: datetime

    def __str__(self) -> str:
        return f"{self.version[:12]} of {self.created:%Y-%m-%d %H:%M:%S} UTC"


class _Memory(BaseModel):
    """A file: which store it is about, and signer (64 hex digits) -> the newest version."""

    model_config = ConfigDict(extra="forbid")

    store: str
    newest: dict[Annotated[str, Field(pattern=rf"^([0-9a-f]{{64}}|{UNSIGNED})$")], Seen]


class Opened(NamedTuple):
    """A version that is to come into use, and the public keys of those who have signed it, in hex."""

    version: str
    created: datetime
    signers: tuple[str, ...] = ()


class NewestVersions:
    """What is remembered of one store.

    Parameters
    ----------
    folder
        The policy's ``state`` folder; it need not exist.
    store
        The folder of the store, as the policy names it.
    trusted
        The public keys of the signers that the policy trusts, in hex. What others have signed does not count. Without
        any, no signature is asked for.
    """

    def __init__(self, folder: Path, store: Path, trusted: Sequence[str] = ()) -> None:
        self._folder = folder
        self._trusted = tuple(trusted) or (UNSIGNED,)
        self._store = str(store.absolute())
        self.file = folder / f"newest-{hashlib.sha256(os.fsencode(self._store)).hexdigest()[:16]}.json"

    def newest(self) -> Seen | None:
        """Return the newest version by any trusted signer; None where none was in use yet.

        Raises
        ------
        BlocklistError
            What is remembered cannot be read.
        """
        known = self._read()
        found = [known[each] for each in self._trusted if each in known]
        return max(found, key=lambda seen: seen.created, default=None)

    def require_not_older(self, opened: Opened) -> None:
        """Refuse a version that was built before one that was in use here.

        Parameters
        ----------
        opened
            The version.

        Raises
        ------
        BlocklistError
            It is older, or what is remembered cannot be read.
        """
        newest = self.newest()
        if newest is not None and opened.created < newest.created:
            now = Seen(version=opened.version, created=opened.created)
            raise BlocklistError(
                f"{self._store}: version {now} is older than {newest}, which was in use here before; what was listed "
                "since would pass. Find out who pointed the store back, and build or unpack a newer version. To go "
                f"back on purpose, remove {self.file}"
            )

    def remember(self, opened: Opened, *, may_go_back: bool = False) -> None:
        """Refuse an older version than the newest one here; remember any other. Processes take turns.

        Parameters
        ----------
        opened
            The version.
        may_go_back
            Take an older version, and forget the newer ones.

        Raises
        ------
        BlocklistError
            It is older; what is remembered cannot be read; or the folder cannot be written to.
        """
        with self._locked():
            known = self._read()
            if may_go_back:
                known = {signer: seen for signer, seen in known.items() if seen.created <= opened.created}
            else:
                self.require_not_older(opened)
            seen = Seen(version=opened.version, created=opened.created)
            by = self._trusted if self._trusted == (UNSIGNED,) else set(opened.signers) & set(self._trusted)
            changed = {each: seen for each in by if known.get(each) != seen}
            if changed or may_go_back:
                self._write({**known, **changed})

    def require_writable(self) -> None:
        """Make sure that something can be remembered, without a trace.

        Raises
        ------
        BlocklistError
            The folder cannot be written to, or cannot be made.
        """
        existing = next((each for each in (self._folder, *self._folder.parents) if os.path.lexists(each)), Path("/"))
        if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
            raise self._unusable(f"{existing} cannot be written to")
        if existing == self._folder:
            check_mode(existing.stat(), str(existing))

    def _read(self) -> dict[str, Seen]:
        try:
            descriptor = os.open(self.file, _READ)
        except (FileNotFoundError, NotADirectoryError):  # the second: remembering fails, and says so
            return {}
        except OSError as error:
            raise self._damaged(error.strerror) from None
        try:
            status = os.fstat(descriptor)
            check_mode(status, str(self.file))
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_BYTES:
                raise self._damaged("it is no file of a few lines")
            memory = _Memory.model_validate_json(os.read(descriptor, _MAX_BYTES))
        except (OSError, ValidationError):
            raise self._damaged("it is not what a crawl has written there") from None
        finally:
            os.close(descriptor)
        if memory.store != self._store or any(seen.created.tzinfo is None for seen in memory.newest.values()):
            raise self._damaged("it is about another store, or says no time in UTC")
        return memory.newest

    def _write(self, newest: dict[str, Seen]) -> None:
        memory = _Memory(store=self._store, newest=newest)
        try:
            with whole_file(self.file, _FILE_MODE) as file:
                file.write(memory.model_dump_json(indent=1).encode() + b"\n")
        except OSError as error:
            raise self._unusable(f"{self.file} cannot be written ({error.strerror})") from None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            self.require_writable()
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(self._folder / _LOCK, flags, _FILE_MODE)
        except OSError as error:
            raise self._unusable(f"{self._folder} cannot be written to ({error.strerror})") from None
        try:
            # The kernel lets go of the lock when a process dies.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        except OSError as error:
            raise self._unusable(f"{self._folder / _LOCK} cannot be locked ({error.strerror})") from None
        finally:
            os.close(descriptor)

    def _unusable(self, why: str) -> BlocklistError:
        return BlocklistError(
            f"the newest version of the blocklist cannot be remembered: {why}. Name a folder that this user alone can "
            "write to (state: FOLDER in the policy), or do without, and accept that the store can be pointed back to "
            "an older version (state: none)"
        )

    def _damaged(self, why: str | None) -> BlocklistError:
        return BlocklistError(
            f"{self.file} cannot be read ({why}), so it is unknown which version of the blocklist was in use here. "
            f"Find out what happened to it, see that {self._store} has its newest version, then remove the file"
        )
