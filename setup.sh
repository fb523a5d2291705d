#!/usr/bin/env bash
# Sets up .venv with the locked packages and this project. Safe to run again: it does only what is missing.
#   bash setup.sh            everything needed to run the workflow and its tests
#   bash setup.sh --browser  and Chromium, in which a few tests open the neuron browser (Debian and Ubuntu, as root)
# PYTHON=python3.12 bash setup.sh uses another interpreter: Python 3.11, 3.12 or 3.13.
# Not supported: Windows (WSL works as Linux does), and Linux with musl (Alpine), for which torch has no packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

say() { printf 'setup: %s\n' "$*" >&2; }

with_browser=
case "${1:-}" in
"") ;;
--browser) with_browser=1 ;;
*)
  say "expected no argument, or --browser, found $1"
  exit 2
  ;;
esac

# Tests that open the neuron browser skip themselves where there is no Chromium.
install_browser() {
  if [ -z "$with_browser" ] || { command -v chromium && command -v chromedriver; } >/dev/null; then
    return
  fi
  if ! command -v apt-get >/dev/null || [ "$(id -u)" -ne 0 ]; then
    say "no Chromium here, and it needs apt-get and root to install it; tests that open a browser are skipped"
    return
  fi
  say "installing Chromium and its driver"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  if ! apt-get install -y -qq --no-install-recommends chromium chromium-driver >/dev/null; then
    say "could not install chromium and chromium-driver by apt-get (Ubuntu has them as snaps only); see its message above"
    return 1
  fi
}

find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3.13 python3.12 python3.11 python3; do
    if [ -n "$candidate" ] && command -v "$candidate" >/dev/null &&
      "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
    if [ -n "${PYTHON:-}" ]; then
      say "PYTHON=$PYTHON: expected Python 3.11, 3.12 or 3.13, found none; correct it, or leave it out"
      return 1
    fi
  done
  say "needs Python 3.11, 3.12 or 3.13, found none; install one (on Debian: apt-get install python3 python3-venv) or set PYTHON"
  return 1
}

case "$(uname -s)" in
Linux | Darwin) ;;
*)
  say "needs Linux or macOS, found $(uname -s); on Windows use WSL"
  exit 1
  ;;
esac
# musl's ldd answers, and fails.
if { ldd --version 2>&1 || true; } | grep -qi musl; then
  say "needs a Linux with glibc, found musl, for which torch has no packages; use Debian, Ubuntu, Fedora or the like"
  exit 1
fi

# Once here: where PYTHONDONTWRITEBYTECODE is set, or the folders cannot be written to, every job would compile what it
# imports anew, which takes longer than the import itself.
compile_own() { .venv/bin/python -m compileall -q src; }

lock=requirements.lock
stamp=.venv/.setup-done
# A virtual environment works in the folder that it was made in, and in no other.
here="$(pwd -P)"
made_in=.venv/.made-in
made_here() {
  [ "$(cat "$made_in" 2>/dev/null)" = "$here" ] && return
  # Made before there was such a note.
  [ ! -e "$made_in" ] && head -n 1 .venv/bin/pip 2>/dev/null | grep -qF -e "#!$here/.venv/bin/" -e "#!$PWD/.venv/bin/"
}
base_of() { "$1" -c 'import os, sys; print(os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable))'; }
if [ -n "${PYTHON:-}" ]; then
  # Says what is wrong, and ends here.
  python="$(find_python)"
  if [ -x .venv/bin/python ] && [ "$(base_of .venv/bin/python)" != "$(base_of "$python")" ]; then
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
      say "PYTHON=$PYTHON cannot make a virtual environment; on Debian: apt-get install python3-venv"
      exit 1
    fi
    say "removing .venv, whose Python is $(base_of .venv/bin/python)"
    rm -rf .venv
  fi
fi
wanted="$(cat "$lock" pyproject.toml setup.sh | cksum) $here"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
  compile_own
  install_browser
  exit 0
fi

# Not the one of an activated .venv, which may be about to be removed.
python="$(find_python)"
python="$("$python" -c 'import sys; print(getattr(sys, "_base_executable", None) or sys.executable)')"
if [ -d .venv ] && { ! made_here || ! .venv/bin/python -m pip --version >/dev/null 2>&1; }; then
  say "removing .venv, which was made in another folder or has no pip"
  rm -rf .venv
fi
if [ ! -x .venv/bin/python ]; then
  say "making .venv with $python"
  "$python" -m venv .venv || {
    rm -rf .venv
    say "could not make a virtual environment; on Debian: apt-get install python3-venv"
    exit 1
  }
  printf '%s\n' "$here" >"$made_in"
fi

say "installing the packages of $lock"
.venv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.5'
# uv does not read pip's own settings; hand over the index of pip's files, and what the environment says of both.
index="${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-}}}"
if [ -z "$index" ]; then
  index="$(.venv/bin/python -m pip config list 2>/dev/null | sed -nE "s/^(global|install)\.index-url='(.*)'$/\2/p" | tail -n 1)"
fi
if [ -n "$index" ]; then export UV_DEFAULT_INDEX="$index"; fi
UV_FIND_LINKS="${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}}" \
  .venv/bin/uv pip install --quiet --compile-bytecode --python .venv/bin/python -r "$lock"
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps -e .

# torchaudio's Linux wheel is built against CUDA; beside a CPU-only torch its compiled part cannot load, and then neither
# torchaudio nor `transformers.HubertModel` can be imported. Its Python part, all that is used here, works without.
.venv/bin/python - <<'PY'
import importlib.util
import pathlib

import torch

spec = importlib.util.find_spec("torchaudio")
if torch.version.cuda is None and spec is not None:
    for library in (pathlib.Path(spec.origin).parent / "lib").glob("*.so"):
        library.unlink()
PY

compile_own
printf '%s' "$wanted" >"$stamp"
install_browser
say "done"
