"""All that is computed, stored, compared and shown: names, dimensions, units, and how errors are measured.

Writers take dimensions and units from here, readers, metrics and figures iterate over these tables: a quantity that is
added with a measure of its error and a metric is in ``evaluation.nc``, in ``metrics.json`` and on the page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from densnet.errors import DensnetError
from densnet.units import (
    E_ANGSTROM_IN_DEBYE,
    E_BOHR_IN_DEBYE,
    EV_IN_MEV,
    HARTREE_IN_EV,
    HARTREE_IN_MILLIHARTREE,
    POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV,
)

PAIRS = ("model-fit", "model-true", "fit-true", "prior-fit")
"""Densities that are compared, first with second; "true" is the Kohn-Sham density."""

Variable = tuple[tuple[str, ...], Any, dict[str, str]]
"""A variable of a netCDF file in xarray's form: dimensions, values, attributes."""


@dataclass(frozen=True)
class ErrorScale:
    """How a prediction of a quantity is compared with its reference, and how that is shown.

    Attributes:
        word: what the quantity is called in the keys of metrics.
        over: whether a vector's components are taken one by one ("component") or together ("length"); "" of a scalar.
        factor: from the quantity's units to those shown.
        unit: as it is shown.
        spread_name: long name of the standard deviation over the members of an ensemble.
    """

    word: str
    over: str
    factor: float
    unit: str
    spread_name: str

    def shown(self, value: Any, n_atoms: int) -> Any:
        """Return values or errors in the units that are shown."""
        return self.factor * value / n_atoms if self.unit.endswith("/atom") else self.factor * value

    def root(self, squares: Any) -> Any:
        """Return the root of squares (..., x), their mean taken for components, their sum for lengths."""
        if self.over:
            squares = squares.mean(-1) if self.over == "component" else squares.sum(-1)
        return squares**0.5


@dataclass(frozen=True)
class Quantity:
    """Something that is computed at a geometry.

    Attributes:
        name: of the variable in files, and of the attribute of predictions.
        dims: of one geometry.
        units: of the variable.
        long_name: of the variable.
        error: how a prediction is compared with the reference.
    """

    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str
    error: ErrorScale

    def variable(self, values: Any, over: tuple[str, ...] = ("frame",), long_name: str = "") -> Variable:
        """Return the netCDF variable of the values at geometries over those dimensions."""
        return (*over, *self.dims), values, {"units": self.units, "long_name": long_name or self.long_name}


@dataclass(frozen=True)
class Measure:
    """How far two densities, or what follows from them, are apart at one geometry.

    Attributes:
        name: of the variable over (pair, frame, ...) in ``evaluation.nc``.
        dims: its further dimensions.
        units: of the variable.
        long_name: of the variable.
        factor: from atomic units.
        apart: name and long name of variables over (frame,) that some pairs have instead of one over all of them.
        paired: whether there is a value for each of :data:`PAIRS`, not a single one.
    """

    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str
    factor: float = 1.0
    apart: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    paired: bool = True


@dataclass(frozen=True)
class Metric:
    """One number of ``metrics.json``.

    Attributes:
        key: in the file, unit at its end; a condition stands in braces: ``density_nmae_of_{element}_percent``.
        label: short name, with the condition likewise.
        unit: as it is shown, "" if it has none.
        meaning: one sentence, with the condition likewise.
        of: name of the :class:`Measure`, quantity or spread whose mean over the test frames it is; "" of what is none.
        pair: of densities that are compared.
        by_temperature: whether it is also taken of the test frames of each temperature.
        largest: whether it is the largest value, not the mean.
        brief: whether it is in the short table that closes a run.
        digits: how a value is written, "d" for whole numbers; three digits if empty.
        condition: what stands in the braces, ``{"element": "C"}``; empty in :data:`METRICS`.
    """

    key: str
    label: str
    unit: str
    meaning: str
    of: str = ""
    pair: str = ""
    by_temperature: bool = False
    largest: bool = False
    brief: bool = False
    digits: str = ""
    condition: Mapping[str, str] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The label with its unit, as it heads a column or names an axis."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label

    @property
    def at_temperature(self) -> Metric:
        """The same of the test frames of one ``{temperature}``."""
        return replace(
            self,
            key=self.key.replace("mae_", "mae_at_{temperature}k_"),
            label=f"{self.label}, {{temperature}} K",
            meaning=f"{self.meaning} Test frames of one temperature.",
            brief=False,
        )

    def match(self, key: str) -> re.Match[str] | None:
        """Match a key of a file with this one's, conditions as groups."""
        return re.fullmatch(re.sub(r"\\{(\w+)\\}", r"(?P<\1>.+)", re.escape(self.key)), key)

    def under(self, **condition: str) -> Metric:
        """Return the same with the conditions filled in."""
        texts = {name: getattr(self, name).format(**condition) for name in ("key", "label", "meaning")}
        return replace(self, **texts, condition=condition)

    def formatted(self, value: float | None) -> str:
        """Return a value with the digits that it deserves."""
        if value is None:
            return "not available"
        if self.digits:
            return f"{int(value) if self.digits == 'd' else value:{self.digits}}"
        return three_digits(value)


