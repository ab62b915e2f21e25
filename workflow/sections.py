"""The sections of config.yaml: the package's settings and those of the workflow alone, and the schema that follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, MinLen, Unit
from pydantic import Field

from densnet.dynamics.settings import DynamicsSettings, ExplorationSettings
from densnet.fitting.settings import FitSettings, ResponseSettings
from densnet.kernel.settings import Several
from densnet.models.settings import DensityModelSettings, EnergyModelSettings, ResponseModelSettings
from densnet.peers.settings import MaceSettings, Size
from densnet.reference.level import LevelOfTheory
from densnet.reference.settings import Benchmarked, CollectionSettings, SamplingSettings
from densnet.settings import Count, Kelvin, Natural, Positive, Rules, Settings, Text, rules, section
from densnet.spectra.settings import ComparisonSettings, SpectrumSettings
from densnet.training.settings import DensityTrainingSettings, EnergyTrainingSettings, ResponseTrainingSettings
from densnet.validation.settings import ConservationSettings, FailureSettings

LETTERS = "letters, digits, _ and -"
NAME = {
    "type": "string",
    # folders have such names: no file system takes more than 255 letters; $ alone lets a line end pass
    "pattern": r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$(?!\n)",
    "allowed": f"at most 64 {LETTERS}",
}
LENGTH = {
    "type": "string",
    "pattern": "^[1-9][0-9]*$",
    "allowed": "the length of a chain as a whole number of at least 1",
}
AtLeastTwo = Annotated[int, Ge(2)]


@dataclass(frozen=True)
class Run(Settings):
    """What is computed, apart from the sections."""

    run: str
    """Results go to results/<run>/."""
    ensemble: Count = 1
    """Train so many pairs of models, whose mean is the model, in dynamics too, which then cost so many times more;
    their spread estimates the error (docs/ensembles.md)."""
    chart: bool = False
    """Draw what energy and forces cost against how wrong they are, for the models of the run and other potentials: a
    chart for each system (docs/peers.md)."""


@dataclass(frozen=True)
class Experiment(Settings):
    """What a system's spectrum is laid beside."""

    fundamentals: Text = "auto"
    """Published line positions: auto (of the molecule itself, if a table has it), none, a table by its name (ethanol,
    methanethiol, thiophene, water, or a molecule of densnet/spectra/shimanouchi.csv), or a CSV file of your own."""
    jcamp: Text | None = None
    """A measured gas-phase infrared spectrum, JCAMP-DX."""
    raman_jcamp: Text | None = None
    """A measured Raman spectrum, JCAMP-DX."""


@dataclass(frozen=True)
class Budget(Settings):
    """How many frames of one length of chain are labelled."""

    n_train: AtLeastTwo
    """Training frames of this length."""
    n_validation: Count = 10
    """Validation frames of this length."""
    n_test: Count = 20
    """Test frames of this length."""


@dataclass(frozen=True)
class System(Settings):
    """A molecule, or a family of chains of several lengths (docs/polythiophene.md)."""

    smiles: Text | None = None
    """The molecule as a SMILES string in quotes."""
    xyz: Text | None = None
    """Or as an xyz file with one geometry in Å."""
    labels: Text | None = None
    """A folder of 'densnet pack' with labels made before: neither quantum chemistry nor smiles or xyz is needed, and of
    sampling only the numbers of frames count, if they are given (all frames, if not)."""
    rmd17: Benchmarked | None = None
    """A molecule of revised MD17 from the folder that DENSNET_DATA names: its frames, energies and forces; of sampling
    the numbers of frames alone count (docs/benchmarks.md)."""
    thiophene: Count | None = None
    """A chain of so many thiophene units, linked between their alpha carbons."""
    oligomer: Text | None = None
    """A chain of thiophene or of any other repeat unit, a SMILES with two attachment points such as "*CC*"."""
    units: Count | None = None
    """Length of the chain."""
    sizes: dict[str, int] | None = None
    """Instead of units: lengths that one model learns from together, and the frames of each."""
    extrapolate: dict[str, Count] | None = None
    """Lengths that are never trained on, and by how many frames each is judged, from the model's own dynamics."""
    replicas: dict[str, Count] | None = None
    """Lengths that have another number of replicas than md.replicas."""
    basis_from: Count | None = None
    """The length whose frames the natural fit basis is made from; the second shortest if not given."""
    charge: int = 0
    """Total charge, e."""
    multiplicity: Count = 1
    """2 S + 1; closed shells only."""


