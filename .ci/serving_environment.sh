#!/usr/bin/env bash
# Makes the environment in which Triton's server and client run, which need another numpy than this package:
#   serving_environment.sh PYTHON FOLDER
# Where that is not possible, FOLDER/why-not says why, the tests that need it are skipped with that reason, and this
# script ends well.
set -euo pipefail
python=$1 folder=$2
needed=2.35
rm -rf "$folder"
mkdir -p "$folder"

give_up() {
    rm -rf "$folder"
    mkdir -p "$folder"
    echo "$*" | tee "$folder/why-not"
    exit 0
}

glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d' ' -f2 || true)
[ -n "$glibc" ] || give_up "no glibc here: the server of nvidia-pytriton needs $needed"
[ "$(printf '%s\n' "$needed" "$glibc" | sort -V | head -1)" = "$needed" ] ||
    give_up "glibc is $glibc here: the server of nvidia-pytriton needs $needed"
[ "$(uname -m)" = x86_64 ] || give_up "the server of nvidia-pytriton is for x86_64, this is $(uname -m)"
"$python" -m venv "$folder" || give_up "no virtual environment could be made with $python"
pip=("$folder/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all:)
here=$(dirname "${BASH_SOURCE[0]}")
said=$("${pip[@]}" --requirement "$here/serving.txt" 2>&1 >/dev/null) ||
    give_up "packages of .ci/serving.txt cannot be had: $(grep -m1 ERROR <<<"$said" || true)"
# the server and its Python backend are wanted, not the package around them
said=$("${pip[@]}" --no-deps nvidia-pytriton==0.7.0 2>&1 >/dev/null) ||
    give_up "nvidia-pytriton cannot be had: $(grep -m1 ERROR <<<"$said" || true)"
touch "$folder/installed"
