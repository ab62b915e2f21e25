"""The quantum chemistry of the labels, Psi4 or PySCF, as a potential; what was computed once is kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from densnet.errors import DensnetError
from densnet.fitting.response_labels import polarizabilities
from densnet.io.parts import Parts, digest_of
from densnet.molecule import Molecule
from densnet.potential import Array, Potential, Quantities
from densnet.reference.given_geometries import label_geometries
from densnet.reference.level import LevelOfTheory
from densnet.reference.programs import settled


class ReferencePotential(Potential):
    """Energies, forces, dipoles and polarizabilities at a level of theory, by the program that it names.

    Args:
        molecule: its elements and charge; its positions do not matter.
        level: level of theory.
        output: beside it finished geometries are kept, so that a restart goes on from there.
        sparing: a geometry that fails has no energy (NaN) and spares the others.
    """

    quantities = frozenset({"energy", "forces", "dipole"})

    def __init__(self, molecule: Molecule, level: LevelOfTheory, output: Path, *, sparing: bool = False) -> None:
        self.molecule, self.level, self.output, self.sparing = molecule, settled(level), output, sparing
        self.name, self.numbers = level.name, molecule.numbers
        identity = {"level": self.level.decisive(), "numbers": molecule.numbers.tolist(), "charge": molecule.charge}
        self.parts = Parts(output, identity)

    def __call__(self, positions: Array) -> Quantities:
        """Evaluate geometries (t, i, x) in Angstrom.

        Raises:
            DensnetError: no such program, an impossible level, or a calculation that fails.
        """
        known = self._known(positions)
        return {quantity: known[quantity] for quantity in self.quantities}

    def polarizability(self, positions: Array) -> Array:
        """Return the polarizabilities (t, x, field) of geometries (t, i, x), from the response of their orbitals."""
        known = self._known(positions)
        labels = xr.Dataset(
            {
                "numbers": (("atom",), self.numbers),
                "positions": (("frame", "atom", "x"), positions),
                "orbitals": (("frame", "ao", "occupied"), known["orbitals"]),
            },
            attrs=json.loads(str(known["attributes"])),
        )
        return polarizabilities(labels, self.output)

    def remove_parts(self) -> None:
        """Delete what was kept: the output is whole."""
        self.parts.remove()
        shutil.rmtree(self._label_parts, ignore_errors=True)

    @property
    def _label_parts(self) -> Path:
        return self.output.with_name(self.output.name + ".labels.parts")

    def _known(self, positions: Array) -> Mapping[str, Any]:
        """Return what was computed of geometries (t, i, x), now or before."""
        name = f"batch-{digest_of(positions)[:32]}"
        known = self.parts.read(name)
        if known is None or (self.quantities | {"orbitals"}) - known.keys():
            known = self._computed(positions)
            self.parts.write(name, known)
        return known

    def _computed(self, positions: Array) -> dict[str, Any]:
        output = self.output.with_name(self.output.name + ".labels")
        labelled, _ = label_geometries(self.molecule, positions, self.level, output)
        failed = [str(status) for status in labelled["status"].values if status != "ok"]
        if failed and (not self.sparing or len(failed) == len(positions)):
            program = self.level.program
            raise DensnetError(
                f"{program}: {len(failed)} of {len(positions)} geometries failed, the first: {failed[0]}"
            )
        answers = {name: labelled[name].values for name in (*self.quantities, "orbitals")}
        return answers | {"attributes": json.dumps(labelled.attrs, default=str)}
