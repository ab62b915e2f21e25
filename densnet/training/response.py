"""Training of the model of the density's response to an electric field."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import torch

from densnet.errors import DensnetError
from densnet.io.fingerprint import fingerprint
from densnet.models.checkpoint import RESPONSE_MODELS, load_model, read_description
from densnet.models.densnet_model import DenSNet
from densnet.models.graph import with_neighbours
from densnet.models.repulsion import closest_distances
from densnet.models.response_model import ResponseModel
from densnet.models.settings import ResponseModelSettings
from densnet.models.tensor_model import TensorModel
from densnet.models.whitened_basis import WhitenedBasis
from densnet.training import ranks
from densnet.training.labels import Labels
from densnet.training.loop import TrainingRun
from densnet.training.response_targets import ResponseTargets, load_responses, response_scales, response_targets
from densnet.training.settings import ResponseTrainingSettings
from densnet.training.training_set import mean_neighbours

METHOD_VERSION: int = 1


def train_response(
    responses: Path,
    model: Path,
    settings: ResponseModelSettings,
    training: ResponseTrainingSettings,
    *,
    output: Path,
    log: Path,
) -> DenSNet:
    """Train a response model on the ``train`` frames, choosing weights on ``validation``, and add it to a model.

    loss = mean over frames of Σ_y Δx_yᵀ L⁻¹ (J + w S) L⁻ᵀ Δx_y + polarizability_weight |Δα|², y the field's directions;
    of a model of the polarizability alone the second term.

    Args:
        responses: output of ``densnet response``.
        model: that the response is added to, which stays as it is.
        settings: architecture.
        training: lengths, rates and weights.
        output: the model file.
        log: CSV of validation errors.

    Raises:
        DensnetError: files unusable or of other elements, more frames asked for than there are, or the loss diverges.
    """
    data, whole = load_responses(responses), load_model(model)
    if data.elements != whole.density.whitened.elements:
        raise DensnetError(
            f"{model}: expected a model of the elements {list(data.elements)} of {responses}, found "
            f"{list(whole.density.whitened.elements)}; train it on the same molecule"
        )
    whitened = WhitenedBasis(data.basis, data.elements)
    train, validation = (
        response_targets(
            data,
            whitened,
            rows,
            cutoff=settings.cutoff,
            overlap_weight=training.overlap_weight,
            folder=output.parent,
        )
        for rows in (data.frames("train", training.n_train), data.frames("validation"))
    )
    network = initial_model(data, settings, whitened, train, training.seed).to(ranks.device())
    train, validation = train.to(ranks.device()), validation.to(ranks.device())
    element = whitened.index_of(data.numbers).to(ranks.device())
    index = whitened.flat_index(data.numbers).to(ranks.device())
    identity = {"responses": fingerprint(responses), "model": asdict(settings), "method_version": METHOD_VERSION}
    run = TrainingRun(network, training, identity=identity, output=output, log=log, alike=train.metric.is_cuda)

    def errors(targets: ResponseTargets, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the loss of some frames, its first term of each frame, and the errors of α."""
        energy, alpha = differences(targets, rows)
        return energy.mean() + training.polarizability_weight * alpha.square().sum((1, 2)).mean(), energy, alpha

    def differences(targets: ResponseTargets, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        graph = with_neighbours(element, targets.positions[rows], targets.neighbour[rows], settings.cutoff)
        if isinstance(network, TensorModel):
            return graph.positions.new_zeros(1), network.polarizabilities(graph) - targets.polarizability[rows]
        x = network(graph)
        flat = x.movedim(3, 0).reshape(3, len(rows), -1)[:, :, index].transpose(0, 1)
        return targets.error_energy(rows, flat), network.polarizability(x, graph) - targets.polarizability[rows]

    def loss_of(rows: torch.Tensor, batch: torch.Tensor) -> torch.Tensor:
        return errors(train, rows)[0] * (len(rows) / len(batch))

    size = validation.size()

    @torch.no_grad()
    def validate() -> dict[str, float]:
        loss, energy, alpha = errors(validation, torch.arange(len(validation.x), device=element.device))
        of_density = {"validation_response_error_percent": 100.0 * (float(energy.mean()) / size) ** 0.5}
        return {
            "validation_loss": float(loss),
            **({} if settings.head == "tensor" else of_density),
            "validation_polarizability_mae_bohr3": float(alpha.abs().mean()),
        }

    run.run(len(train.x), loss_of, validate, "validation_loss")
    trained = DenSNet(whole.density, whole.energy, whole.free_atoms, whole.domain, network.cpu().eval())
    made = {"training": asdict(training), "n_train": len(train.x), "responses": data.settings}
    provenance = read_description(model)["provenance"] | {"response": made | {"method_version": METHOD_VERSION}}
    run.finish(trained, provenance, output)
    return trained


def initial_model(
    data: Labels, settings: ResponseModelSettings, whitened: WhitenedBasis, train: ResponseTargets, seed: int
) -> ResponseModel | TensorModel:
    """Return a response model with seeded weights and the scales of the training set, float32."""
    torch.manual_seed(seed)
    geometries = [(data.numbers, train.positions)]
    network = RESPONSE_MODELS[settings.head](
        settings,
        WhitenedBasis(whitened.basis, whitened.elements),
        mean_neighbours=mean_neighbours(geometries, settings.cutoff),
    ).float()
    if isinstance(network, TensorModel):
        alpha = train.polarizability
        network.set_scales(float(alpha.std(0).mean()), float(alpha.diagonal(0, 1, 2).mean()) / len(data.numbers))
    else:
        network.set_scales(*response_scales(whitened, data.numbers, train.x))
    network.edges.closest.copy_(closest_distances(whitened.elements, geometries))
    return network
