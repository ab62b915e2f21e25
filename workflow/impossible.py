"""Configurations whose keys are each allowed, but which cannot be run together; a line for each reason."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from families import harmonic_systems
from given_benchmarks import benchmark_numbers, impossible_benchmark, impossible_folder, impossible_sizes
from given_labels import check_harmonic, impossible_labels, labels_in
from schema_lines import refused
from sections import SECTIONS, Reference, mace_trainings
from stages import SIZES, one_of
from validators import impossible_validation, lacking_elements

from densnet.basis.pyscf_functionals import libxc_name
from densnet.errors import DensnetError
from densnet.potential import check_elements
from densnet.potentials import NAMED, check, named_class
from densnet.reference.level import PYSCF
from densnet.spectra.settings import SpectrumSettings

SPEED_OF_LIGHT_CM_PER_FS = 2.99792458e-5
NEEDED = ("energy", "forces", "dipole")
"""Of a potential that runs beside the model."""


def impossible(config: Mapping[str, Any], *, molecules: bool = True) -> Iterator[str]:
    """Yield a line for everything that each key alone allows but that cannot be.

    Args:
        molecules: look at the systems too, which takes a second.
    """
    if paths := list(_impossible_paths(config)):
        yield from paths
        return
    yield from _impossible_names(config)
    yield from _impossible_sizes(config)
    refusals = [line for name, kind in SECTIONS.items() for line in refused(name, partial(kind, **config[name]), ".")]
    yield from refusals or _impossible_spectrum(config)
    yield from _impossible_harmonic(config)
    yield from _impossible_active(config)
    yield from _impossible_response(config)
    yield from _impossible_potentials(config)
    yield from impossible_validation(config)
    if molecules:
        yield from impossible_folder(config)
    for name, system in config["systems"].items() if molecules else ():
        yield from _impossible_system(name, system, config)


def _impossible_names(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for names of which some file systems make one folder."""
    first: dict[str, str] = {}
    for name in [*config["families"], *config["systems"]]:
        if (earlier := first.setdefault(name.lower(), name)) != name:
            yield f"systems.{name}: expected names that differ in more than their case, found {earlier} too; rename one"


