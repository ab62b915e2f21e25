"""The Hohenberg-Kohn map by kernel ridge regression, the method of 2017, as a baseline for the networks.

    R ──alignment──> y ──smeared nuclei──> v(r) ──kernel ridge──> c ──kernel ridge──> E      ML-HK
                                           v(r) ────────────kernel ridge────────────> E      ML-KS

Brockherde, Vogt, Li, Tuckerman, Burke and Müller, Nat. Commun. 8, 872 (2017), arXiv:1609.02815. Letters: t geometries,
m training points, i and j atoms, k functions of the density's basis, x Cartesian.
"""
