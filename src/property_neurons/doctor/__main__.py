"""Say in seconds what would not work: `python -m property_neurons.doctor --configfile config/paper.yaml`.

Exit status: 0 where nothing fatal was found, 1 otherwise. Give `--config` and `--configfile` as to Snakemake, and
`--profile` where jobs are submitted with one.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from property_neurons.doctor.finding import verdict
from property_neurons.doctor.software import NOT_INSTALLED, package_findings
from property_neurons.errors import printable_lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what is found; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m property_neurons.doctor", description=__doc__.split("\n")[0])
    parser.add_argument("--configfile", nargs="+", default=["config/config.yaml"], metavar="FILE")
    parser.add_argument("--config", nargs="+", default=[], metavar="KEY=VALUE", help="as Snakemake takes them")
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="such as profiles/slurm: jobs run elsewhere")
    options = parser.parse_args(arguments)
    packages = list(package_findings())
    if any(finding.found == NOT_INSTALLED for finding in packages):
        # What follows would fail on importing them.
        print(printable_lines("\n\n".join([*map(str, packages), verdict(packages)])))
        return 1
    return _examine(options)


def _examine(options: argparse.Namespace) -> int:
    from property_neurons.config.load import load_files
    from property_neurons.doctor.examine import examine
    from property_neurons.errors import PropertyNeuronsError

    source = ", ".join(options.configfile)
    try:
        config = load_files(options.configfile, options.config)
    except PropertyNeuronsError as error:
        print(printable_lines(error))
        return 1
    try:
        report = examine(config, options.profile)
    except PropertyNeuronsError as error:
        print(printable_lines(f"{source}: {error}"))
        return 1
    except OSError as error:
        found = f"{source}: expected to look at what it names, found {error}; make it readable, or correct the path"
        print(printable_lines(found))
        return 1
    print(printable_lines(f"{source}\n\n{report}"))
    return int(report.fatal)


if __name__ == "__main__":
    sys.exit(main())
