"""Model files of strangers: nothing they hold is run, and what they lack is said before memory is taken."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from ase import Atoms
from input_case import REFUSED, InputCase
from model_examples import METHANOL, METHANOL_POSITIONS, random_model

from densnet import DenSNetCalculator
from densnet.errors import DensnetError
from densnet.models.checkpoint import load_ensemble, save_model

Content = dict[str, Any]


class Writes:
    """A pickle of it would write a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def described(content: Content, **changes: Any) -> Content:
    description = json.loads(content["description"])
    return content | {"description": json.dumps(description | changes)}


def resized(content: Content, network: str, **sizes: int) -> Content:
    return described(content, **{network: json.loads(content["description"])[network] | sizes})


def spoilt(content: Content) -> Content:
    weights = dict(content["density"])
    name = next(name for name, tensor in weights.items() if tensor.is_floating_point() and tensor.numel())
    weights[name] = torch.full_like(weights[name], torch.nan)
    return content | {"density": weights}


CASES = (
    InputCase(
        "a Python object, which could run code",
        REFUSED,
        "found the Python object io.open, which could run code",
        lambda content, folder: content | {"prior": Writes(folder / "written")},
    ),
    InputCase(
        "a description that is no JSON",
        REFUSED,
        "its description is no JSON",
        lambda content, _: content | {"description": "{"},
    ),
    InputCase(
        "a description that is a list",
        REFUSED,
        "expected a description with names, found list",
        lambda content, _: content | {"description": "[]"},
    ),
    InputCase(
        "no free atoms",
        REFUSED,
        "prior: expected finite coefficients",
        lambda content, _: {key: value for key, value in content.items() if key != "prior"},
    ),
    InputCase(
        "free atoms of another shape",
        REFUSED,
        "prior: expected finite coefficients",
        lambda content, _: content | {"prior": torch.zeros(7, 1)},
    ),
    InputCase(
        "a number of members for a list of them",
        REFUSED,
        "expected a list of models, found none",
        lambda content, _: content | {"format": "densnet ensemble", "members": 5},
    ),
    InputCase(
        "a million layers",
        REFUSED,
        "1000000 layers of",
        lambda content, _: resized(content, "density_model", layers=1000000),
    ),
    InputCase(
        "a million channels",
        REFUSED,
        "layers of 1000000 and",
        lambda content, _: resized(content, "energy_model", channels=1000000),
    ),
    InputCase(
        "an unknown setting",
        REFUSED,
        "do not fit the architecture",
        lambda content, _: resized(content, "density_model", heads=4),
    ),
    InputCase(
        "weights that are not numbers",
        REFUSED,
        "is not finite: its training failed",
        lambda content, _: spoilt(content),
    ),
    InputCase(
        "a later version of the format",
        REFUSED,
        "expected version 2 of the file format, found 99",
        lambda content, _: content | {"format_version": 99},
    ),
)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Content:
    path = tmp_path_factory.mktemp("right") / "model.pt"
    save_model(random_model().float(), path, provenance={})
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_model_of_a_stranger(case: InputCase, content: Content, tmp_path: Path) -> None:
    path = tmp_path / "theirs.pt"
    torch.save(case.make(content, tmp_path), path)
    with pytest.raises(DensnetError) as caught:
        load_ensemble(path)
    assert case.words in str(caught.value) and "theirs.pt" in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "written").exists()


def test_an_archive_that_unpacks_to_more_than_torch_writes_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "theirs.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("theirs/data.pkl", bytes(64 * 2**20))
    with pytest.raises(DensnetError, match="unpacks to 64 MiB"):
        load_ensemble(tmp_path / "theirs.pt")


@pytest.mark.parametrize("device", ["cuda:99", "toaster"])
def test_a_device_that_there_is_not_is_one_line(device: str, content: Content, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(DensnetError, match=f"device: '{device}' cannot be used here") as caught:
        DenSNetCalculator(tmp_path / "model.pt", device=device)
    assert "\n" not in str(caught.value)


def test_a_geometry_without_an_energy_is_named(content: Content, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "model.pt")
    atoms = Atoms(METHANOL, METHANOL_POSITIONS)
    atoms.positions[1] = atoms.positions[0] + [0.0, 0.0, 0.2]
    atoms.calc = DenSNetCalculator(tmp_path / "model.pt")
    for parameter in atoms.calc.model.members[0].energy.parameters():
        parameter.data.fill_(torch.nan)
    with pytest.raises(DensnetError, match=r"no energy for this geometry: atoms 0 and 1 .* are 0\.20 Angstrom apart"):
        atoms.get_potential_energy()
    atoms = Atoms()
    atoms.calc = DenSNetCalculator(tmp_path / "model.pt")
    with pytest.raises(DensnetError, match="expected a molecule, found no atoms"):
        atoms.get_potential_energy()
