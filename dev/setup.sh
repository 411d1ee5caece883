#!/usr/bin/env bash
# Make a virtual environment with the package, an Airflow and the developers' tools in it.
#   dev/setup.sh [FOLDER [AIRFLOW_VERSION [PYTHON_VERSION]]]
# Installs only where something it reads has changed since the last time.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-.venv} airflow=${2:-3.3.2} wanted=${3:-}
constraints=dev/constraints/$airflow.txt
# Where this is set, every Airflow process would compile all of Airflow anew.
unset PYTHONDONTWRITEBYTECODE
# As pip does: trust whom the machine trusts, e.g. a company's proxy.
export UV_SYSTEM_CERTS=true

find_python() {
  local name allowed candidates="python3.13 python3.12 python3.11 python3.10 python3.14 python3"
  allowed=$(sed -n "s/^    \"$airflow\": (\(.*\)),$/\1/p" dev/matrix/__main__.py | tr -d '",')
  [ -n "$wanted" ] && candidates=python$wanted
  for name in $candidates; do
    # Also asked to run: a version manager's shim may stand for a Python that is not there.
    "$name" -c 'import sys; "%d.%d" % sys.version_info[:2] in sys.argv or sys.exit(1); print(sys.executable)' $allowed \
      2>/dev/null && return
  done
  echo "no Python${wanted:+ $wanted} was found that Airflow $airflow runs on: ${allowed// /, }" >&2
  return 1
}

make_environment() {
  local python=$1
  "$python" -m venv --clear "$folder" >/dev/null 2>&1 && return
  # Debian keeps what venv needs in a package of its own.
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends python3-venv >/dev/null
    "$python" -m venv --clear "$folder"
  else
    echo "$python cannot make virtual environments: install the package python3-venv, then run this again" >&2
    return 1
  fi
}

stamp=$folder/.installed
state=$(cat pyproject.toml dev/requirements.txt dev/setup.sh "$constraints" | cksum; pwd)
[ -f "$stamp" ] && [ "$(cat "$stamp")" = "$state" ] && exit 0

python=$(find_python)
echo "setting up $folder: Airflow $airflow on $("$python" --version) (about a minute) ..." >&2
if [ ! -x "$folder/bin/python" ] || ! "$folder/bin/python" -c 'import sys; sys.exit(sys.prefix == sys.base_prefix)' ||
   { [ -n "$wanted" ] && [ "$("$folder/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')" != "$wanted" ]; }; then
  make_environment "$python"
fi
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check uv
VIRTUAL_ENV=$PWD/$folder "$folder/bin/uv" pip install --quiet --compile-bytecode \
  --constraint "$constraints" --requirement dev/requirements.txt --editable '.[sandbox,s3]'
printf '%s' "$state" >"$stamp"
