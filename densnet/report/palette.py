"""Which colour stands for what: Okabe and Ito's, told apart by every kind of colour vision."""

from __future__ import annotations

MODEL = "#0072B2"
PEER = "#D55E00"
EXPERIMENT = "#222222"
PRIOR = "#E69F00"
FLOOR = "#7F7F7F"
TRUE = "#009E73"
PINK, SKY = "#CC79A7", "#56B4E9"
PEERS = (PEER, PINK, SKY, PRIOR, TRUE)
"""Of several potentials beside the model."""
HARMONIC = (TRUE, PEER, PINK, SKY)
"""Of the model's harmonic lines, of the reference's and of other potentials'."""
DIVERGING = "PuOr_r"

COMPARED = {
    "prior-fit": ("prior\nvs fit", PRIOR),
    "model-true": ("model\nvs Kohn–Sham", TRUE),
    "model-fit": ("model\nvs fit", MODEL),
    "fit-true": ("fit vs\nKohn–Sham\n(floor)", FLOOR),
}
"""Names and colours of :data:`densnet.quantities.PAIRS`, the largest errors first."""
