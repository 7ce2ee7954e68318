"""Who reports: a short YAML file of the officer's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationError

from ingest_guard._yaml import YAMLProblem, describe_errors, load_with_lines
from ingest_guard.errors import PolicyError
from ingest_guard.incidents.reports.values import LONGEST_ADDRESS, address_problem
from ingest_guard.policy.units import Section

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(?:\.[^@\s.]+)+")


def _is_printable(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise ValueError("expected a text on one line, without control characters or white space around it")
    return value


def _is_email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise ValueError("expected an e-mail address")
    return value


def _is_address(value: str) -> str:
    if problem := address_problem(value, longest=None):
        raise ValueError(f"expected an address that begins with http:// or https:// ({problem})")
    return value


_Text = Annotated[str, Field(min_length=1, max_length=3000), AfterValidator(_is_printable)]
_Name = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_is_printable)]


class Reporter(Section):
    """Who reports; only the e-mail address has to be there."""

    email: Annotated[str, Field(max_length=254), AfterValidator(_is_printable), AfterValidator(_is_email)]
    first_name: _Name | None = None
    last_name: _Name | None = None
    company: _Text | None = None
    terms_of_service: _Text | None = None
    legal_url: Annotated[str, Field(max_length=LONGEST_ADDRESS), AfterValidator(_is_address)] | None = None


class ReporterError(PolicyError):
    """The file of the reporter cannot be read, or a key or value in it is wrong."""


def read_reporter(path: Path) -> Reporter:
    """Read the file.

    Raises
    ------
    ReporterError
        With the line and the key of what is wrong, never a value.
    """
    try:
        content, lines = load_with_lines(path)
    except OSError as error:
        raise ReporterError(f"{path}: the reporter cannot be read: {error.strerror}") from None
    except YAMLProblem as error:
        raise ReporterError(f"{path}: {error}") from None
    try:
        return Reporter.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(describe_errors(error, lines))
        raise ReporterError(f"{path}: {problems}") from None
