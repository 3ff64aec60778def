#!/bin/sh
# Make an environment with weaver-core for benchmarks/physics.py:  benchmarks/weaver_environment.sh DIR [PYTHON]
set -eu
directory=${1:?usage: weaver_environment.sh DIR [PYTHON]}
here=$(cd "$(dirname "$0")" && pwd)
"${2:-python3}" -m venv "$directory"
pip="$directory/bin/python -m pip install --quiet --disable-pip-version-check"
$pip "$(grep '^torch==' "$here/salt_requirements.txt")" # first, so that nothing else chooses a build of torch
$pip weaver-core==0.5.3 h5py pyarrow pyyaml
"$directory/bin/python" -c "import weaver.train, h5py, pyarrow" && echo "weaver is ready in $directory"
