#!/usr/bin/env bash
# Purpose: everything that an installation needs, as files, for machines without internet and for the image.
# Command: cluster/wheelhouse.sh [FOLDER]          with internet, in a checkout; FOLDER is `wheelhouse` by default
#          FOLDER/install.sh ENVIRONMENT           without internet, after FOLDER was copied there
# Cost:    disk: the wheels of torch for CUDA are some GB; PIP_EXTRA_INDEX_URL may name an index with smaller ones
#
# Versions are those of constraints.txt. The machine here needs the same Python, Linux and processor kind as those there.
set -euo pipefail
repository=$(cd "$(dirname "$0")/.." && pwd)
[ -f "$repository/pyproject.toml" ] || { echo "run this in a checkout: $repository has no pyproject.toml" >&2; exit 2; }
folder=${1:-wheelhouse}
python=${PYTHON:-python3}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
"$python" -m pip wheel -q --no-deps -w "$folder" "$repository"
# WHEELHOUSE_EXTRAS: what a cluster needs beside the package; nothing for a single machine or Slurm.
read -ra extras <<< "${WHEELHOUSE_EXTRAS-}"
"$python" -m pip wheel -q -c "$repository/constraints.txt" -w "$folder" "$folder"/mersearch-*.whl "${extras[@]}"
cp "$repository/constraints.txt" "$folder/constraints.txt"
cat > "$folder/install.sh" <<'TEXT'
#!/usr/bin/env bash
# Installs mersearch into a new ENVIRONMENT from the wheels beside this file; no internet is used.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
environment=${1:?usage: install.sh ENVIRONMENT}
"${PYTHON:-python3}" -m venv "$environment"
"$environment/bin/pip" install -q --no-index --find-links "$here" -c "$here/constraints.txt" mersearch
"$environment/bin/mersearch" --version
TEXT
chmod +x "$folder/install.sh"
echo "$folder: $(find "$folder" -name '*.whl' | wc -l) wheels, $(du -sh "$folder" | cut -f1)"
