"""Densities as Molden files: PySCF's reader gives basis and coefficients back, and its functions the same density."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import ase.io
import numpy as np
import pytest
import xarray as xr
from ase.build import molecule
from pyscf.tools import molden

from densnet.basis.basis import Basis, Shell
from densnet.cli.export import density as export
from densnet.density.density import Density
from densnet.errors import DensnetError
from densnet.exchange.expanded_density import ExpandedDensities
from densnet.exchange.molden_file import read_molden, write_molden
from densnet.units import BOHR_IN_ANGSTROM

MODEL = Path(__file__).parents[2] / "models" / "ethanol.pt"
WATER = np.array([[0.0, 0.0, 0.12], [0.0, 0.76, -0.47], [0.1, -0.76, -0.47]])
POINTS = np.random.default_rng(5).normal(size=(200, 3))


def up_to(l_max: int) -> Basis:
    """Shells of one and of three primitives of every l, and those of oxygen not sorted by l."""
    shells = [Shell(l, (2.0 + l, 0.7, 0.3), (0.5, -0.4, 0.6)) for l in range(l_max + 1)]
    single = [Shell(l, (1.1,), (1.0,)) for l in range(l_max + 1)]
    return Basis("all", {1: tuple(shells[:2]), 8: tuple(shells + single)})


def of_water(basis: Basis) -> Density:
    numbers = [8, 1, 1]
    return Density(basis, numbers, WATER, np.random.default_rng(6).normal(size=basis.n_functions(numbers)))


def pyscfs_density(path: Path, points: np.ndarray) -> np.ndarray:
    """Values in e/Å³ of the one function of a file, at points in Å, by PySCF alone."""
    mole, _, coefficients, occupation, names, _ = molden.load(str(path))
    assert names == ["DENSITY"] and occupation.tolist() == [0.0] and not mole.cart
    return mole.eval_gto("GTOval_sph", points / BOHR_IN_ANGSTROM) @ coefficients[:, 0] / BOHR_IN_ANGSTROM**3


def test_every_shell_in_the_order_of_the_format(tmp_path: Path) -> None:
    density = of_water(up_to(4))
    write_molden(tmp_path / "water.molden", density)
    ours = density.at(POINTS)
    # doubles have 16 digits, of which sums of 60 terms lose two
    np.testing.assert_allclose(pyscfs_density(tmp_path / "water.molden", POINTS), ours, atol=1e-13 * np.abs(ours).max())
    text = (tmp_path / "water.molden").read_text()
    assert "no orbital: the value of the one function at a point is the density in e/bohr^3" in text
    assert text.index("[9G]") < text.index("[GTO]") < text.index("[MO]")


def test_natural_functions_of_a_model(tmp_path: Path) -> None:
    """A file for each frame; electrons and values are those of the model."""
    images = [molecule("CH3CH2OH") for _ in range(2)]
    images[1].rattle(0.05, seed=1)
    ase.io.write(tmp_path / "ethanol.xyz", images)
    export(model=MODEL, xyz=tmp_path / "ethanol.xyz", format="molden", output=tmp_path / "ethanol.molden")
    densities = ExpandedDensities.of_model(MODEL, tmp_path / "ethanol.xyz")
    assert densities.basis.name.startswith("natural") and densities.basis.l_max == 4
    for t, positions in enumerate(densities.positions):
        density = Density(densities.basis, densities.numbers, positions, densities.coefficients[t])
        theirs = pyscfs_density(tmp_path / f"ethanol_{t}.molden", POINTS)
        # contractions whose primitives cancel are normalised to 1e-12, and PySCF normalises them once more
        np.testing.assert_allclose(theirs, density.at(POINTS), atol=1e-10)
        assert read_molden(tmp_path / f"ethanol_{t}.molden").n_electrons == pytest.approx(26, abs=1e-8)


def test_comes_back_to_the_last_digit(water_labels: Path, tmp_path: Path) -> None:
    export(labels=water_labels, format="molden", output=tmp_path / "water.molden")
    labels = xr.load_dataset(water_labels)
    density = read_molden(tmp_path / "water_3.molden")
    assert density.basis.shells == Basis.from_json(labels.attrs["fit_basis"]).shells
    np.testing.assert_array_equal(density.numbers, labels["numbers"])
    np.testing.assert_array_equal(density.coefficients, labels["coefficients"][3])
    # PySCF keeps positions in Å meanwhile
    np.testing.assert_allclose(density.positions, labels["positions"][3], rtol=1e-14, atol=1e-15)


@pytest.mark.skipif(find_spec("iodata") is None, reason="qc-iodata is not installed")
def test_iodata_reads_it(tmp_path: Path) -> None:
    """∫ρ² by its own overlaps. It doubts functions that are not normalised, as a density is not, unless told so."""
    from iodata import load_one
    from iodata.overlap import compute_overlap

    density = of_water(up_to(4))
    write_molden(tmp_path / "water.molden", density)
    read = load_one(str(tmp_path / "water.molden"), norm_threshold=np.inf)
    c, S = read.mo.coeffs[:, 0], compute_overlap(read.obasis, read.atcoords)  # in the file's order, and normalised
    np.testing.assert_allclose(np.diag(S), 1.0, atol=1e-12)
    assert c @ S @ c == pytest.approx(density.overlap_norm() ** 2 * BOHR_IN_ANGSTROM**3, rel=1e-12)
    assert read.atnums.tolist() == [8, 1, 1] and "no orbital" in read.title
    assert [shell.kinds[0] for shell in read.obasis.shells if shell.angmoms[0] > 1] == ["p"] * 6


def test_functions_beyond_the_format(tmp_path: Path) -> None:
    with pytest.raises(DensnetError, match=r"expected functions up to g \(l = 4\), found l = 5 of O .*; write mts or"):
        write_molden(tmp_path / "water.molden", of_water(up_to(5)))
    assert not list(tmp_path.iterdir())


def orbitals_of(text: str) -> str:
    return text.replace("Sym= density", "Sym= 1a")


@pytest.mark.parametrize(
    "change, line",
    [
        (orbitals_of, "expected one function called 'density', found 1 orbitals"),
        (lambda text: text + text[text.index("Sym=") :], "expected one function called 'density', found 2 orbitals"),
        (lambda text: text.replace("[5D7F]\n[9G]\n", ""), r"expected .*spherical functions|cannot be read"),
        (lambda text: text[: text.index("[MO]")], "found 0 orbitals"),
        (lambda text: text[: len(text) // 3], "expected a Molden file of a density|found 0 orbitals"),
        (lambda text: text[: -len(text) // 20], "one coefficient each|cannot be read"),
        (lambda text: "", "expected a Molden file of a density, cannot be read|found 0 orbitals"),
        (lambda text: text.replace("\nd 1 1.00\n", "\nd 1 1.00\nfour ", 1), "cannot be read"),
    ],
)
def test_files_that_are_no_density(change: Callable[[str], str], line: str, tmp_path: Path) -> None:
    path = tmp_path / "their.molden"
    write_molden(path, of_water(up_to(4)))
    path.write_text(change(path.read_text()))
    with pytest.raises(DensnetError, match=rf"their\.molden: .*({line})") as error:
        read_molden(path)
    assert "\n" not in str(error.value)


def test_atoms_of_one_element_with_other_functions(tmp_path: Path) -> None:
    path = tmp_path / "their.molden"
    write_molden(path, of_water(up_to(4)))
    text = path.read_text()
    last = text.index("\n3 0\n")
    path.write_text(text[:last] + text[last:].replace("2.0000000000000000e+00", "8.0000000000000000e+00", 1))
    with pytest.raises(DensnetError, match=r"atom 1 has other functions than another H"):
        read_molden(path)