@dataclass(frozen=True)
class Reference(FitSettings, LevelOfTheory):
    """The quantum chemistry that is learned, and the basis in which its densities are."""

    response: bool = False
    """Learn how the density answers an electric field, too: polarizabilities and Raman spectra (docs/raman.md)."""
    shards: Count = 16
    """Labelling is cut into so many jobs; they run side by side, one core each."""


@dataclass(frozen=True)
class Sampling(SamplingSettings):
    """Geometries: conformers (RDKit), dynamics with GFN2-xTB, then a diverse choice among its frames."""

    n_train: AtLeastTwo = SamplingSettings.n_train
    n_validation: Count = SamplingSettings.n_validation
    n_test: Count = SamplingSettings.n_test


@dataclass(frozen=True)
class Active(CollectionSettings, ExplorationSettings):
    """Active learning: rounds in which an ensemble looks for geometries that it does not know, in hot dynamics of its
    members, and they are labelled (docs/active.md). The models of the run then learn from all labels."""

    rounds: Natural = 0
    """Rounds; 0: no active learning."""
    members: AtLeastTwo = 3
    """Models of the ensemble in each round."""
    steps_share: Annotated[Positive, Le(1)] = 0.5
    """Steps of the trainings in the rounds over those of density_model and energy_model."""
    warm_rate: Annotated[Positive, Le(1)] = 0.3
    """Learning rate over the configured one after the first round, when models go on from those of the round before."""


@dataclass(frozen=True)
class Dynamics(DynamicsSettings):
    """Molecular dynamics: Langevin to thermalise, then constant energy; the second part gives the spectrum."""

    potentials: Annotated[tuple[Text, ...], Field(strict=False)] = ("gfn2-xtb",)
    """The same simulation with other potentials, to set their spectra beside the model's (docs/potentials.md)."""


@dataclass(frozen=True)
class Harmonic(Settings):
    """Harmonic frequencies and intensities, laid below the spectra from dynamics (docs/polythiophene.md)."""

    model: Literal["families", "all", "none"] = "families"
    """By the model: of the lengths of families, of all systems, or none."""
    psi4: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    """By the labels' own program too, of the systems or lengths named here, [ethanol, polythiophene/1]: 6 gradients an
    atom, and some dozens to relax; in as many jobs as reference.shards."""
    potentials: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    """By other potentials too, named as in md.potentials, of all systems that have the model's: from its minimum."""


@dataclass(frozen=True)
class Peers(Settings):
    """Other models, trained on the same frames and set beside ours (docs/peers.md)."""

    mace: Annotated[tuple[Size, ...], Field(strict=False)] = ()
    """MACE, for energies and forces: small, large, or both."""
    mace_minutes: Annotated[Positive, Unit("min")] = MaceSettings.minutes
    """Wall time of each training."""
    mace_foundation: Text | None = None
    """Model file of MACE that is fine-tuned on the same frames, beside those from scratch; its code is not run."""
    kernel: Annotated[tuple[Several, ...], Field(strict=False)] = ()
    """The Hohenberg-Kohn map by kernel ridge regression, for these numbers of training points, as kernel.csv and
    kernel.nc of each system (docs/kernel.md)."""


FINE_TUNED = "fine_tuned"
"""What stands in place of a size where MACE begins with a foundation's weights."""


def mace_trainings(config: Mapping[str, Any]) -> list[str]:
    """Return the trainings of MACE that a configuration asks for: sizes, and :data:`FINE_TUNED`."""
    peers = config["peers"]
    return [*dict.fromkeys(peers["mace"]), *([FINE_TUNED] if peers.get("mace_foundation") else [])]


