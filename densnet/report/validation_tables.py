"""The tests of a system's potentials as tables of the page: a row for each number, a column for each potential."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.stats import t as student_t

from densnet.errors import DensnetError
from densnet.quantities import three_digits
from densnet.report.columns import Shown
from densnet.validation.findings import UNFIT, Finding, read_findings
from densnet.validation.ladder import ALL, FAR
from densnet.validation.pair_scan import HOLE

Cells = dict[str, str]
"""What is shown of one potential, by the head of its row."""
NOTHING = "–"
REFERENCES = {
    "psi4": "Psi4 at the level of the labels",
    "pyscf": "PySCF at the level of the labels",
    "gfn2-xtb": "GFN2-xTB",
    "mmff94": "MMFF94",
    "so3lr": "SO3LR",
}
ERROR = ": standard error"
ENERGY_ZERO = "mean of |(E - E0) / E0|"
"""Begins what depends on where a potential has its zero of energy, and says nothing beside another."""


@dataclass(frozen=True)
class ValidationTest:
    """One test of a system, of several potentials.

    Attributes:
        test: its name.
        reference: what it compares with, if it does.
        findings: by the name of the potential, the model's first.
    """

    test: str
    reference: str
    findings: Mapping[str, Sequence[Finding]]


@dataclass(frozen=True)
class ShownTest:
    """A test as the page shows it.

    Attributes:
        title: of the table.
        sentence: what is tested and how to read it.
        alarms: what went wrong, a sentence each.
        table: heads and cells.
    """

    title: str
    sentence: str
    alarms: Sequence[str]
    table: Shown


def read_test(entry: Mapping[str, Any]) -> ValidationTest:
    """Read an entry of the manifest: ``test``, ``reference``, and ``findings``, a CSV for each potential.

    Raises:
        DensnetError: a test that is not known, or no file of ``densnet validate``.
    """
    if entry["test"] not in _SHOWN:
        raise DensnetError(f"validation: expected tests among {', '.join(_SHOWN)}, found {entry['test']!r}")
    findings = {name: read_findings(Path(path)) for name, path in entry["findings"].items()}
    return ValidationTest(entry["test"], str(entry.get("reference") or ""), findings)


def shown_test(tested: ValidationTest) -> ShownTest:
    """Return the table of a test, its sentence, and what went wrong in words."""
    title, sentence, cells_of, alarms_of = _SHOWN[tested.test]
    done = {name: findings for name, findings in tested.findings.items() if findings[0].what != UNFIT}
    cells = {name: cells_of(done.get(name, ())) for name in tested.findings}
    heads = dict.fromkeys(head for of_potential in cells.values() for head in of_potential)
    rows = [[head, *(of_potential.get(head, NOTHING) for of_potential in cells.values())] for head in heads]
    unfit = [f"{UNFIT}: {tested.findings[name][0].condition}" for name in tested.findings if name not in done]
    alarms = unfit + [f"{name}: {alarm}" for name, findings in done.items() for alarm in alarms_of(findings)]
    reference = REFERENCES.get(tested.reference, tested.reference)
    run = next((_run_of(findings) for findings in done.values()), "none to show")
    names = [f"{name} (reference)" if name == tested.reference else name for name in cells]
    return ShownTest(title, sentence.format(reference=reference, run=run), alarms, (["", *names], rows))


def _energy_cells(findings: Sequence[Finding]) -> Cells:
    errors = {(finding.what, finding.condition): finding.value for finding in findings}
    cells = {}
    for finding in findings:
        if finding.what.endswith(ERROR) or finding.what.startswith(ENERGY_ZERO):
            continue
        _, replicas, *detail = finding.condition.split("; ")
        if finding.what == "replicas lost":
            cells[finding.what] = f"{finding.value:.0f} of {replicas.split()[0]}"
            continue
        error = errors.get((finding.what + ERROR, finding.condition), math.nan)
        cells[_head(finding, ", ".join(detail))] = _with_error(finding.value, error)
    return cells


def _energy_alarms(findings: Sequence[Finding]) -> Iterator[str]:
    errors = {(finding.what, finding.condition): finding.value for finding in findings}
    lost = next((finding.value for finding in findings if finding.what == "replicas lost"), 0.0)
    for finding in findings:
        _, replicas, *detail = finding.condition.split("; ")
        started = int(replicas.split()[0])
        if finding.what == "replicas lost" and lost:
            yield f"replicas lost, for their energy was not finite: {lost:.0f} of {started}."
        error = errors.get((finding.what + ERROR, finding.condition), math.inf)
        beyond = abs(finding.value) > error * float(student_t.ppf(0.975, started - lost - 1))
        if finding.what == "drift of the total energy" and beyond:
            yield (
                f"the total energy drifts at {detail[0]} a step, by {_with_error(finding.value, error)} "
                f"{finding.unit}; zero is outside of the 95 % interval."
            )


def _robustness_cells(findings: Sequence[Finding]) -> Cells:
    compared = {(what, who): finding for finding in findings for what, who in [_point(finding)] if who}
    cells = {}
    for finding in findings:
        if finding.what == "replicas that failed":
            temperature = finding.condition.split("; ")[0]
            cells[f"replicas that failed at {temperature}"] = _failed(findings, finding)
        elif finding.what == "time of failure" or _point(finding)[1]:
            continue
        elif finding.what == "largest difference" and ("worst point", "tested") in compared:
            place = compared["worst point", "tested"].condition.split("; ")[-1]
            cells[_head(finding)] = f"{_number(finding.value)} ({place})"
        else:
            cells[_head(finding)] = _number(finding.value)
    return cells


def _robustness_alarms(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings:
        if finding.what == f"points more than {HOLE:g} eV below the minimum" and finding.value:
            deepest = next(other for other in findings if _point(other) == ("deepest hole", "tested"))
            yield (
                f"holes, points of the scan more than {HOLE:g} eV below the minimum: {finding.value:.0f}, the deepest "
                f"with {_number(deepest.value)} eV ({deepest.condition.split('; ')[-1]})."
            )
        if finding.what == "points without a finite energy" and finding.value:
            yield f"points of the scan without a finite energy: {finding.value:.0f}."
        if finding.what == "replicas that failed" and finding.value:
            temperature = finding.condition.split("; ")[0]
            first = _first_failure(findings, temperature)
            reason = first.condition.split("; ", 2)[2]
            yield f"replicas failed at {temperature}: {_failed(findings, finding)} ({reason})."


def _failed(findings: Sequence[Finding], count: Finding) -> str:
    """Return how many replicas failed at a temperature, of how many, and when the first one did."""
    temperature, dynamics = count.condition.split("; ")
    text = f"{count.value:.0f} {dynamics}"
    return f"{text}, first after {_number(_first_failure(findings, temperature).value)} ps" if count.value else text


def _first_failure(findings: Sequence[Finding], temperature: str) -> Finding:
    times = (f for f in findings if f.what == "time of failure" and f.condition.split("; ")[0] == temperature)
    return min(times, key=lambda finding: finding.value)


def _point(finding: Finding) -> tuple[str, str]:
    """Return the kind of a point whose energies are findings, and whose energy it is; else nothing."""
    kind, _, who = finding.what.rpartition(", ")
    return (kind, who) if who in ("tested", "reference") else (finding.what, "")


def _structure_cells(findings: Sequence[Finding]) -> Cells:
    cells = {}
    for finding in findings:
        place = finding.condition.split("; ")[1:]
        cells[_head(finding)] = _number(finding.value) + (f" ({place[0]})" if place else "")
    return cells


def _structure_alarms(findings: Sequence[Finding]) -> Iterator[str]:
    counts = {finding.what: finding.value for finding in findings}
    for change in ("broken", "formed"):
        if counts[f"bonds {change}"]:
            yield f"another molecule, with bonds {change}: {counts[f'bonds {change}']:.0f}."
    if counts["torsions of another conformer"]:
        yield "another conformer than the reference's."


def _ladder_cells(findings: Sequence[Finding]) -> Cells:
    cells = {}
    for finding in findings:
        head, unit = f"{finding.what}: {finding.condition}", "" if finding.unit == "1" else f" [{finding.unit}]"
        if finding.what.startswith("rank correlation"):
            head = f"{finding.what} of the {finding.condition}"
        elif finding.condition == ALL and not finding.what.startswith(("mean", "largest", "share of frames")):
            head = finding.what
        share = finding.what.startswith("share") and math.isfinite(finding.value)
        cells[head + unit] = f"{100 * finding.value:.0f} %" if share else _number(finding.value)
    return cells


def _ladder_alarms(findings: Sequence[Finding]) -> Iterator[str]:
    for finding in findings:
        if finding.what == "frames without an answer" and finding.value:
            yield f"frames without an answer, which count nowhere below: {finding.value:.0f}."
        if finding.what == "share of these that an alarm catches" and finding.value < 1:
            missed = 100 * (1 - finding.value)
            yield f"{missed:.0f} % of the frames that are far off raise no alarm ({finding.condition})."


def _head(finding: Finding, detail: str = "") -> str:
    """Return the head of a row: what is measured, under which condition, and the unit."""
    head = f"{finding.what}, {detail}" if detail else finding.what
    return head if finding.unit == "1" else f"{head} [{finding.unit}]"


def _number(value: float) -> str:
    """Return three digits; counts as they are, and what has no bottom by its power of ten."""
    if not math.isfinite(value):
        return NOTHING if math.isnan(value) else f"{value}"
    if value == round(value) and abs(value) < 1e6:
        return f"{value:.0f}"
    return three_digits(value) if abs(value) < 1e5 else f"{value:.1e}"


def _with_error(value: float, error: float) -> str:
    """Return a number with its standard error, both to the error's second digit."""
    if not (math.isfinite(value) and math.isfinite(error) and error > 0):
        return _number(value)
    decimals = 1 - math.floor(math.log10(error))
    if not 0 <= decimals <= 6:
        return f"{value:.2e} ± {error:.1e}"
    return f"{value:.{decimals}f} ± {error:.{decimals}f}"


