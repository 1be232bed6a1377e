#!/usr/bin/env bash
# Builds the wheel, installs it into a fresh environment, first alone and then with its extras, and uses it in an empty
# folder. Needs PyPI, or a mirror of it, and about 2 GB in the folder for temporary files (TMPDIR).
set -euo pipefail
house=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
unset PYTHONPATH

mkdir "$folder/source" "$folder/empty"
cp -r "$house"/{pyproject.toml,README.md,LICENSE} "$folder/source"
mkdir "$folder/source/workflow"
cp -r "$house/workflow/semsim" "$folder/source/workflow"
"${PYTHON:-python3}" -m venv "$folder/venv"
bin=$folder/venv/bin
install() { "$bin/pip" install --quiet --disable-pip-version-check --constraint "$house/requirements.txt" "$@"; }

"$bin/pip" wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$folder" "$folder/source"
wheel=$(echo "$folder"/semsim-*.whl)
cd "$folder/empty"
install "$wheel"
echo "semsim brings: $("$bin/pip" list --format=freeze --disable-pip-version-check | sed 's/==.*//' | paste -sd ' ')"
"$bin/python" "$house/tests/wheel/use.py" core --semsim "$bin/semsim"
install "$wheel[score,attack,label]"
"$bin/python" "$house/tests/wheel/use.py" score attack audit label --semsim "$bin/semsim"
