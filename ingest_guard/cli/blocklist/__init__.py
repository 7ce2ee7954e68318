"""``ingest-guard blocklist ...``: build blocklists, look at them, move them."""

import click

from ingest_guard.cli.main import LazyGroup

_HERE = "ingest_guard.cli.blocklist"
_COMMANDS = {
    "audit": f"{_HERE}.audit:audit_command",
    "build": f"{_HERE}.build:build_command",
    "compact": f"{_HERE}.update:compact_command",
    "diff": f"{_HERE}.info:diff_command",
    "fetch": f"{_HERE}.fetch:fetch_command",
    "info": f"{_HERE}.info:info_command",
    "keygen": f"{_HERE}.pack:keygen_command",
    "pack": f"{_HERE}.pack:pack_command",
    "sign": f"{_HERE}.pack:sign_command",
    "unpack": f"{_HERE}.pack:unpack_command",
    "update": f"{_HERE}.update:update_command",
    "verify": f"{_HERE}.info:verify_command",
}


@click.group("blocklist", cls=LazyGroup, commands_at=_COMMANDS)
def command() -> None:
    """Build blocklists from the lists that you hold, look at them, and move them."""
