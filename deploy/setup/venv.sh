#!/bin/sh
# Makes the virtual environment .venv (or $1) and installs Twuin from the lock file.
# usage: venv.sh [FOLDER] [run|dev]      "dev" adds what the tests and checks need
set -eu
cd "$(dirname "$0")/../.."
venv=${1:-.venv}
what=${2:-run}

python=""
for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "Twuin needs Python 3.11 or newer; none was found. Name one with PYTHON=/path/to/python3" >&2
    exit 1
fi

if [ ! -x "$venv/bin/pip" ]; then
    # Debian keeps the part of Python that makes environments in a package of its own.
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        . deploy/setup/apt.sh
        apt_install python3-venv
    fi
    "$python" -m venv "$venv"
fi

lock=requirements.lock
[ "$what" = dev ] && lock=requirements-dev.lock
stamp="$venv/.twuin-$what"
if [ ! -e "$stamp" ] || [ "$lock" -nt "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
    echo "Installing Twuin's Python packages into $venv (a few minutes the first time) ..."
    PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/pip" install --quiet --require-hashes -r "$lock"
    PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/pip" install --quiet --no-deps --editable .
    touch "$stamp"
fi
