"""Which line belongs to which fundamental: known molecules, incomplete tables, conformers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from ase.formula import Formula
from scipy.spatial.transform import Rotation
from vibration_examples import vibrating

from densnet.errors import DensnetError
from densnet.molecule import from_smiles, inchi_of_smiles
from densnet.spectra.experiment import all_vibrations, table_of
from densnet.spectra.harmonic import harmonic_dataset
from densnet.spectra.matching import Matching, degeneracy, match, mode_pairs, once_each
from densnet.spectra.published import Vibration, formula_of, published_names, vibrations
from densnet.spectra.symmetry import Species, species_of


def matched(smiles: str) -> tuple[list[Vibration], Matching, np.ndarray]:
    """Return the fundamentals of a molecule and GFN2-xTB's lines beside them, and all of its lines."""
    molecule, positions, normal = vibrating(smiles)
    table = table_of(inchi_of_smiles(smiles))
    assert table is not None
    known = all_vibrations(table)
    assert known is not None
    rows = once_each(known, len(normal.wavenumber))
    species = species_of(molecule.atomic_masses, positions, normal.modes)
    return rows, match(rows, normal.wavenumber, species), normal.wavenumber


@pytest.mark.parametrize("smiles", ["O", "O=C=O", "C#N", "N", "C", "C=C", "CO"])
def test_every_fundamental_has_the_line_of_its_species(smiles: str) -> None:
    rows, matching, lines = matched(smiles)
    assert matching.how == "species"
    assert sum(degeneracy(row.species) for row in rows) == len(lines)
    # GFN2-xTB is off by 250 1/cm at most here (the antisymmetric stretch of CO2)
    assert np.abs(matching.wavenumber - [row.wavenumber for row in rows]).max() < 260


def test_a_degenerate_bend_is_one_fundamental_of_two_modes() -> None:
    for smiles, measured in (("O=C=O", 667), ("C#N", 712)):
        rows, matching, lines = matched(smiles)
        bend = next(number for number, row in enumerate(rows) if row.species.startswith("π"))
        assert rows[bend].wavenumber == measured
        assert matching.wavenumber[bend] == pytest.approx(np.sort(lines)[:2].mean())
        assert len(rows) == 3


def test_lines_that_cross_stay_in_their_species() -> None:
    """By order alone both would be right to 10 1/cm; the symmetric line is 110 too low and the other 90 too high."""
    rows = [Vibration("a1", "s", 1500.0, ""), Vibration("b2", "a", 1400.0, "")]
    species = [Species(np.array([0]), symmetric=True), Species(np.array([1]), symmetric=False)]
    lines = np.array([1390.0, 1490.0])
    assert match(rows, lines, species).wavenumber.tolist() == [1390, 1490]
    by_order = match(rows, lines, None)
    assert by_order.wavenumber.tolist() == [1490, 1390] and by_order.how == "order"
    assert match(rows, lines, [Species(np.array([0, 1]), symmetric=True)]).how == "order", "another point group"


def test_names_of_axes_do_not_matter_but_the_totally_symmetric_species_does() -> None:
    rows = [Vibration(name, "", x, "") for name, x in (("b1", 900.0), ("b2", 1200.0), ("a1", 905.0))]
    species = [Species(np.array([k]), symmetric=k == 2) for k in range(3)]
    assert match(rows, np.array([1210.0, 910.0, 1100.0]), species).wavenumber.tolist() == [910, 1210, 1100]


def test_of_incomplete_fundamentals_each_has_a_line_of_its_own() -> None:
    rows = [Vibration("", "", x, "") for x in (1000.0, 1010.0)]
    nearest = match(rows, np.array([990.0, 1012.0, 3000.0]), None)
    assert nearest.how == "nearest" and nearest.wavenumber.tolist() == [990, 1012]
    more = match([*rows, Vibration("", "", 2000.0, "")], np.array([1012.0, 2010.0]), None)
    assert np.isnan(more.wavenumber[0]) and more.wavenumber[1:].tolist() == [1012, 2010]


def test_what_is_listed_twice_counts_once() -> None:
    assert [row.wavenumber for row in once_each(vibrations("Ammonia"), 6)] == [3337, 950, 3444, 1627]
    torsions = [row for row in once_each(vibrations("Methyl Alcohol"), 12) if row.mode == "Torsion"]
    assert [(row.wavenumber, row.uncertainty) for row in torsions] == [(295, "A")], "the more certain one"
    acetone = vibrations("Acetone")
    assert once_each(acetone, 24) == acetone


def test_tables_have_as_many_vibrations_as_the_molecule() -> None:
    """3 N - 6, or 3 N - 5 of atoms in a row, whatever the table lists twice."""
    short = set()
    for name in published_names():
        # salts of a metal have a point in the formula
        if not (formula := formula_of(name)) or "." in formula:
            continue
        rows = vibrations(name)
        n_modes = 3 * len(Formula(formula)) - (5 if any(row.species[0] in "σπ" for row in rows) else 6)
        if sum(degeneracy(row.species) for row in once_each(rows, n_modes)) != n_modes:
            short.add(name)
    assert short == set()


def modes_of(smiles: str) -> tuple[xr.Dataset, np.ndarray]:
    molecule, positions, normal = vibrating(smiles)
    dataset = harmonic_dataset(normal, molecule.numbers, positions, molecule.atomic_masses)
    return dataset.assign_attrs(method="gfn2-xtb"), molecule.atomic_masses


def test_modes_are_paired_by_how_atoms_move() -> None:
    modes, masses = modes_of("CO")
    order = np.random.default_rng(3).permutation(modes.sizes["mode"])
    turn = Rotation.from_euler("xyz", (20, 100, -40), degrees=True).as_matrix()
    others = modes.isel(mode=order)
    others = others.assign(
        mode_vector=(others["mode_vector"].dims, -others["mode_vector"].values @ turn.T),
        positions=(others["positions"].dims, others["positions"].values @ turn.T + 3.0),
    )
    pairs = mode_pairs(modes, others, masses)
    assert others["wavenumber"].values[pairs].tolist() == modes["wavenumber"].values.tolist()


def test_another_conformer_or_molecule_is_one_line() -> None:
    modes, masses = modes_of("CO")
    moved = modes["positions"].values.copy()
    # the hydroxyl hydrogen on the other side of the molecule
    moved[2] += [1.5, 0, 0]
    with pytest.raises(DensnetError, match=r"found two conformers, an atom .* Angstrom apart"):
        mode_pairs(modes, modes.assign(positions=(modes["positions"].dims, moved)), masses)
    with pytest.raises(DensnetError, match="found those of other atoms"):
        mode_pairs(modes, modes_of("N")[0], masses)


def test_hand_made_tables_give_all_fundamentals_and_a_users_file_none(tmp_path: Path) -> None:
    known = all_vibrations("thiophene")
    assert known is not None and len(known) == 3 * len(from_smiles("c1ccsc1").numbers) - 6
    assert {row.species for row in known} == {"A1", "A2", "B1", "B2"}
    assert all_vibrations("mine") is None
