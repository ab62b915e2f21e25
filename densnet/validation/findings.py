"""What a validation says: numbers with their conditions, as a CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import NamedTuple


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
