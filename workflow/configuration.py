"""config.yaml, checked as a whole before any job: defaults filled in, every error one line that says what to do."""

from __future__ import annotations

import ast
import difflib
import functools
import hashlib
import json
import math
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from densnet.errors import DensnetError

ROOT = Path(__file__).parent.parent
SCHEMA = Path(__file__).parent / "schemas" / "config.schema.yaml"
CHECKED = "DENSNET_CONFIG_CHECKED"
SPEED_OF_LIGHT_CM_PER_FS = 2.99792458e-5

TYPES = {
    "object": "a section of keys",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}


class ConfigurationError(Exception):
    """Something in config.yaml cannot be; one line for each error."""


def schema() -> dict[str, Any]:
    """Return the JSON schema of config.yaml."""
    return dict(yaml.safe_load(SCHEMA.read_text()))


def configuration(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``config`` with every default filled in, after all checks.

    The costlier ones are made once a run: the environment tells the processes that it starts what has been checked.

    Raises:
        ConfigurationError: with one line for each thing that is wrong.
    """
    rules = schema()
    given = _as_meant(config, rules)
    errors = [_line(error) for error in Draft202012Validator(rules).iter_errors(given)]
    if errors:
        raise ConfigurationError("\n".join(sorted(errors)))
    complete = with_defaults(given, rules)
    digest = hashlib.sha256(json.dumps(complete, sort_keys=True).encode()).hexdigest()
    if os.environ.get(CHECKED) != digest:
        errors = list(_impossible(complete))
        if errors:
            raise ConfigurationError("\n".join(errors))
        os.environ[CHECKED] = digest
    return complete


def with_defaults(value: Any, rules: Mapping[str, Any]) -> Any:
    """Return ``value`` with the schema's defaults for the keys that are missing, at every depth."""
    if not isinstance(value, Mapping):
        return value
    named = rules.get("properties", {})
    filled = {key: entry["default"] for key, entry in named.items() if "default" in entry} | dict(value)
    others = rules.get("additionalProperties")
    return {
        key: with_defaults(entry, named.get(key, others if isinstance(others, Mapping) else {}))
        for key, entry in filled.items()
    }


def as_options(settings: Mapping[str, Any]) -> str:
    """Return settings as command line options: ``{"n_lines": 8, "peer": False}`` is ``--n-lines 8 --no-peer``.

    A list repeats its option. None is left out: the verb's own default holds.
    """
    words: list[str] = []
    for key, value in settings.items():
        option = key.replace("_", "-")
        if value is None:
            continue
        if isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        elif isinstance(value, list):
            words += [word for entry in value for word in (f"--{option}", str(entry))]
        else:
            words += [f"--{option}", str(value)]
    return shlex.join(words)


def method_version(module: str) -> int:
    """Return METHOD_VERSION of a module such as ``densnet.spectra.infrared``, without importing it.

    Raises:
        ConfigurationError: the module does not define it.
    """
    path = ROOT / Path(*module.split("."))
    source = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    for node in ast.parse(source.read_text()).body if source.exists() else []:
        if isinstance(node, ast.Assign):
            names = {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names = {node.target.id}
        else:
            continue
        if "METHOD_VERSION" in names and node.value is not None:
            return int(ast.literal_eval(node.value))
    raise ConfigurationError(f"{source}: METHOD_VERSION is not defined; the workflow needs it to know what is stale")


def verbs_on_path() -> None:
    """Let rules find ``densnet`` in the environment that Snakemake runs in, whether it was activated or not."""
    programs = Path(sys.executable).parent
    if (programs / "densnet").exists():
        os.environ["PATH"] = os.pathsep.join([str(programs), os.environ["PATH"]])


def _as_meant(value: Any, rules: Mapping[str, Any]) -> Any:
    """Read ``1e-3`` as a number where one is wanted (YAML takes it for text), and names whatever their case."""
    if isinstance(value, Mapping):
        named = rules.get("properties", {})
        others = rules.get("additionalProperties")
        default = others if isinstance(others, Mapping) else {}
        return {str(key): _as_meant(entry, named.get(key, default)) for key, entry in value.items()}
    if isinstance(value, list):
        return [_as_meant(entry, rules.get("items", {})) for entry in value]
    if not isinstance(value, str):
        return value
    if rules.get("type") == "number":
        try:
            return float(value)
        except ValueError:
            return value
    return {str(name).lower(): name for name in rules.get("enum", [])}.get(value.lower(), value)


def _line(error: ValidationError) -> str:
    where = ".".join(str(part) for part in error.absolute_path)
    found = _shown(error.instance)
    rules = error.schema
    match error.validator:
        case "additionalProperties":
            return "\n".join(_unknown(where, key, rules) for key in error.instance if key not in rules["properties"])
        case "required":
            missing = [key for key in error.validator_value if key not in error.instance]
            return "\n".join(f"{_join(where, key)}: missing; it has no default" for key in missing)
        case "minProperties":
            return f"{where}: expected at least one entry, found none"
        case "pattern" if "propertyNames" in error.absolute_schema_path:
            return f"{_join(where, error.instance)}: expected a name of {rules['description']}, found {found}"
        case "pattern":
            return f"{where}: expected {rules['description']}, found {found}"
        case "enum":
            allowed = ", ".join(map(str, rules["enum"]))
            return f"{where}: found {found}{_near(error.instance, rules['enum'])}; expected one of {allowed}"
        case "minItems":
            return f"{where}: expected at least one entry, found none"
    hint = "; put it in quotes" if rules.get("type") == "string" and error.instance not in (None, "") else ""
    return f"{where or 'config.yaml'}: expected {_expected(rules)}, found {found}{hint}"


def _unknown(where: str, key: str, rules: Mapping[str, Any]) -> str:
    allowed = list(rules["properties"])
    return f"{_join(where, key)}: unknown key{_near(key, allowed) or '; allowed here: ' + ', '.join(allowed)}"


def _join(where: str, key: Any) -> str:
    return f"{where}.{key}" if where else str(key)


def _near(word: Any, allowed: list[Any]) -> str:
    by_lower = {str(entry).lower(): str(entry) for entry in allowed}
    match = difflib.get_close_matches(str(word).lower(), by_lower, n=1)
    return f"; did you mean {by_lower[match[0]]}?" if match else ""


def _expected(rules: Mapping[str, Any]) -> str:
    words = TYPES[rules["type"]]
    bounds = [
        text.format(rules[key])
        for key, text in {
            "minimum": "at least {}",
            "exclusiveMinimum": "more than {}",
            "maximum": "at most {}",
            "exclusiveMaximum": "less than {}",
        }.items()
        if key in rules
    ]
    return " of ".join([words, " and ".join(bounds)]) if bounds else words


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a section of keys"
    return repr(value)


def _impossible(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for everything that each key alone allows but that cannot be."""
    yield from _impossible_sizes(config)
    yield from _impossible_spectrum(config)
    for name, system in config["systems"].items():
        yield from _impossible_system(name, system, config)


def _impossible_sizes(config: Mapping[str, Any]) -> Iterator[str]:
    sampling, reference = config["sampling"], config["reference"]
    frames = sampling["n_train"] + sampling["n_validation"] + sampling["n_test"]
    if reference["shards"] > frames:
        yield (
            f"reference.shards: expected at most {frames}, as many as sampling has frames, found {reference['shards']}"
        )
    for name in ("density_model", "energy_model"):
        wanted = config[name]["training"].get("n_train", 0)
        if wanted > sampling["n_train"]:
            yield f"{name}.training.n_train: expected at most sampling.n_train = {sampling['n_train']}, found {wanted}"
    if reference["dispersion"] == "d4":
        from densnet.reference.dispersion import check_d4

        yield from _refused("reference", lambda: check_d4(reference["functional"]))


def _impossible_spectrum(config: Mapping[str, Any]) -> Iterator[str]:
    from densnet.dynamics.simulation import DynamicsSettings
    from densnet.spectra.infrared import segment_length
    from densnet.spectra.settings import ComparisonSettings, SpectrumSettings

    try:
        settings = SpectrumSettings(**config["spectrum"])
    except DensnetError as error:
        yield f"spectrum.{error}"
        return
    try:
        ComparisonSettings(**config["comparison"])
    except DensnetError as error:
        yield f"comparison.{error}"
    md = config["md"]
    yield from _refused("md", lambda: DynamicsSettings(**{key: md[key] for key in md if key != "peer"}))
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


def _impossible_system(name: str, system: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[str]:
    from densnet.basis.basis import Basis
    from densnet.spectra.experiment import fundamentals
    from densnet.spectra.jcamp_dx import read_jcamp_dx

    where = f"systems.{name}"
    experiment = system["experiment"]
    if "fundamentals" in experiment:
        yield from _refused(f"{where}.experiment", lambda: fundamentals(experiment["fundamentals"]))
    if "jcamp" in experiment:
        yield from _refused(f"{where}.experiment.jcamp", lambda: read_jcamp_dx(Path(experiment["jcamp"])))
    if not experiment and not config["md"]["peer"]:
        yield f"{where}.experiment: expected fundamentals or jcamp, for md.peer is false and nothing is left to compare"

    if ("smiles" in system) == ("xyz" in system):
        found = "both" if "smiles" in system else "neither"
        yield f"{where}: expected either smiles or xyz, found {found}"
        return
    numbers: list[int] = []
    refusal = list(_refused(where, lambda: numbers.extend(_atomic_numbers(system))))
    yield from refusal
    if not refusal:
        yield from _refused(
            f"{where} with reference.basis", lambda: _all_electron(config["reference"]["basis"], set(numbers))
        )
        orbital = list(
            _refused(f"{where} with reference.basis", lambda: Basis.from_name(config["reference"]["basis"], numbers))
        )
        yield from orbital or _refused(f"{where} with reference.fit_basis", lambda: _fit_basis(config, numbers))


def _fit_basis(config: Mapping[str, Any], numbers: list[int]) -> None:
    """Look up every basis that the fit needs, and whether the density model can describe it."""
    from densnet.basis.basis import Basis
    from densnet.density.fit_basis import NATURAL, named_fit_basis

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


def _atomic_numbers(system: Mapping[str, Any]) -> list[int]:
    from densnet.molecule import conformers, from_xyz

    electrons = {"charge": system["charge"], "multiplicity": system["multiplicity"]}
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


def _refused(where: str, attempt: Callable[[], object]) -> Iterator[str]:
    try:
        attempt()
    except DensnetError as error:
        yield f"{where}: {error}"
