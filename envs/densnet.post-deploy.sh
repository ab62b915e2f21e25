#!/usr/bin/env bash
# Snakemake runs this in the project's folder, inside the environment that densnet.yaml described.
set -euo pipefail
python -m pip install --no-deps --no-build-isolation --editable .
