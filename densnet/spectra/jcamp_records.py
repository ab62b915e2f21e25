"""The format JCAMP-DX: labelled records, blocks, and tables of ordinates in AFFN, PAC, SQZ, DIF and DUP form.

R. S. McDonald and P. A. Wilks, Appl. Spectrosc. 42, 151 (1988) (JCAMP-DX 4.24); A. N. Davies and P. Lampen, Appl.
Spectrosc. 47, 1093 (1993) (the compressed forms).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from densnet.errors import DensnetError

Array = NDArray[np.float64]

MAX_POINTS = 5_000_000
"""More ordinates than any instrument writes: a count of duplicates that is damaged must not take memory."""
TABLES = ("XYDATA", "XYPOINTS", "PEAKTABLE", "PEAKASSIGNMENTS", "NTUPLES", "DATATABLE", "RADATA")
"""Labels of records that hold what was measured."""

PSEUDO_DIGITS = re.compile(r"[@%A-DF-Za-df-s]")
"""Letters that no number in AFFN has (an E may be an exponent)."""
AFFN = r"[+-]?(?:\d+\.?\d*|\.\d+)"
PLAIN = re.compile(rf"(?P<number>{AFFN}(?:[Ee][+-]?\d+)?)|(?P<missing>\?)")
COMPRESSED = re.compile(
    rf"(?P<number>{AFFN}(?:[Ee][+-]\d{{2,3}})?)|(?P<missing>\?)"
    r"|(?P<squeezed>[@A-Ia-i]\d*\.?\d*)|(?P<difference>[%J-Rj-r]\d*\.?\d*)|(?P<repeat>[S-Zs]\d*)"
)
SIGNED_DIGIT = (
    {"@": "0", "%": "0"}
    | {chr(ord("A") + n): f"{n + 1}" for n in range(9)}
    | {chr(ord("a") + n): f"-{n + 1}" for n in range(9)}
    | {chr(ord("J") + n): f"{n + 1}" for n in range(9)}
    | {chr(ord("j") + n): f"-{n + 1}" for n in range(9)}
)
"""First digit and sign of an ordinate (SQZ) or of a difference (DIF)."""
REPEAT_DIGIT = {letter: f"{n + 1}" for n, letter in enumerate("STUVWXYZs")}
"""First digit of how often an ordinate stands (DUP); more digits may follow."""


@dataclass(frozen=True)
class Record:
    """A labelled record: its label without blanks, dashes, slashes and underscores, in capitals; its first line's
    text; the lines that follow it; the number of its first line in the file."""

    label: str
    text: str
    lines: tuple[str, ...]
    line_number: int


@dataclass
class Block:
    """What stands between ##TITLE= and its ##END=, without the blocks inside it."""

    records: list[Record] = field(default_factory=list)
    ended: bool = False

    def text(self, label: str) -> str | None:
        """Return the text of a record, of the last if it is written several times; None without any."""
        texts = [record.text for record in self.records if record.label == label]
        return texts[-1] if texts else None

    def tables(self) -> list[Record]:
        """Return the records that hold what was measured."""
        return [record for record in self.records if record.label in TABLES]


@dataclass(frozen=True)
class Table:
    """Ordinates of the form (X++(Y..Y)), not yet scaled.

    Attributes:
        ordinates: (n,); NaN where the file has "?".
        abscissas: (line,) first abscissa of each line.
        starts: (line,) which ordinate it belongs to.
        rounding: (line,) half the last digit with which the abscissa is written.
    """

    ordinates: Array
    abscissas: Array
    starts: NDArray[np.int64]
    rounding: Array


def blocks_of(text: str) -> list[Block]:
    """Return the blocks of a file, outer ones before those inside them; remarks ($$) are left out."""
    blocks: list[Block] = []
    open_blocks: list[Block] = []
    for record in _records(text):
        if record.label == "TITLE":
            open_blocks.append(Block())
            blocks.append(open_blocks[-1])
        if not open_blocks:
            continue
        if record.label == "END":
            open_blocks.pop().ended = True
        else:
            open_blocks[-1].records.append(record)
    return blocks


def _records(text: str) -> Iterator[Record]:
    label, first, lines, start = "", "", [], 0
    for number, line in enumerate(text.split("\n"), start=1):
        content = line.split("$$")[0].strip()
        match = re.match(r"##([^=]*)=(.*)", content)
        if match is None:
            lines.append(content)
            continue
        if label:
            yield Record(label, first, tuple(lines), start)
        label, first = re.sub(r"[\s\-/_]", "", match[1]).upper(), match[2].strip()
        lines, start = [], number
    if label:
        yield Record(label, first, tuple(lines), start)


def number_of(text: str) -> float:
    """Return a number of the header, with a decimal point or comma.

    Raises:
        ValueError: it is none.
    """
    return float(text.strip().replace(",", "."))


