"""``ingest-guard blocklist ...``: build blocklists, look at them, move them; one module a command."""

from __future__ import annotations

import click

from ingest_guard.cli.lazy import LazyGroup

_ROOM = "ingest_guard.cli"
_COMMANDS = {
    "audit": f"{_ROOM}.blocklist.audit:audit_command",
    "build": f"{_ROOM}.blocklist.build:build_command",
    "compact": f"{_ROOM}.blocklist.compact:compact_command",
    "diff": f"{_ROOM}.blocklist.diff:diff_command",
    "fetch": f"{_ROOM}.blocklist.fetch:fetch_command",
    "info": f"{_ROOM}.blocklist.info:info_command",
    "keygen": f"{_ROOM}.blocklist.pack:keygen_command",
    "pack": f"{_ROOM}.blocklist.pack:pack_command",
    "sign": f"{_ROOM}.blocklist.pack:sign_command",
    "unpack": f"{_ROOM}.blocklist.pack:unpack_command",
    "update": f"{_ROOM}.blocklist.update:update_command",
    "verify": f"{_ROOM}.blocklist.info:verify_command",
}


@click.group("blocklist", cls=LazyGroup, commands_at=_COMMANDS)
def command() -> None:
    """Build blocklists from the lists that you hold, look at them, and move them."""
