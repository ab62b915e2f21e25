"""JCAMP-DX files as the public collections have them: transmittance, micrometres, uneven and reversed abscissas."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from spectra_examples import trajectory_dataset

from densnet.cli.compare import compare
from densnet.cli.spectrum import spectrum
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, write_dataset
from densnet.spectra.jcamp_dx import read_jcamp_dx
from densnet.spectra.settings import SpectrumSettings

BAND = 1050.0


def absorbance(wavenumber: np.ndarray) -> np.ndarray:
    return 0.8 * np.exp(-(((wavenumber - BAND) / 30.0) ** 2)) + 0.3 * np.exp(-(((wavenumber - 2950.0) / 50.0) ** 2))


def write_xydata(path: Path, x: np.ndarray, y: np.ndarray, *, xunits: str, yunits: str, extra: str = "") -> Path:
    """A file with an even abscissa in the form (X++(Y..Y)), five ordinates a line."""
    lines = [
        "##TITLE=SYNTHETIC",
        "##JCAMP-DX=4.24",
        "##DATA TYPE=INFRARED SPECTRUM",
        "##ORIGIN=A TEST",
        "##OWNER=NOBODY",
        "a continuation line of the owner",
        "##STATE=GAS",
        f"##XUNITS={xunits}",
        f"##YUNITS={yunits}",
        "##XFACTOR=1.000000",
        "##YFACTOR=1",
        f"##FIRSTX={x[0]:.6f}",
        f"##LASTX={x[-1]:.6f}",
        f"##NPOINTS={len(x)}",
    ]
    lines += [line for line in extra.splitlines() if line]
    lines.append("##XYDATA=(X++(Y..Y))")
    for start in range(0, len(x), 5):
        lines.append(f"{x[start]:.6f} " + " ".join(f"{value:.6f}" for value in y[start : start + 5]))
    lines.append("##END=")
    path.write_text("\n".join(lines) + "\n")
    return path


def assert_is_the_band(path: Path, tolerance: float = 2e-3) -> None:
    spectrum = read_jcamp_dx(path)
    inside = (spectrum.wavenumber > 800) & (spectrum.wavenumber < 3500)
    assert np.diff(spectrum.wavenumber) == pytest.approx(1.0)
    assert spectrum.intensity[inside] == pytest.approx(absorbance(spectrum.wavenumber[inside]), abs=tolerance)


def test_transmittance_becomes_absorbance(tmp_path: Path) -> None:
    x = np.linspace(500.0, 3800.0, 3301)
    path = write_xydata(tmp_path / "a.jdx", x, 10 ** -absorbance(x), xunits="1/CM", yunits="TRANSMITTANCE")
    assert_is_the_band(path)
    assert read_jcamp_dx(path).title == "SYNTHETIC"
    assert read_jcamp_dx(path).notes == ()


def test_absorbance_is_taken_as_it_is(tmp_path: Path) -> None:
    x = np.linspace(500.0, 3800.0, 3301)
    assert_is_the_band(write_xydata(tmp_path / "a.jdx", x, absorbance(x), xunits="1/CM", yunits="ABSORBANCE"))


def test_percent_is_recognised_by_name_and_by_value(tmp_path: Path) -> None:
    x = np.linspace(500.0, 3800.0, 3301)
    percent = 100 * 10 ** -absorbance(x)
    assert_is_the_band(
        write_xydata(tmp_path / "a.jdx", x, percent, xunits="1/CM", yunits="PERCENT TRANSMITTANCE"), tolerance=2e-3
    )
    unnamed = write_xydata(tmp_path / "b.jdx", x, percent, xunits="1/CM", yunits="TRANSMITTANCE")
    assert_is_the_band(unnamed)
    assert any("percent" in note for note in read_jcamp_dx(unnamed).notes)


def test_micrometres_are_uneven_and_reversed_in_wavenumbers(tmp_path: Path) -> None:
    x = np.linspace(2.5, 15.0, 4001)
    path = write_xydata(tmp_path / "a.jdx", x, 10 ** -absorbance(1e4 / x), xunits="MICROMETERS", yunits="TRANSMITTANCE")
    spectrum = read_jcamp_dx(path)
    assert spectrum.wavenumber[0] == 667 and spectrum.wavenumber[-1] == 4000
    assert_is_the_band(path)


def test_pairs_in_any_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x = rng.permutation(np.linspace(500.0, 3800.0, 3301))
    header = "##TITLE=PAIRS\n##JCAMP-DX=4.24\n##XUNITS=1/CM\n##YUNITS=ABSORBANCE\n##XYPOINTS=(XY..XY)\n"
    body = "\n".join(f"{a:.4f}, {b:.6f}" for a, b in zip(x, absorbance(x), strict=True))
    path = tmp_path / "a.jdx"
    path.write_text(header + body + "\n##END=\n")
    assert_is_the_band(path)


def test_saturated_and_overshooting_points_are_put_right_and_told(tmp_path: Path) -> None:
    x = np.linspace(500.0, 3800.0, 3301)
    transmittance = 10 ** -absorbance(x)
    transmittance[np.abs(x - BAND) < 5] = -0.01
    transmittance[x > 3700] = 1.02
    path = write_xydata(tmp_path / "a.jdx", x, transmittance, xunits="CM-1", yunits="TRANSMITTANCE")
    spectrum = read_jcamp_dx(path)
    assert np.isfinite(spectrum.intensity).all()
    assert spectrum.intensity.min() == 0.0
    assert spectrum.intensity.max() == pytest.approx(3.0)
    assert [note.split(" set")[0] for note in spectrum.notes] == [
        "9 points with transmittance <= 0",
        "100 points with transmittance > 1",
    ]


def test_a_liquid_is_told(tmp_path: Path) -> None:
    x = np.linspace(500.0, 3800.0, 301)
    path = write_xydata(
        tmp_path / "a.jdx", x, absorbance(x), xunits="1/CM", yunits="ABSORBANCE", extra="##STATE=LIQUID"
    )
    assert "liquid" in read_jcamp_dx(path).notes[0]


def whole_file(path: Path) -> str:
    x = np.linspace(500.0, 3800.0, 3301)
    return write_xydata(path, x, absorbance(x), xunits="1/CM", yunits="ABSORBANCE").read_text()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "truncated: expected 3301 points"),
        (lambda text: text.split("##XYDATA")[0], "."),
        (lambda text: "", "."),
        (lambda text: "PK\x03\x04 not a spectrum", "not a JCAMP-DX"),
        (lambda text: text.replace("##FIRSTX=500.000000", "##FIRSTX=abc"), "not a readable JCAMP-DX"),
        (lambda text: text.replace("##XUNITS=1/CM", "##XUNITS=HZ"), "XUNITS= expected"),
        (lambda text: text.replace("##YUNITS=ABSORBANCE", "##YUNITS=KUBELKA-MUNK"), "YUNITS= expected"),
    ],
)
def test_damaged_file_is_one_line(tmp_path: Path, damage, message: str) -> None:  # noqa: ANN001
    path = tmp_path / "a.jdx"
    path.write_text(damage(whole_file(path)))
    with pytest.raises(DensnetError, match=message) as caught:
        read_jcamp_dx(path)
    assert "\n" not in str(caught.value) and "a.jdx" in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DensnetError, match="is no file"):
        read_jcamp_dx(tmp_path / "none.jdx")


def test_a_file_that_was_not_found_is_no_spectrum(tmp_path: Path) -> None:
    """What the NIST WebBook answers to a number that it does not have."""
    path = tmp_path / "none.jdx"
    path.write_text("##TITLE=Spectrum not found.\n##END=\n")
    with pytest.raises(DensnetError, match="no data"):
        read_jcamp_dx(path)


@pytest.mark.parametrize("units", ["1/CM", "MICROMETERS"])
def test_a_measured_file_is_scored_beside_dynamics_with_the_same_lines(tmp_path: Path, units: str) -> None:
    trajectory = trajectory_dataset([BAND, 2950.0], n_replicas=4, n_times=6000)
    write_dataset(trajectory, tmp_path / "trajectory.nc", stage="md", method_version=1, settings={})
    settings = SpectrumSettings(correct_timestep=False)
    spectrum(trajectory=tmp_path / "trajectory.nc", output=tmp_path / "spectrum.nc", settings=settings)
    x = np.linspace(500.0, 4000.0, 3501) if units == "1/CM" else np.linspace(2.5, 20.0, 7001)
    wavenumber = x if units == "1/CM" else 1e4 / x
    measured = write_xydata(
        tmp_path / "measured.jdx", x, 10 ** -absorbance(wavenumber), xunits=units, yunits="TRANSMITTANCE"
    )
    compare(spectrum=tmp_path / "spectrum.nc", jcamp=measured, output=tmp_path / "comparison.nc")
    scored = read_dataset(tmp_path / "comparison.nc", stage="compare")
    assert scored["reference"].values.tolist() == ["jcamp"]
    assert float(scored["scaling_factor"][0]) == pytest.approx(1.0, abs=0.002)
    # lines of 20 1/cm beside bands of 50 and 83 1/cm
    assert 0.6 < float(scored["pearson"][0]) < 1.0
