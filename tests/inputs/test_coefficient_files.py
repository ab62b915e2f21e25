"""Coefficients of densities (``.mts``) beside an extended xyz, for ``densnet import``: what is read, what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
import xarray as xr
from ase import Atoms
from input_case import READ, REFUSED, SAID, InputCase

from densnet.basis.basis import Basis
from densnet.basis.conventions import from_canonical
from densnet.basis.integrals import charges, shells_of
from densnet.cli.atoms import atoms as free_atoms
from densnet.cli.export import density as export
from densnet.cli.import_ import import_labels
from densnet.errors import DensnetError
from densnet.exchange.metatensor_file import coefficients_of, tensor_map
from densnet.fitting.settings import FitSettings
from densnet.io.netcdf import write_dataset
from densnet.reference.level import LevelOfTheory

NAME = "def2-SVP-JKFIT"
NUMBERS = np.array([8, 1, 1])
SIZE = 4


@pytest.fixture(scope="module")
def exported(water_labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with densities.mts, densities_frames.xyz and the free atoms, of four frames of water."""
    folder = tmp_path_factory.mktemp("exported")
    data = xr.load_dataset(water_labels).isel(frame=slice(7, 7 + SIZE)).assign_attrs(functional="HF", basis="STO-3G")
    write_dataset(data, folder / "labels.nc", stage="fit", method_version=1, settings={})
    export(labels=folder / "labels.nc", output=folder / "densities.mts")
    level = LevelOfTheory(functional="HF", basis="STO-3G", program="pyscf")
    free_atoms(output=folder / "atoms.nc", elements=["H", "O"], level=level)
    return folder


Content = dict[str, Any]
"""The map (tensor), the frames, and the name of the basis that the user gives (fit_basis)."""


def layout(names: tuple[str, str, str]) -> Callable[[Any], Any]:
    """Return what names the keys anew."""

    def change(tensor: Any) -> Any:
        from metatensor import Labels, TensorMap

        return TensorMap(Labels(list(names), tensor.keys.values), [block.copy() for block in tensor.blocks()])

    return change


def first_frames(count: int) -> Callable[[Content], Content]:
    return lambda c: {"frames": c["frames"][:count]}


def of_coefficients(change: Callable[[np.ndarray], np.ndarray], name: str = NAME) -> Callable[[Content], Content]:
    """Return what writes other coefficients (t, k), by a basis whose name the file does not hold."""

    def make(content: Content) -> Content:
        basis = Basis.from_name(NAME, NUMBERS)
        c = coefficients_of(content["tensor"], basis, NUMBERS, SIZE, Path("their.mts"))
        tensor = tensor_map(basis, NUMBERS, change(c))
        return {"tensor": layout(("o3_lambda", "o3_sigma", "center_type"))(tensor), "fit_basis": name}

    return make


