"""A Raman spectrum beside a measured one, published fundamentals, harmonic lines; never beside an infrared one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from raman_examples import ISOTROPIC, TRACELESS, polar_trajectory, thermal_polarizability
from spectra_examples import trajectory_dataset

from densnet.cli.compare import compare
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, variable, write_dataset
from densnet.spectra.infrared import spectrum_of_trajectory
from densnet.spectra.jcamp_dx import read_jcamp_dx
from densnet.spectra.raman import raman_of_trajectory
from densnet.spectra.settings import SpectrumSettings

SETTINGS = SpectrumSettings(resolution=20.0, correct_timestep=False)
PLACES = [992.0, 1596.0, 3062.0]
"""Some of benzene's Raman lines, 1/cm."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Spectra of both kinds, harmonic modes with and without Raman activities."""
    folder = tmp_path_factory.mktemp("raman")
    alpha = thermal_polarizability(PLACES, [ISOTROPIC, TRACELESS, ISOTROPIC + TRACELESS], n_times=4000)
    files = {
        "raman": raman_of_trajectory(polar_trajectory(alpha), SETTINGS),
        "infrared": spectrum_of_trajectory(trajectory_dataset(PLACES, n_replicas=2, n_times=6000), SETTINGS),
    }
    for name, dataset in files.items():
        write_dataset(dataset, folder / f"{name}.nc", stage="spectrum", method_version=1, settings={})
    modes = xr.Dataset(
        {
            "wavenumber": variable(("mode",), np.array([-20.0, *PLACES]), "cm-1", "wavenumber"),
            "intensity": variable(("mode",), np.full(4, 5.0), "km/mol", "intensity"),
        },
        attrs={"method": "PBE/def2-SVP"},
    )
    write_dataset(modes, folder / "dark.nc", stage="harmonic", method_version=1, settings={})
    # 45 a'² + 7 γ'² of the slopes above in Å⁴/Da
    activities = 14.399645**2 * np.array([0.0, 45 * 0.09, 7 * 1.5 * 0.165, 45 * 0.09 + 7 * 1.5 * 0.165])
    modes["raman_activity"] = variable(("mode",), activities, "angstrom4 Da-1", "Raman activity")
    write_dataset(modes, folder / "harmonic.nc", stage="harmonic", method_version=1, settings={})
    return folder


def write_jcamp(path: Path, data_type: str, xunits: str = "1/CM", yunits: str = "RAMAN INTENSITY") -> Path:
    x = np.arange(-200.0, 3801.0, 2.0)
    y = 50.0 + sum(900.0 * np.exp(-(((x - place) / 12.0) ** 2)) for place in PLACES)
    head = ["##TITLE=BENZENE, SYNTHETIC", "##JCAMP-DX=4.24", f"##DATA TYPE={data_type}", f"##XUNITS={xunits}"]
    head += [f"##YUNITS={yunits}", "##XFACTOR=1", "##YFACTOR=0.001", f"##FIRSTX={x[0]}", f"##LASTX={x[-1]}"]
    head += [f"##NPOINTS={len(x)}", "##XYDATA=(X++(Y..Y))"]
    rows = [f"{x[n]:.1f} " + " ".join(f"{v:.0f}" for v in 1e3 * y[n : n + 8]) for n in range(0, len(x), 8)]
    path.write_text("\n".join([*head, *rows, "##END=", ""]))
    return path


@pytest.mark.parametrize("xunits", ["1/CM", "RAMAN SHIFT (CM-1)", "Raman shift / cm^-1"])
def test_a_measured_raman_spectrum_is_read(tmp_path: Path, xunits: str) -> None:
    measured = read_jcamp_dx(write_jcamp(tmp_path / "a.jdx", "RAMAN SPECTRUM", xunits), "raman")
    assert measured.wavenumber[[0, -1]].tolist() == [2.0, 3800.0]
    assert measured.intensity.max() == pytest.approx(950.0, rel=1e-3)
    assert measured.notes == ("101 points at Raman shifts of zero and below (anti-Stokes) left out",)


