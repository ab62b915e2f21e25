"""JCAMP-DX files as instruments and collections write them: what is legal is read, the rest refused for its reason."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from input_case import READ, REFUSED, SAID, InputCase

from densnet.errors import DensnetError
from densnet.spectra.jcamp_dx import read_jcamp_dx

X = np.arange(500.0, 4000.1, 4.0)
Y = np.round(7859 * np.exp(-(((X - 1050) / 15.0) ** 2)) + 2000 * np.exp(-(((X - 2900) / 50.0) ** 2))).astype(int)
LABELS = (
    "TITLE=test\n##JCAMP-DX=4.24\n##DATA TYPE=INFRARED SPECTRUM\n##ORIGIN=x\n##OWNER=x\n##STATE=gas\n##XUNITS=1/CM\n"
    "##YUNITS=ABSORBANCE\n##XFACTOR=1.0\n##YFACTOR=0.0001\n##DELTAX=4.0\n##FIRSTX=500\n##LASTX=4000\n##NPOINTS=876"
)


def table(values: list[int], per_line: int = 5) -> str:
    rows = [(X[n], values[n : n + per_line]) for n in range(0, len(values), per_line)]
    return "\n".join(f"{x:.3f} " + " ".join(str(value) for value in row) for x, row in rows)


PLAIN = f"##{LABELS}\n##XYDATA=(X++(Y..Y))\n{table(Y.tolist())}\n##END=\n"


def pseudo_digits(value: int, digits: str) -> str:
    """``digits``: zero, one to nine, minus one to minus nine."""
    text = str(abs(value))
    return digits[int(text[0]) + (9 if value < 0 else 0)] + text[1:]


def squeezed(value: int) -> str:
    return pseudo_digits(value, "@ABCDEFGHIabcdefghi")


def runs(tokens: list[str]) -> str:
    """Tokens with what repeats written as DUP, counts of any number of digits."""
    text, n = "", 0
    while n < len(tokens):
        count = 1
        while n + count < len(tokens) and tokens[n + count] == tokens[n]:
            count += 1
        text += tokens[n] + (pseudo_digits(count, " STUVWXYZs") if count > 1 else "")
        n += count
    return text


def difference_table(per_line: int) -> str:
    """DIF and DUP: each line but the first begins with the last ordinate again."""
    lines = []
    for start in range(0, len(Y) - 1, per_line):
        row = Y[start : start + per_line + 1].tolist()
        steps = [pseudo_digits(b - a, "%JKLMNOPQRjklmnopqr") for a, b in itertools.pairwise(row)]
        lines.append(f"{X[start]:.0f}{squeezed(row[0])}{runs(steps)}")
    return "\n".join([*lines, f"{X[-1]:.0f}{squeezed(int(Y[-1]))}"])


def squeezed_table(per_line: int) -> str:
    return "\n".join(
        f"{X[n]:.0f}" + runs([squeezed(int(value)) for value in Y[n : n + per_line]])
        for n in range(0, len(Y), per_line)
    )


def with_table(text: str) -> str:
    return f"##{LABELS}\n##XYDATA=(X++(Y..Y))\n{text}\n##END=\n"


def replaced(*pairs: tuple[str, str]) -> str:
    text = PLAIN
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


def commas() -> str:
    head, body = PLAIN.replace("=1.0\n", "=1,0\n").replace("0.0001", "0,0001").split("##XYDATA")
    return head + "##XYDATA" + body.replace(".", ",").replace("(Y,,Y)", "(Y..Y)")


def percent(largest: int, units: str) -> str:
    values = np.round(largest * 10 ** (-1e-4 * Y)).astype(int)
    return replaced(("ABSORBANCE", units), (table(Y.tolist()), table(values.tolist())))


LINK = "##TITLE=all\n##JCAMP-DX=4.24\n##DATA TYPE=LINK\n##BLOCKS=1\n"

CASES = (
    InputCase("ordinates in plain numbers (AFFN)", READ, "", lambda: PLAIN),
    InputCase(
        "packed numbers, signs for blanks (PAC)", READ, "", lambda: with_table(table(Y.tolist()).replace(" ", "+"))
    ),
    InputCase("squeezed ordinates with duplicates (SQZ, DUP)", READ, "", lambda: with_table(squeezed_table(20))),
    InputCase("differences with counts of two digits (DIF, DUP)", READ, "", lambda: with_table(difference_table(39))),
    InputCase(
        "a remark ($$) behind a label and between labels",
        READ,
        "",
        lambda: replaced(("ABSORBANCE", "ABSORBANCE $$ base 10"), ("##XYDATA", "$$ a = b\n##XYDATA")),
    ),
    InputCase(
        "blanks, dashes and small letters in labels",
        READ,
        "",
        lambda: replaced(("##XUNITS=", "## x-units ="), ("##DATA TYPE=", "##DATATYPE=")),
    ),
    InputCase("line ends of old Macs (CR)", READ, "", lambda: PLAIN.replace("\n", "\r").encode()),
    InputCase("line ends of Windows", READ, "", lambda: PLAIN.replace("\n", "\r\n").encode()),
    InputCase("UTF-16", READ, "", lambda: PLAIN.encode("utf-16")),
    InputCase("UTF-8 with a byte order mark", READ, "", lambda: PLAIN.encode("utf-8-sig")),
    InputCase("Latin-1", READ, "", lambda: PLAIN.replace("ORIGIN=x", "ORIGIN=Köln").encode("latin-1")),
    InputCase("decimal commas", READ, "", commas),
    InputCase(
        "no FIRSTX, LASTX and DELTAX", READ, "", lambda: replaced(("\n##DELTAX=4.0\n##FIRSTX=500\n##LASTX=4000", ""))
    ),
    InputCase("no LASTX", READ, "", lambda: replaced(("\n##LASTX=4000", ""))),
    InputCase("one spectrum in a LINK", READ, "", lambda: LINK + PLAIN + "##END=\n"),
    InputCase(
        "missing ordinates (?)",
        SAID,
        "3 points without a number left out",
        lambda: replaced(("\n500.000 0 0", "\n500.000 0 ?"), ("\n520.000 0 0", "\n520.000 ? ?")),
    ),
    InputCase(
        "NPOINTS smaller than the table",
        SAID,
        "NPOINTS= says 870, the table has 876 points",
        lambda: replaced(("NPOINTS=876", "NPOINTS=870")),
    ),
    InputCase(
        "NPOINTS larger than a table that reaches LASTX",
        SAID,
        "NPOINTS= says 900, the table has 876 points",
        lambda: replaced(("NPOINTS=876", "NPOINTS=900")),
    ),
    InputCase(
        "LASTX that the table does not reach",
        SAID,
        "LASTX= says 3900, the table ends at 4000",
        lambda: replaced(("LASTX=4000", "LASTX=3900")),
    ),
    InputCase(
        "percent transmittance that holds fractions of one",
        SAID,
        "read as fractions of one",
        lambda: percent(10000, "% TRANSMITTANCE"),
    ),
    InputCase("transmittance that holds percent", SAID, "read as percent", lambda: percent(1000000, "TRANSMITTANCE")),
    InputCase(
        "no DATA TYPE",
        SAID,
        "taken for an infrared spectrum",
        lambda: replaced(("##DATA TYPE=INFRARED SPECTRUM\n", "")),
    ),
    InputCase(
        "MAXY that the table does not have",
        SAID,
        "is ##YFACTOR= right?",
        lambda: replaced(("##NPOINTS", "##MAXY=8.1\n##NPOINTS")),
    ),
    InputCase(
        "a Raman spectrum",
        REFUSED,
        "expected INFRARED SPECTRUM, found 'RAMAN SPECTRUM'",
        lambda: replaced(("INFRARED", "RAMAN")),
    ),
    InputCase(
        "an interferogram",
        REFUSED,
        "found 'INFRARED INTERFEROGRAM'",
        lambda: replaced(("INFRARED SPECTRUM", "INFRARED INTERFEROGRAM")),
    ),
    InputCase(
        "a table of peaks",
        REFUSED,
        "export the spectrum itself, point by point",
        lambda: f"##{LABELS}\n##PEAK ASSIGNMENTS=(XYA)\n(500, 1, <OH>)\n##END=\n",
    ),
    InputCase("two spectra, one behind the other", REFUSED, "expected one spectrum, found 2", lambda: PLAIN + PLAIN),
    InputCase(
        "two spectra in a LINK", REFUSED, "expected one spectrum, found 2", lambda: LINK + PLAIN + PLAIN + "##END=\n"
    ),
    InputCase(
        "FIRSTX and LASTX that contradict the table",
        REFUSED,
        "begins at 500, by the header it is 400",
        lambda: replaced(("FIRSTX=500", "FIRSTX=400"), ("LASTX=4000", "LASTX=3900")),
    ),
    InputCase(
        "a label written twice",
        REFUSED,
        "is written as '1/CM' and as 'NM'",
        lambda: replaced(("##XUNITS=1/CM", "##XUNITS=1/CM\n##XUNITS=NM")),
    ),
    InputCase(
        "lines missing at the end",
        REFUSED,
        "truncated: expected 876 points, found 865",
        lambda: replaced(("\n".join(PLAIN.split("\n")[-5:-2]) + "\n", "")),
    ),
    InputCase(
        "lines missing in the middle",
        REFUSED,
        "truncated: expected 876 points, found 871",
        lambda: replaced((PLAIN.split("\n")[100] + "\n", "")),
    ),
    InputCase(
        "a character lost among differences",
        REFUSED,
        "a character is lost or changed",
        lambda: with_table(difference_table(39).replace("M", "L", 1)),
    ),
    InputCase(
        "a word among the ordinates",
        REFUSED,
        "expected ordinates, found 'xyz'",
        lambda: replaced(("\n520.000 0 0", "\n520.000 0 xyz")),
    ),
    InputCase(
        "a count of duplicates beyond all measure", REFUSED, "repeats too often", lambda: with_table("500@Z99999999999")
    ),
    InputCase(
        "micrometres called 1/CM",
        REFUSED,
        "do they look like micrometres?",
        lambda: replaced(
            ("XFACTOR=1.0", "XFACTOR=0.005"),
            ("FIRSTX=500", "FIRSTX=2.5"),
            ("LASTX=4000", "LASTX=20"),
            ("##DELTAX=4.0\n", ""),
        ),
    ),
    InputCase("percent called absorbance", REFUSED, "percent transmittance?", lambda: percent(1000000, "ABSORBANCE")),
    InputCase(
        "abscissas in hertz",
        REFUSED,
        "expected 1/CM, MICROMETERS or NANOMETERS, found 'HZ'",
        lambda: replaced(("XUNITS=1/CM", "XUNITS=HZ")),
    ),
    InputCase(
        "a header without a number",
        REFUSED,
        "##YFACTOR= expected a number, found 'one'",
        lambda: replaced(("YFACTOR=0.0001", "YFACTOR=one")),
    ),
    InputCase("binary data", REFUSED, "found binary data", lambda: b"PK\x03\x04" + bytes(100)),
)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_spectrum_of_a_stranger(case: InputCase, tmp_path: Path) -> None:
    path, content = tmp_path / "theirs.jdx", case.make()
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if case.outcome == REFUSED:
        with pytest.raises(DensnetError) as caught:
            read_jcamp_dx(path)
        assert case.words in str(caught.value) and "theirs.jdx" in str(caught.value) and "\n" not in str(caught.value)
        return
    spectrum = read_jcamp_dx(path)
    assert spectrum.wavenumber[[0, -1]].tolist() == [500.0, 4000.0]
    strongest = spectrum.wavenumber[spectrum.intensity.argmax()]
    assert (strongest, spectrum.intensity.max()) == (1048.0, pytest.approx(1e-4 * Y.max(), abs=1e-4))
    assert len(spectrum.notes) == (case.outcome == SAID)
    assert case.words in "".join(spectrum.notes)