def more_charge(share: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return what adds a share of the electrons, with the density's own form."""

    def change(c: np.ndarray) -> np.ndarray:
        q = charges(Basis.from_name(NAME, NUMBERS), NUMBERS)
        assert np.abs(c @ q - 10).max() < 1e-6
        return (1 + share) * c

    return change


def in_order_of(convention: str) -> Callable[[np.ndarray], np.ndarray]:
    index, _ = from_canonical(convention, shells_of(Basis.from_name(NAME, NUMBERS), NUMBERS))
    return lambda c: c[:, index]


def changed_frames(change: Callable[[Atoms], None]) -> Callable[[Content], Content]:
    def make(content: Content) -> Content:
        for atoms in content["frames"]:
            change(atoms)
        return {}

    return make


def without_forces(atoms: Atoms) -> None:
    del atoms.arrays["REF_forces"]


def negative_forces(atoms: Atoms) -> None:
    atoms.arrays["REF_forces"] *= -1.0


def charged(atoms: Atoms) -> None:
    atoms.info["charge"] = 2


def other_dipole(atoms: Atoms) -> None:
    atoms.info["REF_dipole"] = np.array([0.5, 0.0, 0.0])


CASES = (
    InputCase("o3_lambda, o3_sigma, atom_type, with their basis", READ, "", lambda c: {}),
    InputCase("center_type for atom_type; the basis by its name", READ, "", of_coefficients(lambda c: c)),
    InputCase(
        "0.3 % more electrons than the molecule has",
        SAID,
        "the coefficients' charge is off by up to 0.03 electrons: moved to the nearest densities of the exact charge",
        of_coefficients(more_charge(0.003)),
    ),
    InputCase(
        "1 % more electrons",
        REFUSED,
        "frame 0: the coefficients hold 10.1000 electrons, expected 10",
        of_coefficients(more_charge(0.01)),
    ),
    InputCase(
        "functions in another order",
        REFUSED,
        "the given dipole differs from the density's by",
        of_coefficients(in_order_of("psi4")),
    ),
    InputCase(
        "another basis than the one named",
        REFUSED,
        "which the basis 'def2-SVP' lacks; name the file's own by --fit-basis",
        of_coefficients(lambda c: c, "def2-SVP"),
    ),
    InputCase(
        "no basis, and none is named",
        REFUSED,
        "does not hold its basis; name it by --fit-basis",
        of_coefficients(lambda c: c, "natural"),
    ),
    InputCase(
        "other keys",
        REFUSED,
        "expected the keys o3_lambda, o3_sigma and atom_type or center_type, found l, parity, element",
        lambda c: {"tensor": layout(("l", "parity", "element"))(c["tensor"]), "fit_basis": NAME},
    ),
    InputCase(
        "more frames than the xyz file",
        REFUSED,
        "system 3: expected one of the 3 frames of the xyz file, from 0",
        first_frames(3),
    ),
    InputCase(
        "fewer frames than the xyz file",
        REFUSED,
        "system 4: no coefficient of l = 0",
        lambda c: {"frames": [*c["frames"], c["frames"][0]]},
    ),
    InputCase(
        "another element than the xyz file",
        REFUSED,
        "its basis 'def2-SVP-JKFIT' has no functions for S, which the xyz file has",
        changed_frames(lambda atoms: atoms.set_atomic_numbers([16, 1, 1])),
    ),
    InputCase(
        "atoms in another order than the xyz file",
        REFUSED,
        "system 0: atom 1 is H, in the xyz file O",
        changed_frames(lambda atoms: atoms.set_atomic_numbers([1, 8, 1])),
    ),
    InputCase("frames without forces", REFUSED, "frame 0 has no 'forces'", changed_frames(without_forces)),
    InputCase("frames with gradients for forces", REFUSED, "look like gradients", changed_frames(negative_forces)),
    InputCase(
        "frames of another charge", REFUSED, "hold 10.0000 electrons, expected 8; check", changed_frames(charged)
    ),
    InputCase(
        "frames of another dipole",
        REFUSED,
        "the given dipole differs from the density's by",
        changed_frames(other_dipole),
    ),
    InputCase("no map of metatensor", REFUSED, "expected a TensorMap of metatensor", lambda c: {"bytes": b"nothing"}),
)


@pytest.mark.skipif(find_spec("metatensor") is None, reason="metatensor-core is not installed")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_coefficients(case: InputCase, exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    import metatensor
    from metatensor.io import save_buffer

    frames = ase.io.read(exported / "densities_frames.xyz", ":")
    content = {"tensor": metatensor.load(str(exported / "densities.mts")), "frames": frames, "fit_basis": "natural"}
    content |= case.make(content)
    ase.io.write(tmp_path / "theirs.xyz", content["frames"], format="extxyz")
    (tmp_path / "theirs.mts").write_bytes(content.get("bytes") or bytes(save_buffer(content["tensor"])))
    files = {"data": tmp_path / "theirs.mts", "xyz": tmp_path / "theirs.xyz", "atoms": exported / "atoms.nc"}
    output = tmp_path / "labels.nc"
    settings = FitSettings(fit_basis=content["fit_basis"], grid_level=0)
    capsys.readouterr()
    if case.outcome == REFUSED:
        with pytest.raises(DensnetError) as caught:
            import_labels(**files, settings=settings, output=output)
        assert case.words in str(caught.value) and "theirs." in str(caught.value) and "\n" not in str(caught.value)
        assert not output.exists()
        return
    import_labels(**files, settings=settings, output=output)
    said = [line for line in capsys.readouterr().err.splitlines() if not re.search(r": \d+/\d+ frames$", line)]
    assert [case.words in line for line in said] == [True] * (case.outcome == SAID)
    assert xr.load_dataset(output).sizes["frame"] == SIZE