@dataclass(frozen=True)
class Validation(Settings):
    """Tests of the model where test frames do not reach, with their results on the page (docs/validation.md)."""

    tests: Annotated[
        tuple[Literal["energy", "robustness", "structure", "ladder"], ...],
        Field(strict=False),
    ] = ()
    """energy: is it conserved; robustness: are there holes, does hot dynamics survive; structure: is the minimum right;
    ladder: how errors grow from usual to unusual labels."""
    potentials: Annotated[tuple[Text, ...], Field(strict=False)] = ()
    """Potentials that are put to the same tests and stand beside the model, named as in md.potentials."""
    reference: Text = "gfn2-xtb"
    """What robustness and structure compare with: a potential by its name, or psi4 or pyscf, whichever makes the
    labels, at their level, which takes some 30 energies and gradients for each atom, once for all potentials."""


@dataclass(frozen=True)
class Heating(FailureSettings):
    """Hot dynamics of the test of robustness, until replicas fail."""

    temperatures: Annotated[tuple[Kelvin, ...], MinLen(1), Field(strict=False), Unit("K")] = (
        300.0,
        500.0,
        700.0,
        1000.0,
    )
    """Of the thermostat; each is run with all replicas."""


TESTS: dict[str, type[Settings]] = {"energy": ConservationSettings, "robustness": Heating}
"""Sections of validation: of the tests that have settings of their own."""
SECTIONS: dict[str, type[Settings]] = {
    "reference": Reference,
    "sampling": Sampling,
    "response": ResponseSettings,
    "active": Active,
    "md": Dynamics,
    "spectrum": SpectrumSettings,
    "harmonic": Harmonic,
    "comparison": ComparisonSettings,
    "peers": Peers,
}


def schema(of: Callable[[type[Settings]], Rules] = rules) -> Rules:
    """Return the JSON schema of config.yaml.

    Args:
        of: gives the schema of some settings; another than :func:`densnet.settings.rules` may say more of each key.
    """
    top, system, architecture = of(Run)["properties"], of(System), of(DensityModelSettings)
    by_length = {"type": "object", "propertyNames": LENGTH}
    sizes = {"minProperties": 1, "additionalProperties": of(Budget)}
    for key, more in (("sizes", sizes), ("extrapolate", {}), ("replicas", {})):
        system["properties"][key] |= by_length | more
    system["properties"]["experiment"] = of(Experiment) | {"default": {}}
    target = architecture["properties"].pop("target")
    density = {"target": target, "architecture": architecture, "training": of(DensityTrainingSettings)}
    energy = {"architecture": of(EnergyModelSettings), "training": of(EnergyTrainingSettings)}
    response = {"architecture": of(ResponseModelSettings), "training": of(ResponseTrainingSettings)}
    simple = {name: of(kind) | {"default": {}} for name, kind in SECTIONS.items()}
    labels = {name: simple.pop(name) for name in ("reference", "sampling")}
    validation = of(Validation) | {"default": {}}
    validation["properties"] |= {name: of(kind) | {"default": {}} for name, kind in TESTS.items()}
    return section(
        {
            "run": top["run"] | NAME,
            "systems": {
                "type": "object",
                "minProperties": 1,
                "propertyNames": NAME | {"allowed": f"a name of at most 64 {LETTERS}"},
                "additionalProperties": system,
            },
            **labels,
            "ensemble": top["ensemble"],
            "density_model": _optional(density),
            "energy_model": _optional(energy),
            "response_model": _optional(response),
            **simple,
            "validation": validation,
            "chart": top["chart"],
            "sweep": {"type": "object", "additionalProperties": {"type": "array", "minItems": 1}, "default": {}},
        },
        required=["run", "systems"],
    )


def _optional(keys: dict[str, Rules]) -> Rules:
    nested = {name: rule | ({"default": {}} if "properties" in rule else {}) for name, rule in keys.items()}
    return section(nested, default={})
