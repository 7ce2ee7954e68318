"""How a table of hashes is laid out, described in YAML: the file kind, and what each column means.

The whole description stands in ``docs/lists.md``; ``settings/lists`` has three to adjust.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from ingest_guard._yaml import Location, YAMLProblem, describe_errors, load_with_lines, to_tuples
from ingest_guard.errors import ListFormatError
from ingest_guard.lists.table.fields import (
    Character,
    Column,
    Encoding,
    Kind,
    Name,
    SeverityName,
    TextEncoding,
    Word,
    Words,
    as_tuple,
    constant,
    folded,
    worded,
)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class AlgorithmOf(_Section):
    """The algorithm of a column's values: one for all, or what stands in each row in `column`.

    There it stands under one of `names` or as lists write it; `unsupported` has what is not compared.
    """

    constant: Name | None = None
    column: Column | None = None
    names: Annotated[dict[str, Name], BeforeValidator(worded)] = {}
    unsupported: Annotated[dict[str, Kind], BeforeValidator(worded)] = {}

    @model_validator(mode="after")
    def _has_source(self) -> Self:
        if (self.constant is None) == (self.column is None):
            raise ValueError("expected the name of an algorithm, or the 'column' that it stands in")
        return self


class Value(_Section):
    """A column of values."""

    column: Column
    algorithm: Annotated[AlgorithmOf, BeforeValidator(constant)]
    encoding: Annotated[tuple[Encoding, ...], BeforeValidator(as_tuple), Field(min_length=1)] = ("hex",)
    optional: bool = False


class Severity(_Section):
    """The severity of a row's values: in `column`, by `names` or as it stands there, or the same for all."""

    column: Column | None = None
    names: Annotated[dict[str, SeverityName | None], BeforeValidator(worded)] = {}
    constant: SeverityName | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.column is None) == (self.constant is None):
            raise ValueError("expected either 'column' or 'constant'")
        if self.names and self.column is None:
            raise ValueError("'names' are for the values of a 'column'")
        return self


class Mark(_Section):
    """Rows in which a column has one of some values."""

    column: Column
    values: Words

    @property
    def words(self) -> frozenset[str]:
        """The values, as they are compared."""
        return frozenset(map(folded, self.values))


class Skip(_Section):
    """Rows that are not about pictures: those with one of `values` in a column, or with none of `unless`."""

    column: Column
    values: Words | None = None
    unless: Words | None = None
    kind: Kind = Field("other", alias="as")

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        if (self.values is None) == (self.unless is None):
            raise ValueError("expected either 'values' or 'unless'")
        return self

    @property
    def words(self) -> frozenset[str]:
        """The values or exceptions, as they are compared."""
        return frozenset(map(folded, self.values or self.unless or ()))


class Layout(_Section):
    """A whole description."""

    format: Literal["csv", "tsv", "jsonl"]
    delimiter: Character | None = None
    quote: Literal["double", "none"] = "double"
    encoding: TextEncoding = "utf-8"
    header: bool = True
    skip_lines: int = Field(0, ge=0, le=1000)
    comment: str | None = Field(None, min_length=1, max_length=8)
    values: tuple[Value, ...] = Field(min_length=1)
    id: Annotated[tuple[Column, ...], BeforeValidator(as_tuple)] = ()
    severity: Severity | None = None
    removed: Mark | None = None
    skip: tuple[Skip, ...] = ()
    blank: Annotated[tuple[Word, ...], BeforeValidator(as_tuple)] = ()

    @model_validator(mode="before")
    @classmethod
    def _is_mapping(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            raise ValueError("expected keys and values: format and values at least")  # noqa: TRY004 - pydantic wants it so
        return value

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.format == "jsonl" and (self.delimiter or self.skip_lines or not self.header):
            raise ValueError("delimiter, skip_lines and header are for csv and tsv")
        if self.removed and not self.id:
            raise ValueError("'removed' needs 'id': without one it is unknown what is removed")
        return self

    @property
    def separator(self) -> str:
        """What stands between two cells."""
        return self.delimiter or ("\t" if self.format == "tsv" else ",")

    def columns(self) -> Iterator[tuple[Location, int | str]]:
        """Yield (where it is named, column) for each column."""
        for number, value in enumerate(self.values):
            yield ("values", number, "column"), value.column
            if value.algorithm.column is not None:
                yield ("values", number, "algorithm", "column"), value.algorithm.column
        for column in self.id:
            yield ("id",), column
        if self.severity and self.severity.column is not None:
            yield ("severity", "column"), self.severity.column
        if self.removed:
            yield ("removed", "column"), self.removed.column
        for number, rule in enumerate(self.skip):
            yield ("skip", number, "column"), rule.column


def load(path: Path) -> tuple[Layout, Mapping[Location, int]]:
    """Read a description; return it and the line of each of its keys.

    Raises
    ------
    ListFormatError
        The file is missing or not YAML, or a key is unknown, missing, or of a wrong value. The text names file, line
        and key, and what was expected.
    """
    try:
        document, lines = load_with_lines(path)
    except YAMLProblem as problem:
        raise ListFormatError(f"list map {path}: {problem}") from None
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise ListFormatError(
            f"list map {path}: cannot be read ({why}); settings/lists has descriptions to start from"
        ) from None
    try:
        layout = Layout.model_validate(to_tuples(document))
    except ValidationError as error:
        found = describe_errors(error, lines)
    else:
        found = _misnamed(layout, lines)
        if not found:
            return layout, lines
    raise ListFormatError(f"list map {path}: {'; '.join(found)}")


def _misnamed(layout: Layout, lines: Mapping[Location, int]) -> list[str]:
    """Return what is wrong with how columns are named."""
    is_json = layout.format == "jsonl"
    found = []
    for where, column in layout.columns():
        if is_json and isinstance(column, int):
            found.append(f"{place(lines, where)}: JSON Lines have names, no column numbers")
        elif not is_json and not layout.header and isinstance(column, str):
            found.append(f"{place(lines, where)}: without a header columns are numbers from 1")
    return found


def place(lines: Mapping[Location, int], where: Location) -> str:
    """Return line and key of a place in a description, for error texts."""
    key = where
    while key not in lines:
        key = key[:-1]
    return f"line {lines[key]}: key {'.'.join(map(str, where))}"
