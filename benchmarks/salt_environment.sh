#!/bin/sh
# Make an environment with Salt for benchmarks/against_salt.py:  benchmarks/salt_environment.sh DIR [PYTHON]
# Then:  python benchmarks/against_salt.py --salt-python DIR/bin/python …
set -eu
directory=${1:?usage: salt_environment.sh DIR [PYTHON]}
here=$(cd "$(dirname "$0")" && pwd)
"${2:-python3}" -m venv "$directory"
pip="$directory/bin/python -m pip install --quiet --disable-pip-version-check"
$pip "$(grep '^torch==' "$here/salt_requirements.txt")" # first, so that nothing else chooses a build of torch
$pip --requirement "$here/salt_requirements.txt"
$pip --no-deps salt-ml==0.13.0
"$directory/bin/python" -c "import salt.modelwrapper, salt.data.datamodules" && echo "Salt is ready in $directory"
