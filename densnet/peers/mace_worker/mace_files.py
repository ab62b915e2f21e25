"""MACE's model files, read without running what is in them.

MACE saves a model as a pickle, which holds Python source (traced operations of e3nn) that a plain ``torch.load`` would
execute. Here only tensors and the classes of mace, e3nn and ``torch.nn`` are taken from it, and code is left out; MACE
then builds the model anew from its architecture, and gives it these tensors.
"""

from __future__ import annotations

import pickle
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from e3nn.util.codegen import CodeGenMixin
from mace import modules, tools
from mace.tools.finetuning_utils import load_foundations_elements
from mace.tools.scripts_utils import extract_config_mace_model

PACKAGES = ("mace.modules.", "e3nn.", "torch.nn.")
"""Whose classes are taken."""
FUNCTIONS = {
    "_codecs.encode",
    "__builtin__.set",
    "builtins.set",
    "collections.OrderedDict",
    "mace.modules.irreps_tools.reshape_irreps",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_tensor_v2",
    "torch.nn.functional.silu",
    "torch.Size",
    "torch.float32",
    "torch.float64",
    "torch.int64",
}
"""What else is taken."""
CODE = {"torch.fx.graph_module.reduce_graph_module", "torch.fx._symbolic_trace.Tracer", "torch.jit._pickle.restore"}


class UnreadableError(Exception):
    """The file is no MACE model, or not one that can be used."""


class _LeftOut(torch.nn.Module):
    """Stands where code was."""

    def __init__(self, *left_out: Any, **also_left_out: Any) -> None:
        super().__init__()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return a class or function of a pickle, of those that are known to be harmless."""
        full = f"{module}.{name}"
        if full in CODE:
            return _LeftOut
        known = full in FUNCTIONS or (module == "torch" and name.endswith("Storage") and "." not in name)
        if known or module.startswith(PACKAGES):
            taken = super().find_class(module, name)
            # a name may lead through a module to what that has imported: where a class is from is what counts
            if known or (isinstance(taken, type) and f"{taken.__module__}.".startswith(PACKAGES)):
                return taken
        raise UnreadableError(f"it holds {full}, which is no part of a MACE model")


def read_mace(path: str) -> Any:
    """Return a model's tensors and architecture; it cannot compute.

    Raises:
        UnreadableError: it is no MACE model of energies, or one of several heads.
    """
    restricted = types.ModuleType("restricted")
    vars(restricted).update(Unpickler=_Unpickler, load=lambda file, **options: _Unpickler(file, **options).load())
    try:
        with _compiled_code_left_out():
            # weights_only would refuse MACE's classes; the unpickler above decides
            skeleton = torch.load(path, map_location="cpu", weights_only=False, pickle_module=restricted)
    except UnreadableError as error:
        raise UnreadableError(f"{path}: expected a model file of MACE, but {error}") from None
    except Exception as error:  # of a damaged file: many types
        reason = (str(error).splitlines() or [""])[0][:120]
        raise UnreadableError(f"{path}: expected a model file of MACE ({type(error).__name__}: {reason})") from error
    if type(skeleton) is not modules.ScaleShiftMACE:
        raise UnreadableError(
            f"{path}: expected a ScaleShiftMACE, found {type(skeleton).__name__}; choose another model"
        )
    heads = list(getattr(skeleton, "heads", None) or ["Default"])
    if len(heads) > 1:
        raise UnreadableError(
            f"{path}: expected a model of one head, found {', '.join(heads)}; take one out of it by mace_select_head"
        )
    return skeleton


@contextmanager
def _compiled_code_left_out() -> Iterator[None]:
    """Let e3nn's modules take their state without the compiled operations in it."""
    original = CodeGenMixin.__setstate__

    def taken(module: Any, state: dict[str, Any]) -> None:
        torch.nn.Module.__setstate__(module, {key: value for key, value in state.items() if key != "__codegen__"})

    CodeGenMixin.__setstate__ = taken
    try:
        yield
    finally:
        CodeGenMixin.__setstate__ = original


def elements_of(skeleton: Any) -> list[int]:
    """Return the atomic numbers that a model knows."""
    return [int(z) for z in skeleton.atomic_numbers]


def rebuilt(skeleton: Any, dtype: torch.dtype) -> Any:
    """Return a model that computes, without energies of free atoms."""
    config = extract_config_mace_model(skeleton)
    numbers = elements_of(skeleton)
    config |= {"atomic_numbers": numbers, "atomic_energies": torch.zeros((1, len(numbers))).numpy()}
    model = modules.ScaleShiftMACE(**config)
    table = tools.AtomicNumberTable(numbers)
    max_l = config["hidden_irreps"].lmax
    model = load_foundations_elements(model, skeleton, table, load_readout=True, max_L=max_l, default_dtype=dtype)
    model.atomic_energies_fn.atomic_energies.zero_()
    return model.to(dtype)


def free_atoms(skeleton: Any) -> dict[int, float]:
    """Return the energies of the free atoms that a model begins with, eV."""
    energies = skeleton.atomic_energies_fn.atomic_energies.double().flatten().tolist()
    return dict(zip(elements_of(skeleton), energies, strict=True))
