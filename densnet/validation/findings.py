"""What a validation says: numbers with their conditions, as a CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from densnet.errors import DensnetError

UNFIT = "test that could not be done"
"""What is said of a potential that has no minimum, or no energy there; the condition says why."""


class UnfitPotentialError(DensnetError):
    """A potential that a test cannot be done with: an answer, too."""


class Finding(NamedTuple):
    """One number.

    Attributes:
        what: is measured.
        condition: under which; parts are set apart by "; ".
        value: the number.
        unit: of it, "1" if it has none.
    """

    what: str
    condition: str
    value: float
    unit: str


def findings_csv(findings: Iterable[Finding]) -> str:
    """Return findings as a CSV with the columns what, condition, value, unit."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([Finding._fields, *findings])
    return text.getvalue()


def read_findings(path: Path) -> list[Finding]:
    """Read what :func:`findings_csv` wrote.

    Raises:
        DensnetError: another file, or one without findings.
    """
    try:
        with path.open(newline="", encoding="utf-8") as opened:
            head, *rows = csv.reader(opened) or [[]]
        if tuple(head) != Finding._fields or not rows:
            raise ValueError("other columns, or no rows")
        return [Finding(what, condition, float(value), unit) for what, condition, value, unit in rows]
    except OSError as error:
        raise DensnetError(f"{path}: cannot be read ({error.strerror}); run 'densnet validate' again") from error
    except ValueError as error:
        raise DensnetError(
            f"{path}: expected an output of 'densnet validate' with the columns {', '.join(Finding._fields)}, found "
            f"another file ({error}); run it again"
        ) from error
