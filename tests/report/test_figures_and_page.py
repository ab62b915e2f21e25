"""Figures and page of a small synthetic run."""

from __future__ import annotations

import dataclasses
import hashlib
import html.parser
import json
import re
import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from report_examples import NUMBERS, write_manifest, write_run

from densnet.cli.figures import figures
from densnet.cli.report import report
from densnet.cli.summary import summary
from densnet.errors import DensnetError
from densnet.io.job_record import JobRecord
from densnet.io.netcdf import read_dataset
from densnet.report.density_figures import density_error, density_map
from densnet.report.dynamics_figures import drifts, energy_conservation
from densnet.report.figures import DRAWINGS
from densnet.report.gallery import GallerySystem, gallery
from densnet.report.gallery_figures import gallery as draw_gallery
from densnet.report.gallery_table import written
from densnet.report.lines import line_rows
from densnet.report.metrics import read_metrics
from densnet.report.plane import best_plane
from densnet.report.potential_figures import front_of_spheres, potential
from densnet.report.sources import Sources, kohn_sham_of, level_of_theory, read_log
from densnet.report.spectrum_figures import spectrum
from densnet.report.style import read_picture, write_picture
from densnet.report.timing_figures import duration, read_benchmarks
from densnet.spectra.assignment import PARTS


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def drawn(run: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    figures(name="water", output=folder, **run)
    return folder


def test_every_figure_is_there_with_its_caption(drawn: Path) -> None:
    kinds = ("system", "assignment", "benchmarks", "convergence", "ensemble")
    of_a_system = {draw.draw.__name__: draw for draw in DRAWINGS if draw.of in kinds}
    assert {path.stem for path in drawn.iterdir()} | {"calibration"} == set(of_a_system)
    assert {path.suffix for path in drawn.iterdir()} == {".png"}
    for path in drawn.iterdir():
        shown = read_picture(path)
        assert shown.title == of_a_system[path.stem].title
        assert shown.caption.startswith("water") and "{" not in shown.caption and "nan" not in shown.caption


def test_captions_tell_what_the_files_say(drawn: Path) -> None:
    error = read_picture(drawn / "density_error.png").caption
    assert "trained on 100 (seed 11)" in error and "PBE/def2-SVP" in error
    assert "8 replicas of 2.50 ps" in read_picture(drawn / "convergence.png").caption
    assert "8 replicas of 2.50 ps" in read_picture(drawn / "spectrum.png").caption
    assert "H–O–H" in read_picture(drawn / "density_map.png").caption.replace("O–H–H", "H–O–H")


def test_motions_stand_beside_harmonic_lines(drawn: Path) -> None:
    caption = read_picture(drawn / "motions.png").caption
    assert "harmonic lines by model and PBE/def2-SVP" in caption
    assert re.search(r"\b1(59|60)\d \(H-O-H bend (99|100) %\)", caption)


def test_a_table_tells_what_lines_are_made_of(run: dict[str, Path]) -> None:
    comparison, assignment = (
        read_dataset(run["comparison"], stage="compare"),
        read_dataset(run["assignment"], stage="assign"),
    )
    header, rows = line_rows(comparison, assignment)
    assert header == ["line [1/cm]", "motion", "nearest fundamental", *(f"{kind} [%]" for kind in PARTS)]
    (bend,) = (row for row in rows if abs(float(row[0]) - 1600) < 10)
    assert bend[1].startswith("H-O-H bend") and bend[2] == "1595 H-O-H bend"
    assert float(bend[4]) >= 99
    # of a chain also by unit: all in the second of two
    units = xr.zeros_like(assignment["kinetic_energy"].isel(kind=slice(2)).rename(kind="unit"))
    units[1] = 1.0
    header, rows = line_rows(comparison, assignment.assign(kinetic_energy_by_unit=units.drop_vars("unit")))
    assert header[-1] == "of it in each unit [%]"
    assert {row[-1] for row in rows} == {"0 100"}


def sources(run: dict[str, Path], *, peer: bool) -> Sources:
    return Sources(
        system="water",
        metrics=read_metrics(run["metrics"]),
        labels=read_dataset(run["labels"], stage="fit"),
        evaluation=read_dataset(run["evaluation"], stage="evaluate"),
        density_log=read_log(run["density_log"]),
        energy_log=read_log(run["energy_log"]),
        trajectory=read_dataset(run["trajectory"], stage="md"),
        spectrum=read_dataset(run["spectrum"], stage="spectrum"),
        comparison=read_dataset(run["comparison"], stage="compare"),
        peer_trajectories=(read_dataset(run["peer_trajectory"][0], stage="md"),) if peer else (),
        peer_spectra=(read_dataset(run["peer_spectrum"][0], stage="spectrum"),) if peer else (),
    )


def test_figures_are_the_same_each_time(run: dict[str, Path], drawn: Path) -> None:
    for draw in (spectrum, density_error):
        again = draw(sources(run, peer=True))
        assert again.png == (drawn / f"{again.name}.png").read_bytes()


def test_maps_show_the_error_of_the_fit_if_it_is_known(run: dict[str, Path], drawn: Path) -> None:
    whole = sources(run, peer=False)
    assert "(d)" in read_picture(drawn / "density_map.png").caption
    assert "potential of the Kohn–Sham density" in read_picture(drawn / "potential.png").caption
    unknown = whole.evaluation.copy(deep=True)
    for name in ("nmae_true", "floor_nmae"):
        unknown[name].values[:] = np.nan
    for name in ("nmae_by_atom", "potential_rms_error", "potential_rms_by_scale"):
        unknown[name].loc[{"pair": ["model-true", "fit-true"]}] = np.nan
    bare = dataclasses.replace(whole, labels=whole.labels.drop_vars("orbitals"), evaluation=unknown)
    for draw in (density_map, density_error, potential):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            shown = draw(bare)
        assert "nan" not in shown.caption and "(d)" not in shown.caption
        if draw is potential:
            assert "potential of the fitted density" in shown.caption


def test_orbitals_are_those_of_the_frame(run: dict[str, Path]) -> None:
    known = sources(run, peer=False)
    frame = known.evaluation.isel(frame=2)
    found = kohn_sham_of(known.labels, frame)
    assert found is not None
    np.testing.assert_array_equal(found.orbitals, known.labels["orbitals"].values[2])
    broken = known.labels.copy(deep=True)
    broken["orbitals"].values[2, 0, 0] = np.nan
    assert kohn_sham_of(broken, frame) is None
    assert kohn_sham_of(known.labels.isel(frame=[0, 1]), frame) is None


def test_view_from_above_lies_on_the_spheres() -> None:
    """Every point is on one sphere, in none, and no sphere lies above it; a lone sphere fills π/4 of its square."""
    centres = np.array([[0.0, 0.0, 0.0], [2.0, 0.3, 0.2], [-0.5, 1.9, 0.4]])
    radii = np.array([1.8, 1.5, 1.2])
    plane = best_plane(np.array([8, 6, 1]), centres)
    x, y, points = front_of_spheres(plane, centres, radii, 4000)
    assert points.shape == (len(y), len(x), 3) and 3900 < len(x) * len(y) < 4300
    seen = points[np.isfinite(points).all(axis=-1)]
    gap = np.linalg.norm(seen[:, None] - centres, axis=-1) - radii
    np.testing.assert_allclose(gap.min(axis=1), 0.0, atol=1e-12)
    lifted = seen + 1e-3 * np.cross(*plane.axes)
    assert (np.linalg.norm(lifted[:, None] - centres, axis=-1) > radii).all()
    _, _, alone = front_of_spheres(plane, centres[:1], radii[:1], 4000)
    assert np.isfinite(alone[..., 0]).mean() == pytest.approx(np.pi / 4, abs=0.01)


def test_signs_in_a_table_of_fundamentals_are_text(run: dict[str, Path]) -> None:
    named = sources(run, peer=False)
    names = np.full(named.comparison.sizes["stick"], "5 $x_$", dtype=object)
    comparison = named.comparison.assign(stick_description=("stick", names))
    assert spectrum(replace(named, comparison=comparison)).png


def test_without_a_peer(run: dict[str, Path]) -> None:
    alone = sources(run, peer=False)
    assert "gfn2" not in spectrum(alone).caption
    assert "gfn2" not in energy_conservation(alone).caption
    assert "gfn2" in spectrum(sources(run, peer=True)).caption


class Page(html.parser.HTMLParser):
    """Collects what a page asks for from outside, its images and whether its tags close."""

    VOID = frozenset({"meta", "img", "br", "hr", "link", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[str] = []
        self.outside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attrs:
            if tag == "img" and name == "src":
                self.images.append(value or "")
            elif name in ("src", "href") and not (value or "").startswith("#"):
                self.outside.append(value or "")
        if tag == "script":
            self.outside.append("script")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_holds_everything(run: dict[str, Path], drawn: Path, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("seed: 11  # <not a tag>\n")
    page = tmp_path / "report.html"
    log = tmp_path / "run" / "logs" / "label" / "0.log"
    log.parent.mkdir(parents=True)
    log.write_text(JobRecord("node17", "a card", "550.54", "12.4", 300.0).line())
    shutil.copytree(run["benchmarks"], tmp_path / "run" / "benchmarks")
    shown = gallery([GallerySystem("water", comparison=read_dataset(run["comparison"], stage="compare"))])
    for name, content in written(shown).items():
        (tmp_path / name).write_text(content)
    pictures = {"tables": str(tmp_path), "figures": [str(write_picture(draw_gallery(shown), tmp_path))]}
    files = {"config": str(config), "jobs": str(tmp_path / "run"), "sweep": None, "gallery": pictures}
    manifest = write_manifest(tmp_path / "manifest.json", run, drawn, ("water", "heavy water"), **files)
    report(manifest=manifest, output=page)
    text = page.read_text()
    parsed = Page()
    parsed.feed(text)
    assert parsed.open == [] and parsed.outside == []
    assert len(parsed.images) == 23 and all(image.startswith("data:image/png;base64,") for image in parsed.images)
    assert hashlib.sha256(config.read_bytes()).hexdigest() in text
    for expected in (
        "try &amp; more",
        "&lt;not a tag&gt;",
        "H2O",
        "PBE/def2-SVP",
        "1.9.1",
        "O-H stretch",
        "NSRDS",
        "node17",
        "All molecules beside experiment",
        "lines of water, 1/cm",
    ):
        assert expected in text, expected


def test_a_system_comes_as_spectrum_bands_and_numbers(run: dict[str, Path], drawn: Path, tmp_path: Path) -> None:
    report(manifest=write_manifest(tmp_path / "manifest.json", run, drawn), output=tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    parts = ("Infrared spectrum.", "Bands beside experiment", "their motions", "<h3>Numbers", "Error of the density.")
    places = [text.index(part) for part in parts]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"systems": [{"name": "water"}]}, "not the manifest of a run.*metrics"),
        ({"colour": "red"}, "not the manifest of a run.*colour"),
        ({"config": "absent.yaml"}, "config: absent.yaml cannot be read"),
    ],
)
def test_a_wrong_manifest_is_one_line(tmp_path: Path, change: dict[str, object], message: str) -> None:
    manifest = tmp_path / "manifest.json"
    with pytest.raises(DensnetError, match="cannot be read"):
        report(manifest=manifest, output=tmp_path / "report.html")
    manifest.write_text(json.dumps({"name": "x", "systems": []} | change))
    with pytest.raises(DensnetError, match=message):
        report(manifest=manifest, output=tmp_path / "report.html")


def test_lists_of_unequal_length_are_refused(run: dict[str, Path]) -> None:
    with pytest.raises(DensnetError, match="as many"):
        summary(system=["a", "b"], metrics=[run["metrics"]], comparison=[run["comparison"]])


def test_foreign_or_damaged_picture_is_refused(drawn: Path, tmp_path: Path) -> None:
    path = tmp_path / "parity.png"
    content = (drawn / "parity.png").read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DensnetError, match="not a readable PNG"):
        read_picture(path)
    path.write_bytes(b"not a picture")
    with pytest.raises(DensnetError, match="not a readable PNG"):
        read_picture(path)


