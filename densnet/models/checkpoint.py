"""Model files: weights, basis, conventions, prior, scales, settings and versions in one, no code executed on load."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from densnet import __version__
from densnet.basis.basis import Basis
from densnet.errors import DensnetError
from densnet.io.netcdf import write_atomically
from densnet.models.density_model import DensityModel
from densnet.models.densnet_model import DenSNet
from densnet.models.domain import NEAREST, Domain
from densnet.models.energy_model import EnergyModel
from densnet.models.ensemble import Ensemble
from densnet.models.response_model import ResponseModel
from densnet.models.settings import DensityModelSettings, EnergyModelSettings, ResponseModelSettings
from densnet.models.tensor_model import TensorModel
from densnet.models.whitened_basis import WhitenedBasis

FORMAT = "densnet model"
ENSEMBLE_FORMAT = "densnet ensemble"
FORMAT_VERSION = 2
RESPONSE_MODELS: dict[str, type[ResponseModel | TensorModel]] = {"density": ResponseModel, "tensor": TensorModel}
"""By what they predict."""
FORBIDDEN = re.compile(r"GLOBAL (\S+)")
"""How torch names what it refuses to unpickle."""
EARLIER_DENSITY: dict[str, Any] = {"charge_balance": "global"}
EARLIER_ENERGY: dict[str, Any] = {"repulsion": "none", "product_bound": 0.0, "l_last": 0}
"""Settings of models whose files, of earlier versions, do not say them."""


def save_model(model: DenSNet, path: Path, *, provenance: dict[str, Any]) -> None:
    """Write a model to one self-contained file, atomically.

    Args:
        model: density model, with or without an energy model.
        path: the file.
        provenance: level of theory, training settings, sizes, seeds; anything that JSON holds.

    Raises:
        DensnetError: the file cannot be written.
    """
    density, energy, response = model.density, model.energy, model.response
    description = {
        "basis": json.loads(density.whitened.basis.to_json()),
        "coefficient_convention": "densnet",
        "elements": list(density.whitened.elements),
        "charge": density.charge,
        "mean_neighbours": density.mean_neighbours,
        "density_model": asdict(density.settings),
        "energy_model": None if energy is None else asdict(energy.settings),
        "energy_mean_neighbours": None if energy is None else energy.mean_neighbours,
        **({} if response is None else _description_of_response(response)),
        "provenance": provenance,
        "densnet_version": __version__,
        "torch_version": torch.__version__,
    }
    content = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "description": json.dumps(description),
        "prior": model.free_atoms,
        "density": {name: tensor.detach().cpu() for name, tensor in density.state_dict().items()},
        "energy": None
        if energy is None
        else {name: tensor.detach().cpu() for name, tensor in energy.state_dict().items()},
    }
    if response is not None:
        content["response"] = {name: tensor.detach().cpu() for name, tensor in response.state_dict().items()}
    if model.domain is not None:
        content["domain"] = {
            "cutoff": model.domain.cutoff,
            "mean": model.domain.mean.cpu(),
            "whitening": model.domain.whitening.cpu(),
            "usual": list(model.domain.usual),
        }
    write_atomically(path, lambda temporary: torch.save(content, temporary))


def _description_of_response(response: ResponseModel | TensorModel) -> dict[str, Any]:
    return {
        "response_basis": json.loads(response.whitened.basis.to_json()),
        "response_model": asdict(response.settings),
        "response_mean_neighbours": response.mean_neighbours,
    }


def load_content(path: Path, expected_format: str, *alternatives: str) -> dict[str, Any]:
    """Read a file of tensors and text written by densnet, of one of some formats, executing nothing that it holds.

    Raises:
        DensnetError: no such file, not a file of this format and version, truncated.
    """
    path = Path(path)
    if not path.is_file():
        raise DensnetError(f"{path}: no such file; expected a {expected_format}")
    _check_archive(path, expected_format)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # bytes that are no pickle can raise anything
        if refused := FORBIDDEN.search(str(error)):
            raise DensnetError(
                f"{path}: expected a {expected_format} of tensors and text, found the Python object {refused[1]}, "
                "which could run code and is not read; train again, or get the file anew"
            ) from error
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise DensnetError(
            f"{path}: expected a {expected_format}, cannot be read ({reason}); delete it and train again"
        ) from error
    if not isinstance(content, dict) or content.get("format") not in (expected_format, *alternatives):
        raise DensnetError(f"{path}: expected a {expected_format}, found another kind of file; give the right one")
    if content.get("format_version") != FORMAT_VERSION:
        raise DensnetError(
            f"{path}: expected version {FORMAT_VERSION} of the file format, found {content.get('format_version')}; "
            "use the densnet version that wrote it or train again"
        )
    return content


def _check_archive(path: Path, expected_format: str) -> None:
    """Refuse what torch has not written, and an archive that says to be far larger than its file."""
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        raise DensnetError(
            f"{path}: expected a {expected_format}, found a truncated file or one of another kind ({error}); delete it "
            "and train again"
        ) from error
    if unpacked > 2 * path.stat().st_size + 2**20:
        raise DensnetError(
            f"{path}: expected a {expected_format}, found an archive that unpacks to {unpacked / 2**20:.0f} MiB, which "
            "torch does not write; get the file anew"
        )


def load_model(path: Path, *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> DenSNet:
    """Read a single model written by :func:`save_model`.

    Raises:
        DensnetError: the file is missing, damaged, foreign, of another version, or holds an ensemble.
    """
    return _model(_only(path), path, device, dtype)


def load_ensemble(path: Path, *, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Ensemble:
    """Read a model file with any number of members, be it one.

    Raises:
        DensnetError: the file is missing, damaged, foreign or of another version.
    """
    contents = _members(path)
    names = [f"{path}, member {number}" for number in range(1, len(contents) + 1)]
    return Ensemble([_model(content, path, device, dtype) for content in contents], names)


def join_models(paths: Sequence[Path], output: Path) -> Ensemble:
    """Write several models to one self-contained file, the members of an ensemble.

    Args:
        paths: model files; of an ensemble among them, every member is taken.
        output: the file; it is read like that of a single model.

    Raises:
        DensnetError: a file cannot be read, or the models differ in fit basis, elements, charge or free atoms.
    """
    contents = [(str(path), content) for path in paths for content in _members(path)]
    members = [_model(content, Path(name), "cpu", torch.float32) for name, content in contents]
    ensemble = Ensemble(members, [name for name, _ in contents])
    joined = {
        "format": ENSEMBLE_FORMAT,
        "format_version": FORMAT_VERSION,
        "members": [content for _, content in contents],
    }
    write_atomically(Path(output), lambda temporary: torch.save(joined, temporary))
    return ensemble


def read_description(path: Path) -> dict[str, Any]:
    """Return what the file of a single model says of itself: basis, settings, provenance, versions."""
    return _description(_only(path), path)


def read_descriptions(path: Path) -> list[dict[str, Any]]:
    """Return what each member of a model file says of itself."""
    return [_description(content, path) for content in _members(path)]


def _members(path: Path) -> list[dict[str, Any]]:
    """Return the content of every member of a model file."""
    content = load_content(path, FORMAT, ENSEMBLE_FORMAT)
    if content["format"] != ENSEMBLE_FORMAT:
        return [content]
    members = content.get("members")
    if not isinstance(members, list) or not members or not all(isinstance(member, dict) for member in members):
        raise DensnetError(f"{path}: expected a list of models, found none; join them again (densnet train join)")
    return members


def _description(content: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return what a model says of itself."""
    try:
        description = json.loads(content["description"])
    except (KeyError, TypeError, ValueError) as error:
        raise DensnetError(f"{path}: its description is no JSON; the file is damaged: train again") from error
    if not isinstance(description, dict):
        raise DensnetError(
            f"{path}: expected a description with names, found {type(description).__name__}; train again"
        )
    return description


