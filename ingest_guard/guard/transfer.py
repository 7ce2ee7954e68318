"""A guard on its way into another process of the same crawl: packed into one message, and made again of it."""

import json
from pathlib import Path

from ingest_guard.blocklist.blocklist import Blocklist
from ingest_guard.errors import BlocklistError
from ingest_guard.guard.allow_list import AllowList
from ingest_guard.guard.guard import Guard
from ingest_guard.hashing.onnx import install
from ingest_guard.policy.policy import Policy


def pack_guard(guard: Guard, folder: Path) -> bytes:
    """Return one message with all that another process of the same crawl needs to make the same guard.

    It goes over a socket between the two and nowhere else: it may hold the key of a keyed list.

    Parameters
    ----------
    guard
        The guard of this process.
    folder
        Where its very version of the blocklist lies, or the store if that is a version's own folder.
    """
    policy = guard.policy.model_copy(update={"blocklist": folder})
    message = {
        "policy": policy.to_json(),
        "version": guard.version,
        "allowed": guard.allowed.to_json(),
        "key": None if guard.key is None else guard.key.hex(),
    }
    return json.dumps(message).encode()


def unpack_guard(message: bytes) -> Guard:
    """Make the guard that a message describes.

    Age, emptiness, signatures and the allow-list's files were checked by the sender; what counts here is that it is
    the very same version.

    Raises
    ------
    BlocklistError
        The blocklist cannot be opened, or is another version by now.
    """
    read = json.loads(message)
    policy = Policy.from_json(read["policy"])
    key = None if read["key"] is None else bytes.fromhex(read["key"])
    install(policy.encoders)
    blocklist = Blocklist.open(policy.blocklist, key=key, allow_empty=True)
    if blocklist.version != read["version"]:
        raise BlocklistError("the blocklist changed while a worker started; start the crawl again")
    return Guard(blocklist, policy, allowed=AllowList.from_json(read["allowed"]), key=key)
