"""Look into a cache and clear it: `python -m property_neurons.cache list DIR`, `... prune --older-than DAYS DIR`."""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from property_neurons.cache.entries import Entry, entries, prune
from property_neurons.errors import printable


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the entries, least recently used first; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m property_neurons.cache", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="show every entry, its size and when it was last used")
    pruning = commands.add_parser("prune", help="remove entries that were not used for long, and what killed jobs left")
    pruning.add_argument("--older-than", type=float, required=True, metavar="DAYS", help="since an entry was last used")
    for command in (listing, pruning):
        command.add_argument("folder", type=Path, metavar="DIR", help="the folder that `cache` in the config names")
    options = parser.parse_args(arguments)
    if not options.folder.is_dir():
        print(f"expected a cache at {printable(options.folder)}, found no folder; correct the path")
        return 1
    pruned = options.command == "prune"
    try:
        found = prune(options.folder, options.older_than) if pruned else entries(options.folder)
    except OSError as error:
        found = f"expected a cache at {options.folder} to look into, found {error}; make it readable (chmod g+rX)"
        print(printable(found))
        return 1
    for entry in found:
        print(_line(entry))
    total = sum(entry.n_bytes or 0 for entry in found) / 1e6
    print(f"{len(found)} entries, {total:.1f} MB{' removed' if pruned else ''}")
    return 0


def _line(entry: Entry) -> str:
    size = "damaged" if entry.n_bytes is None else f"{entry.n_bytes / 1e6:.1f} MB"
    return f"{entry.key}  {size:>12}  used {(time.time() - entry.used) / 86_400:.0f} days ago"


if __name__ == "__main__":
    sys.exit(main())