def test_summary_prints_the_table(run: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    summary(system=["water"], metrics=[run["metrics"]], comparison=[run["comparison"]], report=Path("report.html"))
    printed = capsys.readouterr().out
    assert "Density error (NMAE) [%]" in printed and "H-O-H bend" in printed
    assert printed.rstrip().endswith("Report: report.html")


def test_plane_holds_the_three_heaviest_neighbours() -> None:
    positions = np.array([[0.0, 0.0, 0.0], [1.8, 0.1, 0.3], [-0.5, 1.2, 0.4], [0.3, -0.9, 0.8]])
    plane = best_plane(np.array([6, 16, 1, 6]), positions)
    assert set(plane.atoms) == {0, 1, 3}
    flat, height = plane.coordinates(positions)
    assert height[[0, 1, 3]] == pytest.approx(0.0, abs=1e-12)
    assert height[2] > 0.1
    assert np.linalg.norm(flat[1] - flat[0]) == pytest.approx(np.linalg.norm(positions[1] - positions[0]))


def test_linear_molecule_lies_in_its_plane() -> None:
    positions = np.outer([0.0, 1.16, -1.16], [0.6, 0.0, 0.8])
    plane = best_plane(np.array([6, 8, 8]), positions)
    assert plane.atoms == ()
    flat, height = plane.coordinates(positions)
    assert height == pytest.approx(0.0, abs=1e-12)
    assert plane.axes @ plane.axes.T == pytest.approx(np.eye(2))
    assert np.ptp(flat[:, 0]) == pytest.approx(2.32)


def test_drift_is_the_slope(run: dict[str, Path]) -> None:
    trajectory = read_dataset(run["trajectory"], stage="md")
    time = trajectory["time"].values
    slopes = np.array([0.3, -0.6])
    exact = trajectory.isel(replica=slice(2)).copy()
    exact["energy_kinetic"] = (("replica", "time"), slopes[:, None] * 1e-3 * len(NUMBERS) * time / 1e3)
    exact["energy_potential"] = 0 * exact["energy_kinetic"]
    assert drifts(exact) == pytest.approx(slopes)


def test_level_of_theory_names_the_dispersion(run: dict[str, Path]) -> None:
    labels = read_dataset(run["labels"], stage="fit")
    assert level_of_theory(labels) == "PBE/def2-SVP"
    assert level_of_theory(labels.assign_attrs(dispersion="d4")) == "PBE-D4/def2-SVP"
    bare = labels.copy()
    del bare.attrs["functional"]
    with pytest.raises(DensnetError, match="functional"):
        level_of_theory(bare)


def test_benchmarks_are_summed_by_rule(run: dict[str, Path], tmp_path: Path) -> None:
    costs = {cost.rule: cost for cost in read_benchmarks(run["benchmarks"]).itertuples()}
    assert sorted(costs["label"].seconds) == [58.4, 62.0]
    assert costs["label"].max_rss_mb == 482.9
    assert np.isnan(costs["spectrum"].max_rss_mb)
    with pytest.raises(DensnetError, match=r"no \.tsv"):
        read_benchmarks(tmp_path)
    copied = tmp_path / "benchmarks"
    shutil.copytree(run["benchmarks"], copied)
    (copied / "sample.tsv").write_text("nonsense\n1\n")
    with pytest.raises(DensnetError, match="column 's'"):
        read_benchmarks(copied)


def test_durations_are_readable() -> None:
    assert [duration(s) for s in (0.5, 31.2, 240.3, 7200)] == ["0.5 s", "31 s", "4.0 min", "2.0 h"]


def test_log_with_gaps_and_without_steps(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("step,train_loss,validation_x\n1,0.5,\n2,0.4,7\n")
    log = read_log(path)
    assert np.isnan(log["validation_x"][0]) and log["validation_x"][1] == 7
    for text in ("", "a,b\n1,2\n", "step\nabc\n"):
        path.write_text(text)
        with pytest.raises(DensnetError, match=r"log\.csv"):
            read_log(path)
