#!/usr/bin/env bash
# Writes the documentation as a site to site/ (or to the folder given) and fails on a broken link: bash docs/build.sh [FOLDER]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash setup.sh
UV_FIND_LINKS="${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}}" \
  .venv/bin/uv pip install --quiet --python .venv/bin/python -r requirements.lock -r docs/site/requirements.lock
NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet --site-dir "${1:-site}"