@pytest.mark.parametrize(
    ("data_type", "kind", "message"),
    [
        ("RAMAN SPECTRUM", "infrared", r"##DATA TYPE= expected INFRARED SPECTRUM, found 'RAMAN SPECTRUM'; give an inf"),
        ("INFRARED SPECTRUM", "raman", r"##DATA TYPE= expected RAMAN SPECTRUM, found 'INFRARED SPECTRUM'; give a Ram"),
        ("RAMAN PEAK TABLE", "raman", "expected RAMAN SPECTRUM, found 'RAMAN PEAK TABLE'; give a Raman spectrum$"),
        ("UV/VIS SPECTRUM", "raman", "expected RAMAN SPECTRUM, found 'UV/VIS SPECTRUM'; give a Raman spectrum$"),
    ],
)
def test_another_kind_of_spectrum_is_one_line(tmp_path: Path, data_type: str, kind: str, message: str) -> None:
    with pytest.raises(DensnetError, match=message) as refused:
        read_jcamp_dx(write_jcamp(tmp_path / "a.jdx", data_type), kind)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ({"xunits": "NANOMETERS"}, "##XUNITS= expected 1/CM or RAMAN SHIFT, found 'NANOMETERS'"),
        ({"yunits": "TRANSMITTANCE"}, "##YUNITS= expected RAMAN INTENSITY or ARBITRARY UNITS, found 'TRANSMITTANCE'"),
    ],
)
def test_units_of_other_spectra_are_refused(tmp_path: Path, units: dict[str, str], message: str) -> None:
    with pytest.raises(DensnetError, match=message):
        read_jcamp_dx(write_jcamp(tmp_path / "a.jdx", "RAMAN SPECTRUM", **units), "raman")


def test_raman_beside_raman(folder: Path, tmp_path: Path) -> None:
    compare(
        spectrum=folder / "raman.nc",
        jcamp=write_jcamp(tmp_path / "a.jdx", "RAMAN SPECTRUM"),
        fundamentals="Benzene",
        harmonic=[folder / "harmonic.nc"],
        output=tmp_path / "comparison.nc",
    )
    found = read_dataset(tmp_path / "comparison.nc", stage="compare")
    assert found.attrs["kind"] == "raman"
    assert found["reference"].values.tolist() == ["jcamp", "harmonic-PBE-def2-SVP"]
    # the same lines with the same activities, once by dynamics and once as Gaussians
    assert float(found["pearson"][1]) > 0.99 and float(found["scaling_factor"][1]) == pytest.approx(1.0, abs=2e-3)
    # benzene's Raman lines that symmetry forbids in the infrared
    assert {992.0, 1178.0, 606.0} <= set(found["stick_wavenumber"].values)
    assert 673.0 not in found["stick_wavenumber"].values
    assert set(found["line_experiment"].values) >= {992.0, 1596.0}


def test_kinds_are_not_mixed(folder: Path, tmp_path: Path) -> None:
    refused = {
        "expected Raman spectra, as the model's is, found the infrared spectrum of model": {
            "peer": [folder / "infrared.nc"]
        },
        "harmonic, PBE/def2-SVP: expected Raman activities, found none": {"harmonic": [folder / "dark.nc"]},
        "expected RAMAN SPECTRUM, found 'INFRARED SPECTRUM'": {
            "jcamp": write_jcamp(tmp_path / "a.jdx", "INFRARED SPECTRUM")
        },
    }
    for message, given in refused.items():
        with pytest.raises(DensnetError, match=message):
            compare(spectrum=folder / "raman.nc", output=tmp_path / "none.nc", **given)  # type: ignore[arg-type]
    with pytest.raises(DensnetError, match="expected INFRARED SPECTRUM, found 'RAMAN SPECTRUM'"):
        compare(
            spectrum=folder / "infrared.nc",
            jcamp=write_jcamp(tmp_path / "b.jdx", "RAMAN SPECTRUM"),
            output=tmp_path / "none.nc",
        )
    assert not (tmp_path / "none.nc").exists()