def three_digits(value: float) -> str:
    """Return a number with three digits, or more before the decimal point."""
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


ENERGY = Quantity(
    "energy",
    (),
    "eV",
    "total energy",
    ErrorScale("energy", "", EV_IN_MEV, "meV/atom", "standard deviation of the members' energies"),
)
FORCES = Quantity(
    "forces",
    ("atom", "x"),
    "eV/angstrom",
    "forces",
    ErrorScale("force", "component", EV_IN_MEV, "meV/Å", "standard deviation of a force component, RMS of three"),
)
DIPOLE = Quantity(
    "dipole",
    ("x",),
    "e angstrom",
    "electric dipole moment",
    ErrorScale(
        "dipole", "length", E_ANGSTROM_IN_DEBYE, "D", "standard deviation of the members' dipoles, root of the sum"
    ),
)
POLARIZABILITY = Quantity(
    "polarizability",
    ("x", "field"),
    "e^2 angstrom^2/eV",
    "static electric polarizability",
    ErrorScale(
        "polarizability",
        "",
        1.0 / POLARIZABILITY_IN_E2_ANGSTROM2_PER_EV,
        "bohr³",
        "standard deviation of a component over the members",
    ),
)
"""alpha_xy = d mu_x / d F_y, symmetric; "field" is the component of the electric field."""
PREDICTED = {quantity.name: quantity for quantity in (ENERGY, FORCES, DIPOLE)}
"""What both models and references say of a geometry."""


def compared(role: str, values: Mapping[str, Any], source: str) -> dict[str, Variable]:
    """Return what is said of frames, by quantity, as variables named by role, "energy_predicted", and by their source.

    Args:
        role: "predicted" or "reference".
        values: arrays over frames by the names of :data:`PREDICTED`.
        source: who says it, for the long names.
    """
    return {
        f"{name}_{role}": PREDICTED[name].variable(said, long_name=f"{name} of the {source}")
        for name, said in values.items()
    }


_MILLIVOLT = HARTREE_IN_EV * EV_IN_MEV
_NEGATIVE = "part of the volume (density above 0.001 e/bohr^3) where the fit is below the free atoms"

MEASURES = (
    Measure(
        "nmae",
        (),
        "%",
        "NMAE of the density",
        apart={
            "model-fit": ("nmae", "NMAE of the model's density against the fitted one"),
            "model-true": ("nmae_true", "NMAE of the model's density against the Kohn-Sham density"),
            "fit-true": ("floor_nmae", "NMAE of the fitted density against the Kohn-Sham density"),
            "prior-fit": ("prior_nmae", "NMAE of superposed free atoms against the fitted density"),
        },
    ),
    Measure(
        "coulomb_error",
        (),
        "mHa",
        "Coulomb self-energy of the density error",
        HARTREE_IN_MILLIHARTREE,
        {
            "model-fit": ("coulomb_error", "Coulomb self-energy of the model's density error"),
            "prior-fit": ("prior_coulomb_error", "Coulomb self-energy of the free atoms' density error"),
        },
    ),
    Measure("prior_negative_volume", (), "%", _NEGATIVE, paired=False),
    Measure("nmae_by_atom", ("atom",), "%", "part of the NMAE in each atom's cell (Becke)"),
    Measure("nmae_by_shell", ("shell",), "%", "part of the NMAE by distance to the nearest nucleus"),
    Measure("overlap_error", (), "e bohr^-1.5", "root of the integral of the squared density error"),
    Measure("overlap_error_relative", (), "%", "the same relative to the reference density's own"),
    Measure("dipole_error", (), "D", "length of the dipole's error vector", E_BOHR_IN_DEBYE),
    Measure("potential_rms_error", (), "mV", "RMS error of the potential around the molecule", _MILLIVOLT),
    Measure("potential_max_error", (), "mV", "largest error of the potential around the molecule", _MILLIVOLT),
    Measure("potential_relative_error", (), "%", "RMS error of the potential relative to its RMS"),
    Measure(
        "potential_rms_by_scale", ("scale",), "mV", "RMS error of the potential on each scaled surface", _MILLIVOLT
    ),
)
"""How densities are compared, :mod:`densnet.density.frame_errors` says by which formulas."""