def _only(path: Path) -> dict[str, Any]:
    """Return the content of the file of a single model."""
    members = _members(path)
    if len(members) > 1:
        raise DensnetError(f"{path}: expected one model, found an ensemble of {len(members)}; give a member's file")
    return members[0]


def _model(content: dict[str, Any], path: Path, device: str, dtype: torch.dtype) -> DenSNet:
    description = _description(content, path)
    _check_weights(content, description, path)
    try:
        density, energy = _networks(content, description)
        response = _response(content, description)
    except (RuntimeError, TypeError, KeyError, ValueError, AttributeError, IndexError, DensnetError) as error:
        raise DensnetError(
            f"{path}: the weights do not fit the architecture that the file names; train again"
        ) from error
    elements, basis = density.whitened.elements, density.whitened.basis
    prior, functions = content.get("prior"), max(basis.n_radial(number, 0) for number in elements)
    right = isinstance(prior, torch.Tensor) and prior.ndim == 2 and bool(prior.isfinite().all())
    if not isinstance(prior, torch.Tensor) or not right or len(prior) != len(elements) or prior.shape[1] < functions:
        shape = tuple(prior.shape) if isinstance(prior, torch.Tensor) else "none"
        raise DensnetError(
            f"{path}: prior: expected finite coefficients of shape {(len(elements), functions)} of the free atoms, "
            f"found {shape}; train again"
        )
    model = DenSNet(density, energy, prior, _domain(content, elements, path), response)
    try:
        model = model.to(device=device, dtype=dtype)
    except (RuntimeError, AssertionError) as error:  # torch says it so where there is no such device
        reason = str(error).splitlines()[0][:120]
        raise DensnetError(f"device: {device!r} cannot be used here ({reason}); take 'cpu'") from error
    return model.eval().requires_grad_(False)


