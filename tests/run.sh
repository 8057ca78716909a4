#!/bin/sh
# Run the tests in an environment of their own: $WONDERQ_VENV, or .venv-test beside this checkout's setup.py.
# Arguments go to pytest, for example: sh tests/run.sh tests/test_config.py -x
set -eu
case "${WONDERQ_VENV:-/}" in
    /*) ;;
    *) WONDERQ_VENV=$PWD/$WONDERQ_VENV ;;
esac
cd "$(dirname "$0")/.."
venv=${WONDERQ_VENV:-$PWD/.venv-test}

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"

# Installed again only when what is needed, or where it lies, has changed.
{ pwd && cat setup.py wonderq/__init__.py; } > "$venv/wanted"
if ! cmp -s "$venv/wanted" "$venv/installed"; then
    "$venv/bin/python" -m pip install --quiet --editable '.[test]'
    mv "$venv/wanted" "$venv/installed"
fi

exec "$venv/bin/python" -m pytest "$@"
