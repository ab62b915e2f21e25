"""The potential that a user chooses: names, models and calculators of others, and choices that cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from densnet.errors import DensnetError
from densnet.molecule import Molecule, from_smiles
from densnet.potential import Potential
from densnet.potentials import NAMED
from densnet.potentials.choice import Chosen
from densnet.validation.maker import Maker

MODEL = Path(__file__).parents[2] / "models" / "ethanol.pt"
WATER = from_smiles("O")
FORCES = "from ase.calculators.morse import MorsePotential as Morse\nnumber = 3\n"


@pytest.fixture
def calculators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in with a module of someone else's."""
    (tmp_path / "of_mine.py").write_text(FORCES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    return tmp_path


def made(chosen: Maker, molecule: Molecule = WATER, replicas: int = 1) -> Potential:
    return chosen(molecule, replicas)


def test_a_name_and_a_calculator_of_the_working_folder_answer(calculators: Path) -> None:
    for name in ("gfn2-xtb", "mmff94", "of_mine:Morse"):
        chosen = Chosen(None, name)
        assert (chosen.name, chosen.batch) == (name, 1)
        forces = made(chosen, replicas=2)(np.stack([WATER.positions, WATER.positions + 1.0]))["forces"]
        # two places in space, one molecule
        np.testing.assert_allclose(forces[0], forces[1], atol=1e-5)


def test_a_model_answers_in_either_precision() -> None:
    chosen, ethanol = Chosen(MODEL, None, "cpu"), from_smiles("CCO")
    single, double = (chosen(ethanol, double=double)(ethanol.positions[None])["forces"] for double in (False, True))
    assert 0 < np.abs(single - double).max() < 1e-3


@pytest.mark.parametrize(
    ("model", "calculator", "expected"),
    [
        (None, None, "either a model file or --calculator, found neither"),
        (MODEL, "gfn2-xtb", "either a model file or --calculator, found both"),
        (
            None,
            "gfn3",
            f"{', '.join(NAMED)}, psi4, pyscf, gfn1-xtb or MODULE:CALLABLE, found 'gfn3'",
        ),
        (None, ":make", "or MODULE:CALLABLE, found ':make'"),
        (None, "no_such_module:make", "no_such_module:make cannot be imported"),
        (None, "of_mine:missing", "of_mine:missing cannot be imported"),
        (None, "of_mine:number", "expected of_mine:number to be a callable without arguments, found 3"),
        (None, "psi4", "psi4: takes long; expected --output FILE"),
    ],
)
def test_what_cannot_be_chosen_is_one_line(
    model: Path | None, calculator: str | None, expected: str, calculators: Path
) -> None:
    with pytest.raises(DensnetError) as refused:
        Chosen(model, calculator)
    assert expected in str(refused.value) and "\n" not in str(refused.value)


def test_a_model_that_lacks_an_element_is_refused() -> None:
    with pytest.raises(DensnetError, match=r"found \[16\]"):
        made(Chosen(MODEL, None, "cpu"), from_smiles("CS"))
