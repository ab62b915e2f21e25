"""The Raman spectrum of polarizabilities whose answer is known in closed form."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from raman_examples import (
    INTERVAL,
    ISOTROPIC,
    PERMANENT,
    TEMPERATURE,
    TRACELESS,
    Array,
    polar_trajectory,
    thermal_polarizability,
)

from densnet.cli.spectrum import spectrum
from densnet.density.response import invariants
from densnet.errors import DensnetError
from densnet.io.netcdf import read_dataset, write_dataset
from densnet.spectra.raman import (
    activity,
    activity_of_segments,
    cross_section_factor,
    depolarisation,
    raman_of_trajectory,
)
from densnet.spectra.settings import SpectrumSettings

SETTINGS = SpectrumSettings(resolution=15.0, correct_timestep=False)
COULOMB = 14.399645
"""e²/(4π ε0) in eV Å, from tables."""


def rotation(seed: int = 3) -> Array:
    turn, _ = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
    return turn * np.linalg.det(turn)


def area(found: xr.Dataset, name: str) -> float:
    return float(np.trapezoid(found[name], found["wavenumber"]))


def test_invariants_are_those_of_the_textbook() -> None:
    t = np.array([[1.0, 0.2, -0.4], [0.2, 2.5, 0.7], [-0.4, 0.7, -0.5]])
    a2, gamma2 = invariants(t)
    (xx, xy, xz), (_, yy, yz), (_, _, zz) = t
    # Long, The Raman Effect, (A14.7): ½ [(xx - yy)² + (yy - zz)² + (zz - xx)²] + 3 (xy² + yz² + zx²)
    expected = 0.5 * ((xx - yy) ** 2 + (yy - zz) ** 2 + (zz - xx) ** 2) + 3 * (xy**2 + yz**2 + xz**2)
    assert (a2, gamma2) == (pytest.approx(1.0), pytest.approx(expected))
    turn = rotation()
    assert invariants(turn @ t @ turn.T) == pytest.approx((a2, gamma2))
    assert depolarisation(np.array([0.0, 2.0, 0.0]), np.array([1.0, 0.0, 0.0])) == pytest.approx(
        [0.75, 0.0, np.nan], nan_ok=True
    )


@pytest.mark.parametrize(
    ("slope", "ratio"), [(ISOTROPIC, 0.0), (TRACELESS, 0.75), (ISOTROPIC + TRACELESS, None)], ids=["a", "b", "both"]
)
def test_one_oscillator_is_one_line_of_its_activity_and_depolarisation(slope: Array, ratio: float | None) -> None:
    found = raman_of_trajectory(polar_trajectory(thermal_polarizability([1500.0], [slope])), SETTINGS)
    assert found["line_wavenumber"].values == pytest.approx([1500.0], abs=0.5)
    a2, gamma2 = (COULOMB**2 * invariant for invariant in invariants(slope))
    # side lobes of the window, beyond the range and at its lower end
    assert area(found, "isotropic") == pytest.approx(a2, rel=1e-3, abs=1e-6)
    assert area(found, "anisotropic") == pytest.approx(gamma2, rel=1e-3, abs=1e-6)
    expected = 3 * gamma2 / (45 * a2 + 4 * gamma2) if ratio is None else ratio
    assert found["line_depolarisation"].values == pytest.approx([expected], abs=1e-6)
    # the factor changes by 3 % over a line of 15 1/cm, about evenly to both sides
    factor = cross_section_factor(np.array([1500.0]), SETTINGS.raman_laser_nm, TEMPERATURE)
    assert area(found, "intensity") == pytest.approx(float(factor[0] * activity(a2, gamma2)), rel=2e-3)
    np.testing.assert_allclose(found["parallel"] + found["perpendicular"], found["intensity"], rtol=1e-9)


def test_areas_add_up_to_the_variance_of_the_derivative() -> None:
    """Sum rule: k_B T times the area of a² is the mean of (dᾱ/dt)², whatever moves."""
    rng = np.random.default_rng(11)
    places, sizes = np.linspace(300, 3500, 12) + rng.uniform(-80, 80, 12), rng.uniform(0.1, 1.0, 12)
    slopes = [size * (ISOTROPIC + TRACELESS) for size in sizes]
    alpha = thermal_polarizability(places.tolist(), slopes, n_times=12000)
    found = raman_of_trajectory(polar_trajectory(alpha), replace(SETTINGS, wavenumber_min=0.0))
    a2, gamma2 = invariants(ISOTROPIC + TRACELESS)
    # lines are further apart than the resolution, so that no cross terms are left
    assert area(found, "isotropic") == pytest.approx(COULOMB**2 * a2 * (sizes**2).sum(), rel=1e-3)
    assert area(found, "anisotropic") == pytest.approx(COULOMB**2 * gamma2 * (sizes**2).sum(), rel=1e-3)
    assert float(found["wavenumber"][0]) > 0 and np.isfinite(found["intensity"]).all()


def test_a_turned_molecule_scatters_the_same() -> None:
    alpha = thermal_polarizability([900.0, 2900.0], [TRACELESS, ISOTROPIC + TRACELESS])
    turn = rotation()
    still, turned = (raman_of_trajectory(polar_trajectory(x), SETTINGS) for x in (alpha, turn @ alpha @ turn.T))
    for name in ("intensity", "isotropic", "anisotropic", "depolarisation", "depolarisation_quantiles"):
        np.testing.assert_allclose(turned[name], still[name], rtol=1e-6, atol=1e-9 * float(still[name].max()))


def test_rotation_splits_the_anisotropic_part_alone() -> None:
    """A rod that turns about an axis across itself looks the same after half a turn: wings at twice its rate."""
    place, turning = 2000.0, 40.0
    alpha = thermal_polarizability([place], [ISOTROPIC + np.diag([0.4, -0.2, -0.2])]) - PERMANENT
    phase = 2 * np.pi * 2.99792458e-5 * turning * INTERVAL * np.arange(alpha.shape[1])
    cos, sin, zero = np.cos(phase), np.sin(phase), 0 * phase
    turn = np.array([[cos, -sin, zero], [sin, cos, zero], [zero, zero, zero + 1]]).transpose(2, 0, 1)
    found = raman_of_trajectory(polar_trajectory(turn @ alpha @ turn.transpose(0, 2, 1)), SETTINGS)
    x = found["wavenumber"].values
    maxima = [
        x[1:-1][(y[1:-1] > y[:-2]) & (y[1:-1] > y[2:]) & (y[1:-1] > 0.05 * y.max())]
        for y in (found["isotropic"].values, found["anisotropic"].values)
    ]
    # to the spacing of the grid
    assert maxima[0] == pytest.approx([place], abs=3.0)
    assert maxima[1] == pytest.approx([place - 2 * turning, place, place + 2 * turning], abs=3.0)


def test_cross_sections_are_the_formula_in_other_units() -> None:
    """2π² h / 45 c (ν_L - ν)⁴/ν in cgs: 5.84e-46 cm²/sr for wavenumbers in 1/cm and activities in Å⁴/u."""
    x, laser, temperature = np.array([300.0, 1500.0, 3000.0]), 514.5, 400.0
    cgs = 2 * np.pi**2 * 6.62607e-27 / (45 * 2.997925e10) * 1e-32 / 1.660539e-24
    assert cgs == pytest.approx(5.84e-46, rel=1e-3)
    cold = cgs * (1e7 / laser - x) ** 4 / x
    # 1 cm² is 1e-4 m²
    np.testing.assert_allclose(cross_section_factor(x, laser, None), cold * 1e-4 * 1e36, rtol=1e-5)
    warm = cold / (1 - np.exp(-1.438777 * x / temperature))
    np.testing.assert_allclose(cross_section_factor(x, laser, temperature), warm * 1e32, rtol=1e-5)


def test_settings_of_the_experiment_do_what_they_say() -> None:
    trajectory = polar_trajectory(thermal_polarizability([400.0, 3000.0], [ISOTROPIC, ISOTROPIC]))
    found = {
        (laser, warm): raman_of_trajectory(
            trajectory, replace(SETTINGS, raman_laser_nm=laser, raman_temperature_factor=warm)
        )
        for laser in (400.0, 800.0)
        for warm in (True, False)
    }

    def relative(which: tuple[float, bool]) -> float:
        """How much stronger the line at 400 1/cm is."""
        heights = found[which].sel(wavenumber=[400.0, 3000.0], method="nearest")["intensity"].values
        return float(heights[0] / heights[1])

    bose = 1 / (1 - np.exp(-1.438777 * 400.0 / TEMPERATURE))
    # at the grid's nearest points
    assert relative((400.0, True)) / relative((400.0, False)) == pytest.approx(bose, rel=5e-3)
    lasers = ((12500 - 400) / (12500 - 3000)) ** 4 / ((25000 - 400) / (25000 - 3000)) ** 4
    assert relative((800.0, True)) / relative((400.0, True)) == pytest.approx(lasers, rel=5e-3)
    for name in ("isotropic", "anisotropic"):
        np.testing.assert_array_equal(found[400.0, True][name], found[800.0, False][name])


def test_bands_of_a_depolarisation_ratio_hold_what_replicas_say() -> None:
    rng = np.random.default_rng(5)
    alpha = thermal_polarizability([1200.0], [ISOTROPIC + TRACELESS], n_replicas=12) - PERMANENT
    mixed = alpha * rng.uniform(0.5, 1.5, (12, 1, 1, 1))
    found = raman_of_trajectory(polar_trajectory(mixed), SETTINGS).sel(wavenumber=1200.0, method="nearest")
    low, middle, high = found["depolarisation_quantiles"].values
    # the same shape in every replica: strength varies, the ratio does not
    assert float(found["intensity_error"]) > 0.03 * float(found["intensity"])
    assert (low, high) == pytest.approx((middle, middle), abs=1e-6)
    single = raman_of_trajectory(polar_trajectory(mixed[:1]), SETTINGS).sel(wavenumber=1200.0, method="nearest")
    assert np.isnan(single["depolarisation_quantiles"].values[[0, 2]]).all()


def test_what_is_inactive_is_zero_and_has_no_lines() -> None:
    found = raman_of_trajectory(polar_trajectory(thermal_polarizability([], [], n_times=4000)), SETTINGS)
    assert found.attrs["raman_active"] == 0 and not found.sizes["line"]
    assert not found["intensity"].values.any() and np.isnan(found["depolarisation"]).all()


@pytest.mark.parametrize(
    ("shape", "message"),
    [((4, 100, 3), r"shape \(replica, time, 3, 3\)"), ((0, 100, 3, 3), "shape"), ((2, 5000, 3, 3), "not finite in")],
)
def test_bad_polarizabilities(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(DensnetError, match=message):
        activity_of_segments(np.full(shape, np.nan), INTERVAL, TEMPERATURE, SETTINGS)


def test_what_cannot_be_shown_is_one_line() -> None:
    alpha = thermal_polarizability([1500.0], [ISOTROPIC], n_replicas=1)
    with pytest.raises(DensnetError, match=r"wavenumber_max: 4500 1/cm is beyond what a polarizability every 4 fs"):
        activity_of_segments(alpha, 4.0, TEMPERATURE, SETTINGS)
    with pytest.raises(DensnetError, match=r"raman_laser_nm: a laser of 1000 nm \(10000 1/cm\) cannot excite 12000"):
        cross_section_factor(np.array([12000.0]), 1000.0, None)
    with pytest.raises(DensnetError, match=r"raman_laser_nm: expected"):
        SpectrumSettings(raman_laser_nm=50.0)


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    trajectory = polar_trajectory(thermal_polarizability([1500.0], [ISOTROPIC]))
    write_dataset(trajectory, tmp_path / "t.nc", stage="md", method_version=1, settings={})
    spectrum(trajectory=tmp_path / "t.nc", output=tmp_path / "raman.nc", raman=True, settings=SETTINGS)
    assert capsys.readouterr().err.startswith("Raman spectrum of model: 8 replicas of 6.00 ps; strongest lines 1500 1/")
    assert read_dataset(tmp_path / "raman.nc", stage="spectrum").attrs["kind"] == "raman"
    write_dataset(trajectory.drop_vars("polarizability"), tmp_path / "u.nc", stage="md", method_version=1, settings={})
    with pytest.raises(DensnetError) as refused:
        spectrum(trajectory=tmp_path / "u.nc", output=tmp_path / "none.nc", raman=True)
    assert str(refused.value).startswith("trajectory: expected polarizabilities for a Raman spectrum, found none")
    assert not (tmp_path / "none.nc").exists()