def _impossible_paths(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each file whose name Snakemake would read as a pattern."""
    named = {f"reference.{key}": config["reference"][key] for key in ("fit_basis", "natural_primitives")}
    for name, system in config["systems"].items():
        where, experiment = f"systems.{system.get('family', name)}", system["experiment"]
        named |= {f"{where}.{key}": system.get(key) for key in ("xyz", "labels")}
        named |= {f"{where}.experiment.{key}": experiment.get(key) for key in ("fundamentals", "jcamp")}
    named["peers.mace_foundation"] = foundation = config["peers"].get("mace_foundation")
    if foundation and not Path(foundation).is_file():
        yield f"peers.mace_foundation: expected a model file of MACE, {foundation} is not there; correct its name"
    for key, path in named.items():
        if path and set("{}") & set(path):
            yield f"{key}: expected a path without braces, which are patterns to Snakemake, found {path!r}; rename it"


def _impossible_sizes(config: Mapping[str, Any]) -> Iterator[str]:
    sampling, reference = config["sampling"], config["reference"]
    frames = sum(sampling[size] for size in SIZES)
    given = [(name, system) for name, system in config["systems"].items() if "labels" in system]
    lone = [name for name, system in config["systems"].items() if not {"labels", "family"} & set(system)]
    if reference["shards"] > frames and lone and reference["shards"] != Reference.shards:
        yield (
            f"reference.shards: expected at most {frames}, as many as sampling has frames, found {reference['shards']}"
        )
    if lone:
        yield from _too_many(config, sampling["n_train"], "sampling.n_train =")
    for name, family in config["families"].items():
        for model in ("density_model", "energy_model"):
            training = config[model]["training"]
            if "n_train" in training:
                yield f"{model}.training.n_train: cannot be set for systems.{name}.sizes, which have their own n_train"
            if training.get("max_units", family["sizes"][0]) < family["sizes"][0]:
                yield (
                    f"{model}.training.max_units: expected at least {family['sizes'][0]}, the shortest chain of "
                    f"systems.{name}.sizes, found {training['max_units']}"
                )
        if mace_trainings(config):
            yield f"peers.mace: cannot be trained on systems.{name}, whose frames are of several lengths; leave it out"
        if config["peers"]["kernel"]:
            yield f"peers.kernel: cannot be fitted to systems.{name}, whose frames are of several lengths; leave it out"
    for name, system in given:
        yield from _impossible_frames(config, name, system)
    for name, system in config["systems"].items():
        if "rmd17" in system:
            yield from impossible_sizes(f"systems.{name}", system, sampling)
    if reference["program"] == PYSCF:
        yield from refused("reference", lambda: libxc_name(reference["functional"]))
    if reference["dispersion"] == "d4":
        from densnet.reference.dispersion import check_d4

        yield from refused("reference", lambda: check_d4(reference["functional"]))


def _impossible_active(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for what active learning cannot be done with."""
    rounds = config["active"]["rounds"]
    if not rounds:
        return
    beside = {"sweep": config["sweep"], "peers.mace": mace_trainings(config)}
    beside |= {
        f"{model}.training.n_train": config[model]["training"].get("n_train")
        for model in ("density_model", "energy_model")
    }
    for key in (key for key, value in beside.items() if value):
        yield f"active.rounds: expected 0 beside {key}, found {rounds}; run them one after the other"
    for name in config["families"]:
        yield f"active.rounds: expected 0 beside systems.{name}.sizes, found {rounds}; take one length"
    for name, system in config["systems"].items():
        if "rmd17" in system:
            yield f"active.rounds: expected 0 beside systems.{name}.rmd17, found {rounds}; its frames are given"


def _impossible_response(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for what the response to a field cannot be learned beside."""
    if not config["reference"]["response"]:
        return
    if config["ensemble"] > 1:
        yield f"reference.response: expected false beside ensemble, found true and {config['ensemble']} members"
    for name in config["families"]:
        yield f"reference.response: expected false beside systems.{name}.sizes, found true; take one length"
    if config["sweep"]:
        yield "reference.response: expected false beside sweep, found true; run them one after the other"


def _too_many(config: Mapping[str, Any], available: int, what: str) -> Iterator[str]:
    for name in ("density_model", "energy_model"):
        wanted = config[name]["training"].get("n_train", 0)
        if wanted > available:
            yield f"{name}.training.n_train: expected at most {what} {available}, found {wanted}"
    if (most := max(config["peers"]["kernel"], default=0)) > available:
        yield f"peers.kernel: expected at most {what} {available}, found {most}"


def _impossible_frames(config: Mapping[str, Any], name: str, system: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line where more frames are wanted than given labels hold."""
    folder = Path(system["labels"])
    try:
        held = labels_in(folder).sizes
    except DensnetError:
        return
    for size, wanted in system["frames"].items():
        available = held[size.removeprefix("n_")]
        if wanted > available:
            yield (
                f"{system.get('key', 'sampling')}.{size}: expected at most {available}, as many as {folder} holds "
                f"(systems.{system.get('family', name)}.labels), found {wanted}"
            )
            return
    if "family" in system:
        return
    taken = system["frames"].get("n_train", held["train"])
    yield from _too_many(config, taken, f"the training frames of {folder} (systems.{name}.labels) that are taken,")


def _impossible_spectrum(config: Mapping[str, Any]) -> Iterator[str]:
    from densnet.spectra.windows import segment_length

    settings, md = SpectrumSettings(**config["spectrum"]), config["md"]
    interval = md["stride"] * md["timestep_fs"]
    nyquist = 0.5 / (SPEED_OF_LIGHT_CM_PER_FS * interval)
    if nyquist < settings.wavenumber_max:
        yield (
            f"md.stride: a dipole every {interval:g} fs resolves up to {nyquist:.0f} 1/cm, expected at least "
            f"spectrum.wavenumber_max = {settings.wavenumber_max:g}; take a smaller stride"
        )
    samples = math.floor(1000 * md["production_ps"] / interval)
    try:
        segment_length(settings, interval, samples)
    except DensnetError as error:
        yield f"spectrum.{error} (md.production_ps = {md['production_ps']:g})"


def _impossible_potentials(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each potential beside the model that is unknown or not installed, or gives no dipole."""
    for name in config["md"]["potentials"]:
        yield from refused("md.potentials", partial(check, name, (), NEEDED, "the spectrum"))


def _unknown_elements(where: str, config: Mapping[str, Any], numbers: Iterable[int]) -> Iterator[str]:
    """Yield a line for each potential beside the model that does not know an element of a system."""
    for section in ("md", "harmonic"):
        for name in config[section]["potentials"]:
            if name in NAMED:
                known = partial(check_elements, named_class(name), numbers)
                yield from refused(f"{where} with {section}.potentials", known)
    yield from lacking_elements(where, config, numbers)


def _impossible_harmonic(config: Mapping[str, Any]) -> Iterator[str]:
    known = config["systems"]
    for name in config["harmonic"]["psi4"]:
        if name not in known:
            yield f"harmonic.psi4: expected names among {', '.join(known)}, found {name}"
    for name in config["harmonic"]["potentials"]:
        yield from refused("harmonic.potentials", partial(check, name, (), NEEDED, "harmonic frequencies"))
    for name in harmonic_systems(config):
        if "rmd17" in known[name]:
            yield f"harmonic: systems.{name} is of revised MD17, which has no minimum to start from; leave it out"
        elif not {"smiles", "xyz", "oligomer"} & set(known[name]):
            yield f"harmonic: systems.{name} has no geometry to start from; add its smiles or xyz, or leave it out"


def _impossible_system(name: str, system: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    from densnet.basis.basis import Basis
    from densnet.spectra.experiment import fundamentals
    from densnet.spectra.jcamp_dx import read_jcamp_dx

    family = system.get("family")
    if family and "labels" not in system and name != one_of(config, family):
        # what is wrong with one length is wrong with all
        return
    where = f"systems.{family or name}"
    experiment = system["experiment"]
    if "fundamentals" in experiment:
        yield from refused(f"{where}.experiment", lambda: fundamentals(experiment["fundamentals"]))
    if "jcamp" in experiment:
        yield from refused(f"{where}.experiment.jcamp", lambda: read_jcamp_dx(Path(experiment["jcamp"])))
    if not experiment and not config["md"]["potentials"]:
        yield f"{where}.experiment: expected fundamentals or jcamp, for md.potentials is empty: nothing to compare with"

    if "rmd17" in system:
        yield from _impossible_benchmark(where, system, config)
        return
    if ("smiles" in system and "xyz" in system) or not {"smiles", "xyz", "oligomer", "labels"} & set(system):
        yield f"{where}: expected either smiles or xyz, found {'both' if 'smiles' in system else 'neither'}"
        return
    if "labels" in system:
        yield from _impossible_given(where, system, config)
        return
    numbers: list[int] = []
    refusal = list(refused(where, lambda: numbers.extend(atomic_numbers(system))))
    yield from refusal
    if not refusal:
        yield from _unknown_elements(where, config, numbers)
        yield from refused(
            f"{where} with reference.basis", lambda: _all_electron(config["reference"]["basis"], set(numbers))
        )
        orbital = list(
            refused(f"{where} with reference.basis", lambda: Basis.from_name(config["reference"]["basis"], numbers))
        )
        yield from orbital or refused(f"{where} with reference.fit_basis", lambda: _fit_basis(config, numbers))


def _impossible_benchmark(where: str, system: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    contradictions = list(impossible_benchmark(where, system, config))
    yield from contradictions
    if not contradictions and not list(impossible_folder(config)):
        numbers = list(benchmark_numbers(system["rmd17"]))
        yield from _unknown_elements(where, config, numbers)
        yield from refused(f"{where} with reference.fit_basis", lambda: _fit_basis(config, numbers))


def _impossible_given(where: str, system: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    folder = Path(system["labels"])
    refusal = list(refused(f"{where}.labels", lambda: labels_in(folder)))
    if refusal:
        yield from refusal
        return
    contradictions = [
        *impossible_labels(where, system, config),
        *refused(f"{where}.labels", lambda: check_harmonic(system)),
    ]
    if contradictions:
        yield from contradictions
        return
    numbers = list(labels_in(folder).numbers)
    yield from _unknown_elements(where, config, numbers)
    if {"smiles", "xyz", "oligomer"} & set(system):
        named: list[int] = []
        yield from refused(where, lambda: named.extend(atomic_numbers(system)))
        if named and sorted(named) != sorted(numbers):
            from densnet.molecule import formula

            units = f" x {system['units']}" if "units" in system else ""
            key = next(key for key in ("smiles", "xyz", "oligomer") if key in system)
            yield (
                f"{where}.{key}: {system[key]}{units} is {formula(named)}, but the labels in {folder} are of "
                f"{formula(numbers)}; correct one of them, or leave {key} out"
            )
            return
    yield from refused(f"{where} with reference.fit_basis", lambda: _fit_basis(config, numbers))


def _fit_basis(config: Mapping[str, Any], numbers: list[int]) -> None:
    """Look up every basis that the fit needs, and whether the density model can describe it."""
    from densnet.basis.basis import Basis
    from densnet.fitting.fit_basis import named_fit_basis
    from densnet.fitting.settings import NATURAL

    reference = config["reference"]
    orbital_basis = Basis.from_name(reference["basis"], numbers)
    natural = reference["fit_basis"] == NATURAL
    basis = named_fit_basis(reference["natural_primitives" if natural else "fit_basis"], numbers, orbital_basis)
    l_max = config["density_model"]["architecture"]["l_max"]
    if basis.l_max > l_max:
        raise DensnetError(
            f"{basis.name!r} has functions up to l = {basis.l_max}, expected at most density_model.architecture.l_max "
            f"= {l_max}; raise that or choose another basis"
        )


def atomic_numbers(system: Mapping[str, Any]) -> list[int]:
    from densnet.molecule import conformers, from_xyz
    from densnet.oligomer import chain_numbers

    electrons = {"charge": system["charge"], "multiplicity": system["multiplicity"]}
    if "oligomer" in system:
        return chain_numbers(system["oligomer"], system["units"], **electrons)
    if "smiles" in system:
        molecule = conformers(system["smiles"], count=1, **electrons)[0]
    else:
        molecule = from_xyz(Path(system["xyz"]), **electrons)
    return [int(number) for number in molecule.numbers]


def _all_electron(basis: str, numbers: set[int]) -> None:
    from ase.data import chemical_symbols
    from pyscf.gto.basis import load_ecp
    from pyscf.lib.exceptions import BasisNotFoundError

    for symbol in sorted(chemical_symbols[number] for number in numbers):
        try:
            core = load_ecp(basis, symbol)
        except (BasisNotFoundError, KeyError, RuntimeError):
            continue
        if core:
            raise DensnetError(
                f"basis {basis!r}: replaces the core of {symbol} by a potential; choose an all-electron basis, "
                "for the density is learned to the nuclei"
            )
