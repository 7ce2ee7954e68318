"""What a policy says of opt-outs: which wishes of those who publish are heeded. All of them are, by default."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from ingest_guard.policy.lists import Section
from ingest_guard.policy.units import Span  # noqa: TC001 - pydantic reads the annotations

Agent = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9._-]{0,63}$")]


class OptOutPolicy(Section):
    """Which opt-outs keep an image out of the records.

    Each switch has the name under which the statistics count it (``opted_out/REASON``). ``robots_txt`` is what the
    add-on makes of a project that says nothing of ``ROBOTSTXT_OBEY``. ``agents`` are names, beside the crawler's own,
    that count as addressed to it; ``tdm_wait`` bounds how long an image waits for its host's ``tdmrep.json``.
    """

    robots_txt: bool = True
    noai: bool = True
    noimageai: bool = True
    noml: bool = True
    noindex: bool = True
    noimageindex: bool = True
    unavailable_after: bool = True
    tdm_reservation: bool = True
    tdm_file: bool = True
    agents: tuple[Agent, ...] = ()
    tdm_wait: Span = timedelta(seconds=30)