def _domain(content: dict[str, Any], elements: tuple[int, ...], path: Path) -> Domain | None:
    """Return the domain that a file holds; files of earlier versions have none."""
    stored = content.get("domain")
    if stored is None:
        return None
    try:
        cutoff, (first, second) = float(stored["cutoff"]), map(float, stored["usual"])
        mean, whitening = (stored[name].double() for name in ("mean", "whitening"))
        size = NEAREST * len(elements)
        right = mean.shape == (len(elements), size) and whitening.shape == (len(elements), size, size)
        right = right and min(cutoff, first, second) > 0 and bool(mean.isfinite().all() and whitening.isfinite().all())
    except (AttributeError, KeyError, TypeError, ValueError):
        right = False
    if not right:
        raise DensnetError(
            f"{path}: domain: expected mean and covariance of the distances to {NEAREST} neighbours of each of "
            f"{len(elements)} elements, found something else; train again"
        )
    return Domain(elements, cutoff, mean, whitening, (first, second))


def _check_weights(content: dict[str, Any], description: dict[str, Any], path: Path) -> None:
    """Refuse weights that are no numbers, and architectures of more layers and channels than there are weights."""
    for network in ("density", "energy", "response"):
        weights, settings = content.get(network), description.get(f"{network}_model")
        if network != "density" and settings is None:
            continue
        if not isinstance(weights, dict) or not isinstance(settings, dict):
            raise DensnetError(f"{path}: expected weights and settings of the {network} model; train again")
        for name, tensor in weights.items():
            if not isinstance(tensor, torch.Tensor):
                raise DensnetError(f"{path}: {network} model: {name}: expected a tensor; train again")
            # the least energy of an atom is minus infinity where there is no bound
            if tensor.isnan().any() or (name != "least" and tensor.isinf().any()):
                raise DensnetError(f"{path}: {network} model: {name} is not finite: its training failed; train again")
        n_weights = sum(tensor.numel() for tensor in weights.values())
        sizes = [settings.get(name, 1) for name in ("layers", "channels", "edge_channels")]
        if (
            not all(isinstance(size, int) and 0 < size <= n_weights for size in sizes)
            or sizes[0] * sizes[1] > n_weights
        ):
            raise DensnetError(
                f"{path}: {network} model: {sizes[0]} layers of {sizes[1]} and {sizes[2]} channels do not fit its "
                f"{n_weights} weights; train again"
            )


def _networks(content: dict[str, Any], description: dict[str, Any]) -> tuple[DensityModel, EnergyModel | None]:
    """Return both networks with their weights, float32, from the content of a model file."""
    basis = Basis.from_json(json.dumps(description["basis"]))
    elements, mean_neighbours = tuple(description["elements"]), description["mean_neighbours"]
    density = DensityModel(
        DensityModelSettings(**(EARLIER_DENSITY | description["density_model"])),
        WhitenedBasis(basis, elements),
        charge=description["charge"],
        mean_neighbours=mean_neighbours,
    )
    # nothing is held in files of earlier versions, which do not say it
    unheld = {"edges.closest": torch.zeros(len(elements) ** 2)}
    density.load_state_dict(unheld | content["density"])
    if description["energy_model"] is None:
        return density, None
    settings = EnergyModelSettings(**(EARLIER_ENERGY | description["energy_model"]))
    # files of earlier versions have one number for both networks
    mean_neighbours = description.get("energy_mean_neighbours") or mean_neighbours
    energy = EnergyModel(settings, density.whitened, mean_neighbours=mean_neighbours)
    unbounded = {"least": torch.full((len(elements),), -torch.inf)}
    energy.load_state_dict(unheld | unbounded | content["energy"])
    return density, energy


def _response(content: dict[str, Any], description: dict[str, Any]) -> ResponseModel | TensorModel | None:
    """Return the response model with its weights, float32, from the content of a model file that holds one."""
    if description.get("response_model") is None:
        return None
    settings = ResponseModelSettings(**description["response_model"])
    response = RESPONSE_MODELS[settings.head](
        settings,
        WhitenedBasis(Basis.from_json(json.dumps(description["response_basis"])), tuple(description["elements"])),
        mean_neighbours=description["response_mean_neighbours"],
    )
    response.load_state_dict(content["response"])
    return response
