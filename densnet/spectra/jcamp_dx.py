"""Experimental spectra from JCAMP-DX files: absorbance or Raman intensity on an even grid of wavenumbers.

R. S. McDonald and P. A. Wilks, Appl. Spectrosc. 42, 151 (1988) (the format).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from densnet.errors import DensnetError
from densnet.spectra.jcamp_records import Block, Record, Table, blocks_of, number_of, read_ordinates, read_pairs
from densnet.spectra.jcamp_units import absorbance, check_data_type, raman_shifts, scattering, wavenumbers
from densnet.spectra.kinds import Kind
from densnet.text_files import read_text

Array = NDArray[np.float64]

STEP_WAVENUMBER = 1.0
"""Spacing of the even grid, 1/cm."""
WRITTEN_ONCE = ("XUNITS", "YUNITS", "XFACTOR", "YFACTOR", "FIRSTX", "LASTX", "DELTAX", "NPOINTS")


@dataclass(frozen=True)
class ExperimentalSpectrum:
    """A measured spectrum.

    Attributes:
        title: as the file says.
        wavenumber: (n,) 1/cm, ascending, even.
        intensity: (n,) absorbance, base 10 (or what the file calls proportional to it); Raman intensity as it is.
        notes: what had to be put right, one line each; empty if nothing.
    """

    title: str
    wavenumber: Array
    intensity: Array
    notes: tuple[str, ...]


def read_jcamp_dx(path: Path, kind: Kind = "infrared") -> ExperimentalSpectrum:
    """Read a JCAMP-DX file of one infrared or Raman spectrum.

    Raises:
        DensnetError: no such file, not JCAMP-DX, several spectra, another kind of spectrum, truncated, a header that
            contradicts its table, or units that are not those of its kind.
    """
    path = Path(path)
    block, table = _one_spectrum(path)
    notes: list[str] = []
    check_data_type(block.text("DATATYPE"), path, notes, kind)
    x, y = _points(block, table, path, notes)
    x_units, y_units = (block.text(label) or "" for label in ("XUNITS", "YUNITS"))
    if kind == "raman":
        wavenumber, intensity = raman_shifts(x, scattering(y, y_units, path), x_units, path, notes)
    else:
        wavenumber, intensity = wavenumbers(x, x_units, path), absorbance(y, y_units, path, notes)
    finite = np.isfinite(wavenumber) & np.isfinite(intensity)
    if finite.sum() < 10:
        raise DensnetError(f"{path}: expected a spectrum, found {int(finite.sum())} usable points; export it again")
    if not finite.all():
        notes.append(f"{int((~finite).sum())} points without a number left out")
    state = (block.text("STATE") or "").lower()
    if state and not state.startswith(("gas", "vapo")):
        notes.append(f"the sample's state is {state!r}: bands may be shifted against the gas phase")
    order = np.argsort(wavenumber[finite], kind="stable")
    x, first = np.unique(wavenumber[finite][order], return_index=True)
    y = intensity[finite][order][first]
    grid = np.arange(np.ceil(x[0]), np.floor(x[-1]) + STEP_WAVENUMBER / 2, STEP_WAVENUMBER)
    return ExperimentalSpectrum(block.text("TITLE") or path.stem, grid, np.interp(grid, x, y), tuple(notes))


def _one_spectrum(path: Path) -> tuple[Block, Record]:
    """Return the one block of the file that holds a spectrum, and the record of its table."""
    if not path.is_file():
        raise DensnetError(f"jcamp: {path} is no file; give the path of a JCAMP-DX file or leave it out")
    blocks = blocks_of(read_text(path, "a JCAMP-DX file"))
    if not blocks:
        raise DensnetError(f"{path}: not a JCAMP-DX file (no ##TITLE=); export it again")
    tables = [(block, table) for block in blocks for table in block.tables()]
    if not tables:
        raise DensnetError(f"{path}: no data (##XYDATA= in (X++(Y..Y)) or (XY..XY) form expected); export it again")
    if len(tables) > 1:
        titles = ", ".join(f"{block.text('TITLE')!r}" for block, _ in tables[:5])
        raise DensnetError(f"{path}: expected one spectrum, found {len(tables)} tables ({titles}); export one alone")
    block, table = tables[0]
    if not re.fullmatch(r"\(\s*(X\+\+\s*\(\s*[YRI]\s*\.\.\s*[YRI]\s*\)|XY\s*\.\.\s*XY)\s*\).*", table.text.upper()):
        raise DensnetError(
            f"{path}: line {table.line_number}: expected a table of the form (X++(Y..Y)) or (XY..XY), found "
            f"##{table.label}={table.text}; export the spectrum itself, point by point"
        )
    for label in WRITTEN_ONCE:
        texts = list(dict.fromkeys(record.text for record in block.records if record.label == label))
        if len(texts) > 1:
            raise DensnetError(f"{path}: ##{label}= is written as {texts[0]!r} and as {texts[1]!r}; keep the right one")
    if not block.ended and block.text("NPOINTS") is None:
        raise DensnetError(f"{path}: truncated: neither ##END= nor ##NPOINTS= tell its end; fetch the file again")
    return block, table


def _header(block: Block, label: str, path: Path) -> float | None:
    """Return a number of the header, None where it is missing."""
    text = block.text(label)
    if not text:
        return None
    try:
        value = number_of(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value) or (label.endswith("FACTOR") and value == 0) or (label == "NPOINTS" and value % 1):
        raise DensnetError(f"{path}: not a readable JCAMP-DX file: ##{label}= expected a number, found {text!r}")
    return value


def _points(block: Block, table: Record, path: Path, notes: list[str]) -> tuple[Array, Array]:
    """Return abscissas and ordinates, (n,) each, as they were measured, checked for completeness."""
    header = {label: _header(block, label, path) for label in WRITTEN_ONCE if not label.endswith("UNITS")}
    comma = _decimal_comma(block, table, header["NPOINTS"])
    x_factor, y_factor = header["XFACTOR"] or 1.0, header["YFACTOR"] or 1.0
    if "++" in table.text:
        step = _step(header)
        content = read_ordinates(table, path, decimal_comma=comma, step=None if step is None else step / x_factor)
        if not len(content.ordinates):
            raise DensnetError(f"{path}: no data after ##{table.label}=; export it again")
        x, y = _abscissas(content, header, table, path), content.ordinates
        last = header["LASTX"]
        if last is not None and len(y) == header["NPOINTS"] and len(y) > 1 and abs(x[-1] - last) > abs(x[1] - x[0]):
            notes.append(f"##LASTX= says {last:g}, the table ends at {x[-1]:g}: its own abscissas are taken")
    else:
        x, y = read_pairs(table, path, decimal_comma=comma)
        x = x * x_factor
    expected = header["NPOINTS"]
    if len(y) and expected is not None and len(y) != expected:
        last, step = header["LASTX"], np.median(np.abs(np.diff(x))) if len(x) > 1 else 0.0
        if len(y) < expected and (last is None or abs(x[-1] - last) > 0.75 * step):
            raise DensnetError(
                f"{path}: truncated: expected {expected:.0f} points, found {len(y)}; fetch the file again"
            )
        notes.append(f"##NPOINTS= says {expected:.0f}, the table has {len(y)} points, all of which are read")
    y = y * y_factor
    _compare_extremes(block, y, y_factor, path, notes)
    return x, y


def _decimal_comma(block: Block, table: Record, expected: float | None) -> bool:
    """Return whether a comma in the table is a decimal point; elsewhere it separates numbers."""
    lines = [line for line in table.lines if line]
    if any("." in line for line in lines) or not any(re.search(r"\d,\d", line) for line in lines):
        return False
    if any(re.fullmatch(r"[+-]?\d*,\d+", block.text(label) or "") for label in WRITTEN_ONCE):
        return True
    words = [word for line in lines for word in re.split(r"[\s;]+", line) if word]
    if any(word.count(",") > 1 for word in words):
        return False
    return "++" in table.text or (expected is not None and len(words) >= 2 * expected)


def _step(header: dict[str, float | None]) -> float | None:
    """Return the spacing that the header says, None if it does not."""
    first, last, points = header["FIRSTX"], header["LASTX"], header["NPOINTS"]
    if first is not None and last is not None and points is not None and points > 1:
        return (last - first) / (points - 1)
    return header["DELTAX"]


def _abscissas(content: Table, header: dict[str, float | None], table: Record, path: Path) -> Array:
    """Return the abscissa of each ordinate: from the header, and from the table's own where the header is silent.

    The first spacing that puts every line where its own abscissa says is taken: (LASTX - FIRSTX) / (NPOINTS - 1), the
    same with the number of ordinates, DELTAX, the table's own.
    """
    n, factor = len(content.ordinates), header["XFACTOR"] or 1.0
    lines, starts = content.abscissas * factor, content.starts
    first = lines[0] if header["FIRSTX"] is None else header["FIRSTX"]
    steps: list[float] = []
    if header["LASTX"] is not None:
        steps += [(header["LASTX"] - first) / (m - 1) for m in (header["NPOINTS"] or n, n) if m > 1]
    if header["DELTAX"]:
        steps += [header["DELTAX"], np.copysign(header["DELTAX"], lines[-1] - lines[0])]
    if len(lines) > 1 and starts[-1] > 0:
        steps.append(float(lines[-1] - lines[0]) / float(starts[-1]))
    if not steps or not any(steps):
        raise DensnetError(
            f"{path}: expected ##FIRSTX= and ##LASTX= (or ##DELTAX=), found neither, nor a second line that tells the "
            "spacing; export it again"
        )
    off = [np.abs(first + step * starts - lines) - content.rounding * abs(factor) for step in steps]
    for step, error in zip(steps, off, strict=True):
        if step and error.max() <= 0.75 * abs(step):
            end = first + step * (n - 1)
            if header["LASTX"] is not None and n > 1 and step == (header["LASTX"] - first) / (n - 1):
                end = header["LASTX"]
            return np.linspace(first, end, n)
    wrong = int((off[0] > 0.75 * abs(steps[0])).argmax())
    by_header = first + steps[0] * starts[wrong]
    where = f"line {table.line_number + 1 + wrong} begins at {lines[wrong]:g}, by the header it is {by_header:g}"
    expected = header["NPOINTS"]
    if expected is not None and n < expected:
        raise DensnetError(
            f"{path}: truncated: expected {expected:.0f} points, found {n}: {where}; fetch the file again"
        )
    raise DensnetError(
        f"{path}: the header contradicts its table: {where} (##FIRSTX=, ##LASTX=, ##DELTAX=, "
        "##NPOINTS=); correct the header or export the file again"
    )


def _compare_extremes(block: Block, y: Array, factor: float, path: Path, notes: list[str]) -> None:
    """Say where the header's smallest and largest ordinate are not the table's."""
    width = float(np.nanmax(y) - np.nanmin(y)) if np.isfinite(y).any() else 0.0
    for label, extreme in (("MAXY", np.nanmax), ("MINY", np.nanmin)):
        said = _header(block, label, path)
        if said is None or not width:
            continue
        actual = float(extreme(y))
        if min(abs(said - actual), abs(said * factor - actual)) > 0.02 * width:
            notes.append(f"##{label}= says {said:g}, the table's is {actual:g}: is ##YFACTOR= right?")
