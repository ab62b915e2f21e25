#!/usr/bin/env bash
# Make .venv from envs/requirements.lock and see which program computes labels: Psi4, or PySCF, which .venv holds.
#
#   envs/setup.sh [python] [program] [psi4] [mace] [slurm]      default: python program
#
# program looks for Psi4, installs it where it can, and is content without it; psi4 is not.
# slurm installs what tests/slurm brings up.
# mace makes .venv-mace from envs/mace.lock, for the peer that is trained beside our models.
#
# Idempotent: a finished set-up is recognised by a stamp and costs no time. An interrupted one leaves no
# stamp; it is started afresh, because a package may be half written.
#
#   PYTHON         interpreter that makes .venv (default: python3)
#   DENSNET_PSI4   the psi4 command, if it is not on PATH
set -euo pipefail
cd "$(dirname "$0")/.."

main_lock=envs/requirements.lock

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "error: $*"; exit 1; }

# python_environment VENV LOCK
python_environment() {
    local venv=$1 lock=$2 stamp=$1/.densnet-stamp wanted
    # a project that 'densnet init' made has no package of its own
    wanted=$(cat "$lock" "${lock%.lock}.hashes" $(ls pyproject.toml setup.py 2>/dev/null) envs/setup.sh | sha256sum)
    if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
        return
    fi

    local python=${PYTHON:-python3}
    command -v "$python" >/dev/null || fail "no $python; install Python 3.11 or newer, or set PYTHON"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "Python 3.11 or newer is needed, $python is $("$python" -V 2>&1); set PYTHON"

    if [ ! -e "$stamp" ]; then
        say "making $venv with $("$python" -V)"
        if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            # Debian splits venv from its python3.
            debian_install python3-venv ||
                fail "$python has no venv module; install it (Debian: apt-get install python3-venv)"
        fi
        "$python" -m venv --clear "$venv"
    fi
    rm -f "$stamp"

    say "installing $(grep -c == "$lock") pinned packages (minutes the first time)"
    install_torch
    # whoever replaces a file on its way here is found out; torch's own build is there already
    pip_install --require-hashes -r "${lock%.lock}.hashes"
    if [ "$lock" = "$main_lock" ]; then
        pip_install --no-deps --no-build-isolation -e .
    fi
    printf '%s\n' "$wanted" >"$stamp"
    say "$venv is ready"
}

# Into the environment that python_environment makes.
pip_install() {
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check "$@"
}

# PyPI's wheel of torch brings gigabytes of CUDA. Where there is no GPU the CPU build is taken: from
# pip's own find-links if they offer it, else from PyTorch's index.
install_torch() {
    local torch index=()
    torch=$(grep '^torch==' "$lock")
    if [ "$(uname -s)" = Linux ] && has_nvidia_gpu; then
        # === takes no local version: a +cpu wheel that pip's configuration offers must not win here.
        torch=${torch/==/===}
    elif [ "$(uname -s)" = Linux ]; then
        if ! pip_install --dry-run --no-index --no-deps "$torch+cpu" >/dev/null 2>&1; then
            index=(--extra-index-url https://download.pytorch.org/whl/cpu)
        fi
        torch=$torch+cpu
    fi
    pip_install ${index[@]+"${index[@]}"} --constraint "$lock" "$torch"
}

has_nvidia_gpu() {
    command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q GPU
}

debian_install() {
    command -v apt-get >/dev/null && [ "$(id -u)" = 0 ] || return 1
    say "installing $* from Debian's packages"
    apt-get update -qq >&2 || return 1
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

install_psi4() {
    command -v psi4 >/dev/null && return
    # With the reference BLAS, which the package would pull in, Psi4 is three times slower.
    debian_install psi4 libopenblas0-serial && command -v psi4 >/dev/null
}

find_psi4() {
    if [ -n "${DENSNET_PSI4:-}" ]; then
        command -v "$DENSNET_PSI4" >/dev/null || fail "DENSNET_PSI4=$DENSNET_PSI4 is no command; name the psi4 program"
        return
    fi
    install_psi4 ||
        fail "no psi4 command: run 'conda env create -f envs/psi4.yaml' and set DENSNET_PSI4 to its bin/psi4 (see README.md, Psi4 or PySCF)"
}

find_program() {
    if [ -n "${DENSNET_PSI4:-}" ]; then
        find_psi4
    else
        install_psi4 || say "no psi4 command: PySCF computes the labels (see README.md, Psi4 or PySCF)"
    fi
}

find_slurm() {
    [ "$(id -u)" = 0 ] || fail "tests on a Slurm cluster start one, as root; you are $(id -un)"
    command -v slurmctld >/dev/null && command -v munged >/dev/null && return
    debian_install slurm-wlm munge && command -v slurmctld >/dev/null ||
        fail "no slurmctld or munged; install them (Debian: apt-get install slurm-wlm munge)"
}

# One set-up at a time: a second one waits for the first.
if command -v flock >/dev/null; then
    exec 9<envs/setup.sh
    flock 9
fi

parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(python program)
for part in "${parts[@]}"; do
    case $part in
        python) python_environment .venv "$main_lock" ;;
        program) find_program ;;
        psi4) find_psi4 ;;
        mace) python_environment .venv-mace envs/mace.lock ;;
        slurm) find_slurm ;;
        *) fail "unknown part '$part'; allowed: python, program, psi4, mace, slurm" ;;
    esac
done
