"""Energies and forces without densities as QCSchema, and their faults."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from energies_alone_examples import check_import
from input_case import READ, REFUSED, InputCase

from densnet.cli.export import labels as export
from densnet.units import BOHR_IN_ANGSTROM, HARTREE_IN_EV


def changed(change: Callable[[dict[str, Any]], None], at: int | None = None) -> Callable[[list[dict[str, Any]]], Any]:
    """Return what changes all results, or one of them, in place."""

    def of_results(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for t, result in enumerate(results):
            if at is None or t == at:
                change(result)
        return results

    return of_results


def in_place(*keys: str, of: Callable[[Any], Any]) -> Callable[[dict[str, Any]], None]:
    """Return what changes the value below some keys of a result."""

    def change(result: dict[str, Any]) -> None:
        for key in keys[:-1]:
            result = result[key]
        result[keys[-1]] = of(result.get(keys[-1]))

    return change


def times(factor: float) -> Callable[[Any], Any]:
    return lambda value: (factor * np.asarray(value)).tolist()


def second_version(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from qcelemental.models import AtomicResult

    if not hasattr(AtomicResult, "convert_v"):
        pytest.skip("this QCElemental knows version 1 of the schema alone")
    return [json.loads(AtomicResult.parse_obj(result).convert_v(2).model_dump_json()) for result in results]


QCSCHEMA_CASES = (
    InputCase("gradients in hartree/bohr, a result on each line", READ, "", lambda r: "\n".join(map(json.dumps, r))),
    InputCase("a list of results", READ, "", lambda r: r),
    InputCase("version 2 of the schema", READ, "", second_version),
    InputCase(
        "a driver other than gradient",
        REFUSED,
        "result 2: driver: expected gradient, found energy; compute gradients",
        changed(in_place("driver", of=lambda d: "energy"), 2),
    ),
    InputCase(
        "a calculation that failed",
        REFUSED,
        "result 2: its calculation failed; leave it out",
        changed(in_place("success", of=lambda s: False), 2),
    ),
    InputCase(
        "no energy",
        REFUSED,
        "result 2: properties.return_energy is missing",
        changed(in_place("properties", "return_energy", of=lambda e: None), 2),
    ),
    InputCase(
        "forces in place of gradients",
        REFUSED,
        "the forces look like gradients instead of forces",
        changed(in_place("return_result", of=times(-1.0))),
    ),
    InputCase(
        "geometries in Å",
        REFUSED,
        "no molecule in Angstrom, but one in units of 1.89 Angstrom, as if Angstrom had been taken for bohr",
        changed(in_place("molecule", "geometry", of=times(BOHR_IN_ANGSTROM))),
    ),
    InputCase(
        "energies in eV",
        REFUSED,
        "looks like a number in eV that was taken for hartree",
        changed(in_place("properties", "return_energy", of=times(HARTREE_IN_EV))),
    ),
    InputCase(
        "a triplet",
        REFUSED,
        "result 2: molecular_multiplicity: expected 1, a closed shell, found 3",
        changed(in_place("molecule", "molecular_multiplicity", of=lambda m: 3), 2),
    ),
    InputCase(
        "another charge",
        REFUSED,
        "the density model is of the charge 0",
        changed(in_place("molecule", "molecular_charge", of=lambda q: 2.0)),
    ),
    InputCase(
        "two levels of theory",
        REFUSED,
        "expected one level of theory, found HF/STO-3G, PBE/STO-3G",
        changed(in_place("model", "method", of=lambda m: "PBE"), 2),
    ),
    InputCase("another JSON file", REFUSED, "result 0: expected an AtomicResult of QCSchema", lambda r: {"frames": []}),
    InputCase("no JSON", REFUSED, "line 1 is no JSON", lambda r: "energy -75.0\n"),
)


@pytest.mark.skipif(find_spec("qcelemental") is None, reason="QCElemental is not installed")
@pytest.mark.parametrize("case", QCSCHEMA_CASES, ids=str)
def test_qcschema(
    case: InputCase, labelled_water: Path, water_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    export(labels=labelled_water, output=tmp_path / "right.jsonl", format="qcschema")
    results = [json.loads(line) for line in (tmp_path / "right.jsonl").read_text("utf-8").splitlines()]
    content = case.make(results)
    (tmp_path / "theirs.json").write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    check_import(case, tmp_path / "theirs.json", "qcschema", water_run / "density.pt", capsys)
