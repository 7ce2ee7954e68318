"""The two files that hosts are asked for: ``/.well-known/tdmrep.json``, and ``/ai.txt`` where the policy says so."""

from __future__ import annotations

from hashlib import sha256

from ingest_guard.dataset.optouts import ai_txt, tdmrep
from ingest_guard.scrapy_plugin.images.host_files import HostFiles


class TdmFiles(HostFiles[tdmrep.TdmFile]):
    """Of the TDM Reservation Protocol: of pages and images."""

    path = tdmrep.WELL_KNOWN
    accept = "application/json,*/*;q=0.5"
    statistic = "tdm_files"
    nothing = tdmrep.NO_FILE

    def parse(self, body: bytes) -> tdmrep.TdmFile | None:
        """Return the rules of a ``tdmrep.json``; None where it is none."""
        rules = tdmrep.parse_file(body)
        return None if rules is None else tdmrep.TdmFile(rules, sha256(body).hexdigest())


class AiFiles(HostFiles[ai_txt.AiFile]):
    """Of Spawning's ai.txt: of images alone."""

    path = ai_txt.PATH
    accept = "text/plain,*/*;q=0.5"
    statistic = "ai_files"
    nothing = ai_txt.NO_FILE

    def parse(self, body: bytes) -> ai_txt.AiFile | None:
        """Return the rules of an ``ai.txt`` for this crawler; None where the body is markup."""
        reader = self._state.signals
        return ai_txt.parse_file(body, reader.own_names, reader.names)
