"""Tables of records as CSV: a row a record, a column a field."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from densnet.errors import DensnetError


def csv_of(names: Sequence[Any], rows: Iterable[Sequence[Any]], digits: str = "") -> str:
    """Return a table of text: names of columns, and rows whose floats have that format; what is None is empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([f"{value:{digits}}" if digits and isinstance(value, float) else value for value in row])
    return buffer.getvalue()


def csv_text(record: type[Any], rows: Sequence[Any]) -> str:
    """Return instances of a dataclass as CSV, four digits; what is None is empty."""
    return csv_of([field.name for field in fields(record)], (list(asdict(row).values()) for row in rows), ".4g")


def read_csv(record: type[Any], path: Path, verb: str) -> list[dict[str, str]]:
    """Read what :func:`csv_text` wrote.

    Args:
        record: the dataclass.
        path: the file.
        verb: which verb of ``densnet`` makes it.

    Raises:
        DensnetError: no such file, or another kind of file.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8") as handle:
            reader = csv.DictReader(handle)
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DensnetError(f"{path}: cannot be read ({error}); run 'densnet {verb}'") from error
    if reader.fieldnames != [field.name for field in fields(record)]:
        raise DensnetError(f"{path}: expected the columns of 'densnet {verb}', found others; run it again")
    return rows
