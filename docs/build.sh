#!/usr/bin/env bash
# Writes the documentation as a site to site/ (or to the folder given) and fails on a broken link: bash docs/build.sh [FOLDER]
set -euo pipefail
if [[ "${1:-}" == -h || "${1:-}" == --help ]]; then
  sed -n '2s/^# //p' "${BASH_SOURCE[0]}"
  exit 0
fi
cd "$(dirname "${BASH_SOURCE[0]}")/.."

bash setup.sh
UV_FIND_LINKS="${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}}" \
  .venv/bin/uv pip install --quiet --python .venv/bin/python -r requirements.lock -r docs/site/requirements.lock
NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict --quiet --site-dir "${1:-site}"
