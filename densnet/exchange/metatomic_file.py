"""Models for the engines of metatomic (LAMMPS, ASE, i-PI, GROMACS ...), https://docs.metatensor.org/metatomic.

One file holds networks, closed-form parts and fitting basis. The engine finds pairs of atoms, calls the model and
differentiates its energy.
"""

from __future__ import annotations

import json
import math
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from densnet import __version__
from densnet.basis.basis import Basis
from densnet.errors import DensnetError
from densnet.io.netcdf import write_atomically
from densnet.models.checkpoint import load_model, read_description
from densnet.models.torchscript import torchscript

if TYPE_CHECKING:
    from metatomic.torch import ModelCapabilities, ModelMetadata

INSTALL = "run .venv/bin/pip install -c envs/requirements.lock '.[metatomic]'"
ARTICLE = "https://arxiv.org/abs/2604.24563"
MAP = "https://arxiv.org/abs/1609.02815"


def write_metatomic(model: Path, output: Path, *, dtype: torch.dtype = torch.float32) -> list[str]:
    """Write a model for metatomic's engines.

    Args:
        model: a ``model.pt`` of one model.
        output: the file, usually ``.mta``.
        dtype: precision of the networks. Positions and results are float64 in any case, for total energies have more
            digits than float32.

    Returns:
        The names of the outputs that engines can ask for.

    Raises:
        DensnetError: metatomic is not installed; no model of ours, an ensemble, or one without energies; the file
            cannot be written.
    """
    if find_spec("metatomic") is None:
        raise DensnetError(f"metatomic: the package metatomic-torch is not installed; {INSTALL}")
    from metatomic.torch import AtomisticModel

    from densnet.exchange.metatomic_model import MetatomicModel

    networks, description = load_model(model, dtype=dtype), read_description(model)
    whitened = networks.density.whitened
    shells = shells_of(whitened.basis, whitened.elements)
    portable = MetatomicModel(torchscript(networks), whitened.elements, shells, networks.cutoff).eval()
    capabilities = _capabilities(whitened.elements)
    outputs = list(capabilities.outputs)
    atomistic = AtomisticModel(portable, _metadata(description, whitened.basis), capabilities)
    write_atomically(output, atomistic.save)
    return outputs


def shells_of(basis: Basis, elements: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """Return l, atomic number and number of shells of every block of coefficients, element by element."""
    every = [(l, z, basis.n_radial(z, l)) for z in sorted(elements) for l in range(basis.l_max + 1)]
    return [shell for shell in every if shell[2]]


def _capabilities(elements: tuple[int, ...]) -> ModelCapabilities:
    from metatomic.torch import ModelCapabilities, ModelOutput

    outputs = {
        "energy": ModelOutput(unit="eV", sample_kind="atom", description="total energy, electrons and nuclei"),
        "densnet::dipole": ModelOutput(unit="e*angstrom", sample_kind="system", description="electric dipole moment"),
        "densnet::density": ModelOutput(
            sample_kind="atom",
            description=(
                "coefficients c of the electron density ρ(r) = Σ c χ(r), atomic units, of the basis in the metadata's "
                "'basis'; real solid harmonics, o3_mu = -l ... l (y, z, x for l = 1), ∫χ² = 1; n counts the shells"
            ),
        ),
    }
    return ModelCapabilities(
        outputs=outputs,
        atomic_types=list(elements),
        # the charge that the networks miss is shared among all atoms of a molecule
        interaction_range=math.inf,
        length_unit="angstrom",
        supported_devices=["cpu", "cuda"],
        dtype="float64",
    )


def _metadata(description: dict[str, Any], basis: Basis) -> ModelMetadata:
    from metatomic.torch import ModelMetadata

    return ModelMetadata(
        name="densnet",
        description="electron density from the geometry, energy from both; for molecules without periodic boundaries",
        references={"architecture": [ARTICLE, MAP], "implementation": [f"densnet {__version__}"]},
        extra={
            "basis": basis.to_json(),
            "coefficient_convention": description["coefficient_convention"],
            "charge": str(description["charge"]),
            "provenance": json.dumps(description["provenance"]),
        },
    )
