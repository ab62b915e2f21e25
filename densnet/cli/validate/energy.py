"""``densnet validate energy``: dynamics at constant energy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from densnet.cli.validate.options import LEVEL, MoleculeOptions, PotentialOptions, asking, recording
from densnet.io.netcdf import write_text
from densnet.molecule import formula
from densnet.reference.level import LevelOfTheory
from densnet.report.conservation_text import conservation_text
from densnet.validation.conservation import conservation, conservation_findings
from densnet.validation.findings import findings_csv
from densnet.validation.maker import minimum_of
from densnet.validation.settings import ConservationSettings


def energy(
    tested: Annotated[PotentialOptions, Parameter(name="*")] = PotentialOptions(),
    *,
    given: Annotated[MoleculeOptions, Parameter(name="*")] = MoleculeOptions(),
    settings: Annotated[ConservationSettings, Parameter(name="*")] = ConservationSettings(),
    double: Annotated[bool, Parameter(negative="--single")] = False,
    level: Annotated[LevelOfTheory, Parameter(name="*")] = LEVEL,
    output: Path | None = None,
) -> None:
    """Run replicas at constant energy with two time steps: drift, fluctuations, and the way back.

    Parameters
    ----------
    double
        Let a model compute in double precision; single, as its dynamics does, if not given.
    output
        CSV of all numbers.
    """
    potential = tested.chosen(level, output)
    molecule = given.molecule()
    relaxing = potential(molecule, double=double)
    mover = potential(molecule, settings.replicas, lasting=True, double=double)
    with recording(output):
        with asking(potential):
            minimum = minimum_of(relaxing, molecule.positions)
            conserved = conservation(mover, minimum, molecule.atomic_masses, settings)
        print(f"{potential.name}: {formula(molecule.numbers)}, {conservation_text(conserved)}")
        if output:
            write_text(output, findings_csv(conservation_findings(conserved)))
    potential.remove_parts()