# fmt: off
METRICS = (
    Metric("density_nmae_percent", "Density error (NMAE)", "%",
           "Model against the fitted density: 100 ∫|ρ̂ − ρ| / N on the held-out frames.",
           of="nmae", pair="model-fit", by_temperature=True, brief=True),
    Metric("density_nmae_true_percent", "Density error against Kohn–Sham", "%",
           "The same against the density of the Kohn–Sham orbitals.", of="nmae", pair="model-true", brief=True),
    Metric("density_floor_percent", "Floor", "%",
           "What the fitting basis alone misses: fitted against Kohn–Sham density.",
           of="nmae", pair="fit-true", brief=True),
    Metric("density_prior_percent", "Prior", "%",
           "Superposed free atoms against the fitted density: the error before anything is learned.",
           of="nmae", pair="prior-fit", brief=True),
    Metric("density_coulomb_error_mha", "Coulomb error", "mHa",
           "Electrostatic self-energy of the density error, (c−ĉ)ᵀ J (c−ĉ).",
           of="coulomb_error", pair="model-fit", brief=True),
    Metric("density_overlap_error_percent", "Overlap error", "%",
           "Model against the fitted density: 100 (∫(ρ̂−ρ)² / ∫ρ²)^½; the cores weigh most.",
           of="overlap_error_relative", pair="model-fit"),
    Metric("density_nmae_of_{element}_percent", "Density error around {element}", "%",
           "Part of the density error in the cells (Becke) of all {element} atoms; the parts sum to the "
           "whole.", of="nmae_by_atom", pair="model-fit"),
    Metric("prior_negative_volume_percent", "Volume that loses density", "%",
           "Part of the molecule's volume (density above 0.001 e/bohr³) in which the fitted density is below "
           "the superposed free atoms, so that the model has to take some away.", of="prior_negative_volume"),
    Metric("dipole_mae_debye", "Dipole error", "D",
           "Mean length of the error vector.", of="dipole", by_temperature=True, brief=True),
    Metric("potential_rms_error_mv", "Potential error", "mV",
           "Model against the fitted density: RMS of the electrostatic potential on the points around the "
           "molecule, 1.4, 1.6, 1.8 and 2.0 van der Waals radii from its nuclei (Singh and Kollman).",
           of="potential_rms_error", pair="model-fit", brief=True),
    Metric("potential_rms_error_true_mv", "Potential error against Kohn–Sham", "mV",
           "The same against the potential of the Kohn–Sham orbitals.",
           of="potential_rms_error", pair="model-true", brief=True),
    Metric("potential_floor_mv", "Potential floor", "mV",
           "What the fitting basis alone misses: potential of the fitted density, likewise.",
           of="potential_rms_error", pair="fit-true", brief=True),
    Metric("potential_prior_mv", "Potential of the prior", "mV",
           "Superposed free atoms against the fitted density, likewise.",
           of="potential_rms_error", pair="prior-fit", brief=True),
    Metric("potential_max_error_mv", "Largest potential error", "mV",
           "Model against the fitted density, over all points and frames.", of="potential_max_error",
           pair="model-fit", largest=True),
    Metric("potential_relative_error_percent", "Relative potential error", "%",
           "RMS error of the model's potential over the RMS of the potential itself (RRMS).",
           of="potential_relative_error", pair="model-fit"),
    Metric("response_nmae_percent", "Response error (NMAE)", "%",
           "Response of the density to a field, model against the fitted one: 100 Σ∫|ρ̂⁽¹⁾ − ρ⁽¹⁾| / Σ∫|ρ⁽¹⁾| over the "
           "three directions.", brief=True),
    Metric("response_floor_percent", "Response floor", "%",
           "What the fit of the response leaves: fitted against coupled-perturbed Kohn–Sham, likewise."),
    Metric("polarizability_mae_bohr3", "Polarizability error", "bohr³",
           "Mean absolute error of a component against coupled-perturbed Kohn–Sham."),
    Metric("polarizability_mae_percent", "Polarizability error, relative", "%",
           "The same over the isotropic polarizability.", brief=True),
    Metric("anisotropy_mae_percent", "Anisotropy error", "%",
           "Mean absolute error of the polarizability's anisotropy γ over its mean.", brief=True),
    Metric("charge_max_error_e", "Charge error", "e",
           "Largest deviation of the predicted charge.", of="charge_error", largest=True, brief=True,
           digits=".1e"),
    Metric("energy_mae_mev_per_atom", "Energy error", "meV/atom",
           "Mean absolute error of the total energy.", of="energy", by_temperature=True, brief=True),
    Metric("force_mae_mev_per_angstrom", "Force error", "meV/Å",
           "Mean absolute error of a force component.", of="forces", by_temperature=True, brief=True),
    Metric("n_members", "Members of the ensemble", "",
           "Models that differ by their seeds; every error is that of their mean.", brief=True, digits="d"),
    Metric("density_spread_percent", "Spread of the density", "%",
           "100 ∫σ / N, σ the standard deviation of the density over the members.", of="density_spread", brief=True),
    Metric("density_pairwise_nmae_percent", "Members' densities apart", "%",
           "NMAE of one member's density against another's, mean over pairs.", of="density_pairwise_nmae"),
    Metric("dipole_spread_debye", "Spread of the dipole", "D",
           "Standard deviation over the members, root of the sum of three components.", of="dipole_spread", brief=True),
    Metric("energy_spread_mev_per_atom", "Spread of the energy", "meV/atom",
           "Standard deviation of the total energy over the members.", of="energy_spread", brief=True),
    Metric("force_spread_mev_per_angstrom", "Spread of the forces", "meV/Å",
           "Standard deviation of a force component over the members.", of="forces_spread", brief=True),
    Metric("{quantity}_spread_scale", "Scale of the spread, {quantity}", "",
           "Factor that turns the spread into the error, (mean of error²/spread²)^½, of the {quantity}."),
    Metric("{quantity}_spread_spearman", "Spread against error, {quantity}", "",
           "Spearman's correlation of spread and error of the {quantity}: which predictions are uncertain?"),
    Metric("nve_drift_mev_per_atom_per_ps", "NVE drift", "meV/atom/ps",
           "Drift of the total energy at constant energy, over all replicas.", brief=True),
    Metric("md_outside_percent", "Dynamics outside of the labels", "%",
           "Frames of the dynamics whose domain distance is above zero; a tenth of the training frames' are.",
           brief=True),
    Metric("md_ps_total", "Dynamics", "ps", "Production time of all replicas together.", brief=True),
    Metric("md_ms_per_step_per_replica", "Speed", "ms", "Wall time of one step of one replica.", brief=True),
    Metric("density_ms_per_frame", "Cost of the density", "ms",
           "Wall time of the model's density of one geometry, in batches."),
    Metric("prior_ms_per_frame", "Cost of the prior", "ms",
           "Of this, superposing the free atoms: their coefficients do not depend on the geometry."),
    *(
        Metric(f"spectrum_{kind}_{{reference}}", f"Spectrum against {{reference}}, {kind.capitalize()}", "",
               f"{kind.capitalize()} correlation of the infrared intensities with those of {{reference}}.", brief=True)
        for kind in ("pearson", "spearman")
    ),
    Metric("spectrum_overlap_{reference}", "Spectrum against {reference}, overlap", "",
           "Share of area that the infrared spectrum and that of {reference} have in common."),
    Metric("spectrum_scaling_factor_{reference}", "Spectrum against {reference}, best factor", "",
           "Factor of all wavenumbers that gives the highest Pearson correlation with {reference}; at an end of the "
           "range that is searched it is not found."),
    Metric("spectrum_halves_pearson", "Two halves of the spectrum, Pearson", "",
           "Pearson correlation of the spectrum of half of the replicas with that of the other half.", brief=True),
    Metric("spectrum_converged_ps", "Spectrum settled from", "ps",
           "Total time from which on 97.5 % of equally long runs, drawn from the replicas, have a Pearson correlation "
           "of 0.95 or more with the spectrum of all; not available if the run is too short to say."),
    Metric("n_train", "Training frames", "", "Frames that the models were fitted to.", brief=True, digits="d"),
    Metric("n_test", "Test frames", "",
           "Held-out frames that every error above is measured on.", brief=True, digits="d"),
    Metric("test_distance_to_train_angstrom", "Test frames' distance to training", "Å",
           "Median distance of a test frame to the nearest training frame: root mean square difference of "
           "sorted interatomic distances. Near zero the errors above would flatter.", brief=True),
    Metric("seed", "Seed", "", "Of the training run.", digits="d"),
)
# fmt: on
"""In the order of the page. Keys are a contract: those there keep their names."""


def metric_of(key: str) -> Metric:
    """Return the record of a key of ``metrics.json``, its condition filled in.

    Raises:
        DensnetError: no such metric.
    """
    for metric in (*METRICS, *(metric.at_temperature for metric in METRICS if metric.by_temperature)):
        if match := metric.match(key):
            return metric.under(**match.groupdict())
    raise DensnetError(f"metrics: expected a key of 'densnet metrics', found {key!r}; delete the file and run it again")
