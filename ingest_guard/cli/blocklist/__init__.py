"""``ingest-guard blocklist ...``: build blocklists, look at them, move them; one module a command."""

from __future__ import annotations

from importlib import import_module

import click

_ROOM = "ingest_guard.cli"
_COMMANDS = {
    "audit": f"{_ROOM}.blocklist.audit:audit_command",
    "build": f"{_ROOM}.blocklist.build:build_command",
    "compact": f"{_ROOM}.blocklist.compact:compact_command",
    "diff": f"{_ROOM}.blocklist.diff:diff_command",
    "fetch": f"{_ROOM}.fetch:fetch_command",
    "info": f"{_ROOM}.blocklist.info:info_command",
    "keygen": f"{_ROOM}.pack:keygen_command",
    "pack": f"{_ROOM}.pack:pack_command",
    "sign": f"{_ROOM}.pack:sign_command",
    "unpack": f"{_ROOM}.pack:unpack_command",
    "update": f"{_ROOM}.blocklist.update:update_command",
    "verify": f"{_ROOM}.blocklist.info:verify_command",
}


class _Lazy(click.Group):
    """Imports a command's module when it is asked for: ``verify`` needs neither clients nor cryptography."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name].split(":")
        command: click.Command = getattr(import_module(module), name)
        return command


@click.group("blocklist", cls=_Lazy)
def command() -> None:
    """Build blocklists from the lists that you hold, look at them, and move them."""
