"""Tests of potentials on the page: a table each, failures in words, other files refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from report_examples import write_manifest, write_run

from densnet.cli.figures import figures
from densnet.cli.report import report
from densnet.errors import DensnetError
from densnet.report.style import read_picture
from densnet.report.validation_figures import survival
from densnet.report.validation_tables import ShownTest, read_test, shown_test
from densnet.validation.conservation import Conservation, EnergyLine, conservation_findings
from densnet.validation.findings import UNFIT, Finding, findings_csv, read_findings
from densnet.validation.ladder import JudgedFrames, ladder_findings
from densnet.validation.pair_scan import Scan, scan_points, scan_summary
from densnet.validation.robustness import failure_findings, point_findings, remarkable_points, scan_findings
from densnet.validation.settings import ConservationSettings, FailureSettings
from densnet.validation.structures import compare_structures, structure_findings
from densnet.validation.time_to_failure import Failures

NUMBERS = np.array([8, 1, 1])
WATER = np.array([[0.0, 0.0, 0.117], [0.0, 0.757, -0.469], [0.0, -0.757, -0.469]])
SETTINGS = ConservationSettings(replicas=4)


def conserved(drift: float, lost: int = 0) -> list[Finding]:
    """Findings of a potential whose replicas drift alike, with a scatter of 0.01."""
    scatter = 0.01 * np.array([-1.0, 0.0, 1.0, 0.0])[: 4 - lost]
    lines = tuple(
        EnergyLine(timestep, drift + scatter, size * (1 + scatter), np.full(len(scatter), 1e-9))
        for timestep, size in ((0.25, 0.01), (0.5, 0.04))
    )
    return conservation_findings(Conservation(SETTINGS, (lines[0], lines[1]), lost, np.full(4 - lost, 2e-15)))


def scanned(hole: float, failed: bool) -> list[Finding]:
    """Findings of a scan of water of which one point is as deep as that, and of hot dynamics."""
    points = scan_points(NUMBERS, WATER, factors=(0.7, 1.5))
    reference = np.linspace(1.0, 5.0, len(points.factors))
    tested = reference.copy()
    tested[1] = hole
    scan = Scan(points, tested, reference)
    summary = scan_summary(scan)
    time = np.array([np.nan, 250.0 if failed else np.nan])
    hot = Failures(1000.0, time, ("", "O1-H2 broken" if failed else ""), np.zeros((2, 3, 3)))
    dynamics = failure_findings(hot, FailureSettings(replicas=2, picoseconds=1.0))
    return scan_findings(scan, summary, WATER) + point_findings(scan, remarkable_points(summary)) + dynamics


def shown(folder: Path, test: str, findings: dict[str, list[Finding]], reference: str = "") -> ShownTest:
    paths = {}
    for name, of_potential in findings.items():
        path = folder / f"{test}_{name}.csv"
        path.write_text(findings_csv(of_potential))
        paths[name] = str(path)
    return shown_test(read_test({"test": test, "reference": reference, "findings": paths}))


def cells(test: ShownTest, head: str) -> list[str]:
    (row,) = [row for row in test.table[1] if row[0] == head]
    return row[1:]


def test_energy_drifts_and_lost_replicas_are_said(tmp_path: Path) -> None:
    test = shown(tmp_path, "energy", {"model": conserved(0.0), "gfn2-xtb": conserved(-0.5, lost=1)})
    assert test.table[0] == ["", "model", "gfn2-xtb"]
    assert "300 K, 4 replicas of 1 ps" in test.sentence
    assert cells(test, "replicas lost") == ["0 of 4", "1 of 4"]
    # the scatter's standard error: sqrt(2/3) * 0.01 / 2
    assert cells(test, "drift of the total energy, 0.25 fs [meV/atom/ps]") == ["0.0000 ± 0.0041", "-0.5000 ± 0.0058"]
    assert not [alarm for alarm in test.alarms if alarm.startswith("model")]
    assert test.alarms[0] == "gfn2-xtb: replicas lost, for their energy was not finite: 1 of 4."
    assert [alarm.split(",")[0] for alarm in test.alarms[1:]] == [
        f"gfn2-xtb: the total energy drifts at {timestep} fs a step" for timestep in ("0.25", "0.5")
    ]
    assert "E0" not in str(test.table)


def test_holes_and_broken_molecules_are_said(tmp_path: Path) -> None:
    found = {"model": scanned(-4.4, failed=True), "gfn2-xtb": scanned(1.0, failed=False)}
    test = shown(tmp_path, "robustness", found, reference="gfn2-xtb")
    assert test.table[0] == ["", "model", "gfn2-xtb (reference)"]
    assert cells(test, "points more than 0.3 eV below the minimum") == ["1", "0"]
    assert cells(test, "largest difference [eV]")[0].endswith("(O1-H2 x 1.5)")
    assert cells(test, "replicas that failed at 1000 K") == [
        "1 of 2 in 1 ps, first after 0.25 ps",
        "0 of 2 in 1 ps",
    ]
    assert list(test.alarms) == [
        "model: holes, points of the scan more than 0.3 eV below the minimum: 1, the deepest with -4.4 eV "
        "(O1-H2 x 1.5).",
        "model: replicas failed at 1000 K: 1 of 2 in 1 ps, first after 0.25 ps (O1-H2 broken).",
    ]


def test_another_molecule_is_said(tmp_path: Path) -> None:
    stretched = WATER.copy()
    stretched[1] *= 2.5
    found = {
        name: structure_findings(compare_structures(NUMBERS, positions, WATER), f"{name} beside psi4")
        for name, positions in (("model", WATER), ("mmff94", stretched))
    }
    test = shown(tmp_path, "structure", found, reference="psi4")
    assert "Psi4 at the level of the labels" in test.sentence
    assert list(test.alarms) == ["mmff94: another molecule, with bonds broken: 1."]
    assert cells(test, "largest difference of a bond length [Å]")[1].endswith("(O1-H2)")


def test_frames_without_an_alarm_are_said(tmp_path: Path) -> None:
    errors = np.array([1.0, 1.0, 1.0, 20.0, 20.0])
    frames = JudgedFrames(
        condition=np.array(["300 K"] * 3 + ["1000 K"] * 2),
        test=np.array([True, True, True, False, False]),
        errors={"energy": errors, "forces": errors, "dipole": errors},
        domain_distance=np.array([0.0, 0.0, 0.0, 0.0, 0.5]),
        spreads={},
    )
    plain = JudgedFrames(frames.condition, frames.test, frames.errors, None, {}, unanswered=2)
    test = shown(tmp_path, "ladder", {"model": ladder_findings(frames), "gfn2-xtb": ladder_findings(plain)})
    assert cells(test, "mean error of the forces: 1000 K [meV/Å]") == ["20", "20"]
    assert cells(test, "share of these that an alarm catches: domain distance above 0") == ["50 %", "–"]
    assert list(test.alarms) == [
        "model: 50 % of the frames that are far off raise no alarm (domain distance above 0).",
        "gfn2-xtb: frames without an answer, which count nowhere below: 2.",
    ]


def test_a_potential_that_cannot_be_tested_stands_beside_the_others(tmp_path: Path) -> None:
    unfit = [Finding(UNFIT, "model.pt: no minimum near the start", 1, "1")]
    test = shown(tmp_path, "energy", {"model": unfit, "gfn2-xtb": conserved(0.0)})
    assert cells(test, "replicas lost") == ["–", "0 of 4"]
    assert list(test.alarms) == ["test that could not be done: model.pt: no minimum near the start"]
    assert shown(tmp_path, "energy", {"model": unfit}).table == (["", "model"], [])


def test_figures_of_the_tests(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    errors = np.array([1.0, 2.0, 20.0])
    frames = JudgedFrames(
        np.array(["300 K", "300 K", "strained (no temperature)"]),
        np.array([True, True, False]),
        {"energy": errors, "forces": errors, "dipole": errors},
        None,
        {},
    )
    unfit = [Finding(UNFIT, "no minimum", 1, "1")]
    options: dict[str, Any] = {"tested": ["model", "gfn2-xtb"]}
    for test, findings in (("ladder", ladder_findings(frames)), ("robustness", scanned(1.0, failed=True))):
        options[test] = []
        for name, of_potential in (("model", findings), ("gfn2-xtb", unfit)):
            options[test].append(tmp_path / f"{test}_{name}.csv")
            options[test][-1].write_text(findings_csv(of_potential))
    figures(name="water", output=tmp_path / "figures", **run, **options)
    for name, title in (("ladder", "Errors from usual to unusual frames"), ("survival", "Hot dynamics until it fails")):
        picture = read_picture(tmp_path / "figures" / f"{name}.png")
        assert picture.title == title and "{" not in picture.caption
    with pytest.raises(DensnetError, match=r"ladder: expected a file for each name of --tested, found 2 for 1"):
        figures(name="water", output=tmp_path / "other", **run, **(options | {"tested": ["model"]}))


def test_what_a_survival_line_says() -> None:
    """Half of two replicas are left after one has failed at 0.25 ps."""
    sources = SimpleNamespace(robustness={"model": scanned(1.0, failed=True)}, words={})
    figure, _ = survival.draw(sources)  # type: ignore[arg-type]
    times, shares = figure.axes[0].lines[0].get_data()
    assert list(times) == [0.0, 0.25, 1.0] and list(shares) == [1.0, 0.5, 0.5]


def test_the_page_has_a_section_of_tests_only_where_there_are_some(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    figures(name="water", output=tmp_path / "figures", **run)
    manifest = write_manifest(tmp_path / "manifest.json", run, tmp_path / "figures")
    content = json.loads(manifest.read_text())
    report(manifest=manifest, output=tmp_path / "without.html")
    (tmp_path / "energy.csv").write_text(findings_csv(conserved(-0.5)))
    entry = {"test": "energy", "findings": {"model": str(tmp_path / "energy.csv")}}
    content["systems"][0]["validation"] = [entry]
    manifest.write_text(json.dumps(content))
    report(manifest=manifest, output=tmp_path / "with.html")
    before, after = ((tmp_path / name).read_text() for name in ("without.html", "with.html"))
    for words in ("<h3>Tests</h3>", "Is the energy conserved?", "model: the total energy drifts at 0.5 fs"):
        assert words in after and words not in before
    entry["test"] = "energies"
    manifest.write_text(json.dumps(content))
    with pytest.raises(
        DensnetError, match="expected tests among energy, robustness, structure, ladder, found 'energies'"
    ):
        report(manifest=manifest, output=tmp_path / "other.html")


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "what,condition,value,unit\n", "what,condition,value,unit\nx,y,much,1\n"]
)
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.csv"
    path.write_text(text)
    with pytest.raises(DensnetError, match="expected an output of 'densnet validate'"):
        read_findings(path)
    with pytest.raises(DensnetError, match="cannot be read"):
        read_findings(tmp_path / "none.csv")


def test_findings_are_read_as_they_were_written(tmp_path: Path) -> None:
    written = [*conserved(0.1), *scanned(-1.0, failed=True), Finding("no number", "a, b", float("nan"), "1")]
    path = tmp_path / "findings.csv"
    path.write_text(findings_csv(written))
    numbers = [(*finding[:2], str(float(finding.value)), finding.unit) for finding in written]
    assert [(*finding[:2], str(finding.value), finding.unit) for finding in read_findings(path)] == numbers