def _run_of(findings: Iterable[Finding]) -> str:
    """Return the dynamics of a test of energy: "300 K, 8 replicas of 1 ps"."""
    return ", ".join(next(iter(findings)).condition.split("; ")[:2])


_SHOWN: dict[
    str, tuple[str, str, Callable[[Sequence[Finding]], Cells], Callable[[Sequence[Finding]], Iterator[str]]]
] = {
    "energy": (
        "Is the energy conserved?",
        "Dynamics at constant energy ({run}) at two time steps, ± the standard error over the replicas. The drift "
        "should be zero within its error, and the fluctuation grow with the square of the time step, as it does for "
        "forces that are the gradient of a smooth energy.",
        _energy_cells,
        _energy_alarms,
    ),
    "robustness": (
        "Are there holes, and does hot dynamics survive?",
        "Every bond and contact of the minimum is set to 0.7 to 1.5 times its length, beside {reference}: no point may "
        f"lie {HOLE:g} eV or more below the minimum. Then replicas are heated from the minimum until a bond breaks or "
        "forms or the energy falls into a hole.",
        _robustness_cells,
        _robustness_alarms,
    ),
    "structure": (
        "Is the minimum the right one?",
        "The relaxed molecule beside its minimum by {reference}, superposed. In brackets which bond or angle it is.",
        _structure_cells,
        _structure_alarms,
    ),
    "ladder": (
        "How do errors grow from usual to unusual frames?",
        "Validation and test frames by the temperature that they were sampled at. A frame is far off if the mean error "
        f"of its forces is above {FAR:g} times the median of the test frames; a good alarm goes off for these, and for "
        "few others. Energies of other potentials than the model are compared up to a constant.",
        _ladder_cells,
        _ladder_alarms,
    ),
}
"""Of each test: title, sentence, rows, and alarms."""
