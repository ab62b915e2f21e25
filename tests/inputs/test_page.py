"""docs/inputs.md says what the tests hold: it is written by ``python tests/inputs/test_page.py``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

if __name__ == "__main__":
    tests = Path(__file__).parents[1]
    sys.path += [str(path) for path in (tests / "inputs", tests / "models", tests.parent / "workflow")]

import test_coefficient_files
import test_configuration_files
import test_energies_alone_npz
import test_energies_alone_qcschema
import test_energies_alone_xyz
import test_fundamentals_files
import test_imports
import test_models_of_strangers
import test_molecules
import test_spectrum_files
from input_case import InputCase

PAGE = Path(__file__).parents[2] / "docs" / "inputs.md"
SECTIONS: tuple[tuple[str, Iterable[InputCase]], ...] = (
    ("Configurations (YAML)", test_configuration_files.CASES),
    ("Molecules as SMILES", test_molecules.SMILES_CASES),
    ("Molecules as xyz files", test_molecules.XYZ_CASES),
    ("Labels of other codes (npz)", test_imports.CASES),
    ("Labels of other codes (extended xyz beside an npz)", test_imports.XYZ_CASES),
    ("Energies and forces alone (extended xyz, with `--density`)", test_energies_alone_xyz.XYZ_CASES),
    ("Energies and forces alone (QCSchema, with `--density`)", test_energies_alone_qcschema.QCSCHEMA_CASES),
    ("Energies and forces alone (npz, with `--density`)", test_energies_alone_npz.NPZ_CASES),
    ("Coefficients in metatensor's format (.mts beside an extended xyz)", test_coefficient_files.CASES),
    ("Measured spectra (JCAMP-DX)", test_spectrum_files.CASES),
    ("Tables of fundamentals (CSV)", test_fundamentals_files.CASES),
    ("Model files", test_models_of_strangers.CASES),
)
HEAD = """# What is read, and what is refused

Input files come from many programs. Each row is one kind of file, and a test: the file is read, read with a message, or
refused with one line that has the words of the last column and says what to change.
"""


def lines() -> Iterator[str]:
    yield HEAD
    for title, cases in SECTIONS:
        yield f"## {title}\n"
        yield "| what the file holds | | what is said |\n|---|---|---|"
        for case in cases:
            said = case.words if case.outcome != "read" else ""
            yield f"| {case.content} | {case.outcome} | {said} |".replace("  ", " ")
        yield ""


def test_page_is_what_the_tests_hold() -> None:
    assert PAGE.read_text(encoding="utf-8") == "\n".join(lines())


if __name__ == "__main__":
    PAGE.write_text("\n".join(lines()), encoding="utf-8")
