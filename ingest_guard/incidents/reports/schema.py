"""The receiver's schema (XSD), which the officer has fetched: a report is made to fit it, or refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from lxml import etree

from ingest_guard.errors import PolicyError

_MOST_BYTES = 4 << 20
_XSD = "{http://www.w3.org/2001/XMLSchema}"
_FILE_BESIDE = re.compile(r"[\w-][\w.-]*")


class SchemaError(PolicyError):
    """The schema cannot be read, or a report cannot be made to fit it."""


class Schema:
    """A schema; nothing that it names is fetched.

    Parameters
    ----------
    path
        Of the file.

    Raises
    ------
    SchemaError
        It cannot be read, is no schema, or names files elsewhere.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
        except OSError as error:
            raise SchemaError(f"{path}: the schema cannot be read: {error.strerror}") from None
        if len(data) > _MOST_BYTES:
            raise SchemaError(f"{path} is longer than a schema can be ({_MOST_BYTES >> 20} MiB)")
        parser = etree.XMLParser(no_network=True, resolve_entities=False, load_dtd=False)
        try:
            root = etree.fromstring(data, parser, base_url=str(path.resolve()))
        except (etree.XMLSyntaxError, ValueError):
            raise SchemaError(f"{path} is not XML; fetch the schema anew") from None
        own = root.getroottree().docinfo.internalDTD
        if own is not None and any(True for _ in own.iterentities()):
            raise SchemaError(f"{path} declares entities, which are not read: fetch the schema anew")
        places = [each.get("schemaLocation", "") for each in root.iter(f"{_XSD}import", f"{_XSD}include")]
        places += [each.get("schemaLocation", "") for each in root.iter(f"{_XSD}redefine", f"{_XSD}override")]
        if any(place and not _FILE_BESIDE.fullmatch(place) for place in places):
            raise SchemaError(
                f"{path} names a file elsewhere, which is not fetched: put it beside, and correct the name"
            )
        try:
            self._schema = etree.XMLSchema(root)
        except etree.XMLSchemaParseError:
            raise SchemaError(f"{path} is XML, but no XML schema that can be used; fetch it anew") from None

    def faults(self, document: Any) -> list[Any]:
        """Return the elements of a document that do not fit, in its order; their parents where one is missing."""
        if self._schema.validate(document):
            return []
        found: list[Any] = []
        for error in self._schema.error_log:
            for node in document.xpath(error.path) if error.path else [document]:
                # An attribute comes as its text, which knows the element.
                element = node if etree.iselement(node) else node.getparent()
                if not any(element is each for each in found):
                    found.append(element)
        return found or [document]