def read_ordinates(record: Record, path: Path, *, decimal_comma: bool, step: float | None) -> Table:
    """Return a table of the form (X++(Y..Y)).

    A line that follows one that ended with a difference begins with that line's last ordinate again, as a check.

    Args:
        step: of the abscissas as the table writes them, if known: tells a check from an ordinate where a program wrote
            no checks.

    Raises:
        DensnetError: a line holds something else than numbers, a check fails, or there are absurdly many points.
    """
    compressed = any(PSEUDO_DIGITS.search(line) for line in record.lines)
    ordinates: list[float] = []
    abscissas: list[float] = []
    starts: list[int] = []
    rounding: list[float] = []
    after_difference = False
    for offset, raw in enumerate(record.lines, start=1):
        line = re.sub(r"(?<=\d),(?=\d)", ".", raw) if decimal_comma else raw.replace(",", " ")
        if not line:
            continue
        where = f"{path}: line {record.line_number + offset}"
        head = re.match(AFFN + (r"(?:[Ee][+-]\d{2,3})?" if compressed else r"(?:[Ee][+-]?\d+)?"), line)
        if head is None:
            raise DensnetError(f"{where}: expected an abscissa and ordinates, found {raw[:40]!r}; export it again")
        abscissa = float(head[0])
        decimals = len(head[0].split(".")[1]) if re.fullmatch(r"[+-]?\d*\.\d*", head[0]) else 0
        half_digit = 0.5 * 10.0**-decimals
        values, is_difference = _decoded(line[head.end() :], compressed, where, MAX_POINTS - len(ordinates))
        if after_difference and values:
            ahead = np.inf if step is None else abs(abscissa - abscissas[-1] - step * (len(ordinates) - starts[-1]))
            # a program that writes no checks goes on with the next abscissa
            if step is None or max(ahead, half_digit) > 0.25 * abs(step):
                if abs(values[0] - ordinates[-1]) >= 0.5:
                    raise DensnetError(
                        f"{where}: the ordinate {values[0]:g} that repeats the line before differs from its "
                        f"{ordinates[-1]:g}: a character is lost or changed; fetch the file again"
                    )
                ordinates.pop()
        abscissas.append(abscissa)
        starts.append(len(ordinates))
        rounding.append(half_digit)
        ordinates += values
        after_difference = is_difference
    return Table(np.array(ordinates), np.array(abscissas), np.array(starts, dtype=np.int64), np.array(rounding))


def _decoded(text: str, compressed: bool, where: str, room: int) -> tuple[list[float], bool]:
    """Return the ordinates of a line and whether it ends with a difference."""
    values: list[float] = []
    last_difference: float | None = None
    pattern = COMPRESSED if compressed else PLAIN
    position = 0
    while position < len(text):
        if text[position].isspace() or text[position] == ";":
            position += 1
            continue
        token = pattern.match(text, position)
        if token is None:
            word = text[position:].split()[0]
            raise DensnetError(f"{where}: expected ordinates, found {word[:40]!r}; export it again")
        position = token.end()
        kind, letters = token.lastgroup, token[0]
        if kind == "repeat":
            times = int(REPEAT_DIGIT[letters[0]] + letters[1:]) - 1
            if not values or times > room - len(values):
                problem = "too often" if values else "nothing"
                raise DensnetError(f"{where}: {letters!r} repeats {problem}; export it again")
            steps = last_difference or 0.0
            values += [values[-1] + steps * n for n in range(1, times + 1)]
            continue
        if kind == "difference":
            if not values:
                raise DensnetError(f"{where}: expected an ordinate, found the difference {letters!r}; export it again")
            last_difference = float(SIGNED_DIGIT[letters[0]] + letters[1:])
            values.append(values[-1] + last_difference)
            continue
        last_difference = None
        if kind == "missing":
            values.append(float("nan"))
        else:
            values.append(float(SIGNED_DIGIT[letters[0]] + letters[1:] if kind == "squeezed" else letters))
    return values, last_difference is not None


def read_pairs(record: Record, path: Path, *, decimal_comma: bool) -> tuple[Array, Array]:
    """Return abscissas and ordinates of the form (XY..XY), (n,) each, not yet scaled; NaN where the file has "?".

    Raises:
        DensnetError: a line holds something else than pairs of numbers.
    """
    numbers: list[float] = []
    for offset, line in enumerate(record.lines, start=1):
        text = re.sub(r"(?<=\d),(?=\d)", ".", line) if decimal_comma else line
        for word in re.split(r"[\s,;]+", text.strip(" ,;")):
            if not word:
                continue
            try:
                numbers.append(float("nan") if word == "?" else float(word))
            except ValueError as error:
                raise DensnetError(
                    f"{path}: line {record.line_number + offset}: expected pairs of numbers, found {word[:40]!r}; "
                    "export it again"
                ) from error
    if len(numbers) % 2:
        raise DensnetError(f"{path}: truncated: the last abscissa of {len(numbers) // 2 + 1} has no ordinate")
    pairs = np.array(numbers).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
