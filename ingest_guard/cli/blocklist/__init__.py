"""``ingest-guard blocklist ...``: build blocklists, look at them, move them."""

import click

from ingest_guard.cli.main import LazyGroup

_HERE = "ingest_guard.cli.blocklist"
_COMMANDS = {
    "audit": (f"{_HERE}.audit:audit_command", "Open the blocklist of a policy, and show what of it counts"),
    "build": (f"{_HERE}.build:build_command", "Make a new version from list files"),
    "compact": (f"{_HERE}.update:compact_command", "Make one base of the base and its updates"),
    "diff": (f"{_HERE}.info:diff_command", "Show how two blocklists or versions differ"),
    "fetch": (f"{_HERE}.fetch:fetch_command", "Fetch what is new at the sources of lists"),
    "info": (f"{_HERE}.info:info_command", "Verify a blocklist, and show what it holds"),
    "keygen": (f"{_HERE}.pack:keygen_command", "Make keys for packs or signatures"),
    "pack": (f"{_HERE}.pack:pack_command", "Write the current version into one file"),
    "sign": (f"{_HERE}.pack:sign_command", "Verify the current version, and sign it"),
    "unpack": (f"{_HERE}.pack:unpack_command", "Verify a pack, and put its version into a folder"),
    "update": (f"{_HERE}.update:update_command", "Add what changed since the last build"),
    "verify": (f"{_HERE}.info:verify_command", "Verify every byte of a blocklist"),
}


@click.group("blocklist", cls=LazyGroup, commands_at=_COMMANDS)
def command() -> None:
    """Build blocklists from the lists that you hold, look at them, and move them."""
