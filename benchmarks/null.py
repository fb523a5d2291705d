"""The null of neuron sets: dealing labels anew many at a time, against a plain loop; equal to the last number.

    .venv/bin/python benchmarks/null.py results/sample/unit_counts/melhubert-mini/dev-clean/gender.zarr --out null.json

One thread. The whole null is timed once; the plain loop in turns with the fast one over the same few labellings.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from threadpoolctl import threadpool_limits

from property_neurons.counting.unit_count_store import UnitCounts, open_unit_counts
from property_neurons.neurons.definition import SetDefinition
from property_neurons.neurons.groups import neuron_sets
from property_neurons.neurons.patterns import activation_patterns
from property_neurons.neurons.statistics.labelled_sets import SiteUnits
from property_neurons.neurons.statistics.labels import deals_phones, dealt_units
from property_neurons.neurons.statistics.null import site_null
from property_neurons.neurons.statistics.report import neuron_statistics

DEFINITION = SetDefinition()


def main() -> None:
    """Time, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path, help="a store of counts by unit")
    parser.add_argument("--permutations", type=int, default=1000)
    parser.add_argument("--plain", type=int, default=10, help="permutations of the plain loop, at one layer")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with threadpool_limits(1):
        result = measure(open_unit_counts(arguments.store), arguments.permutations, arguments.plain)
    print(json.dumps(result, indent=1))
    if arguments.out:
        arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def measure(units: UnitCounts, permutations: int, plain: int) -> dict[str, object]:
    """Seconds of the whole null of all layers, of all statistics, and the ratio of the two ways a permutation."""
    whole = _cpu(
        lambda: [
            site_null(SiteUnits(units, site, DEFINITION), permutations=permutations, seed=0)
            for site in range(len(units.sites))
        ]
    )
    everything = _cpu(lambda: neuron_statistics(units, DEFINITION, permutations=permutations, halves=20, seed=0))
    ratios = []
    for _ in range(3):
        fast, found = _timed(lambda: site_null(SiteUnits(units, 0, DEFINITION), permutations=plain * 10, seed=0))
        slow, sizes = _timed(lambda: plain_sizes(units, 0, plain))
        if found.sizes[-1, :plain].tolist() != sizes:
            raise SystemExit(f"the two differ: {found.sizes[-1, :plain].tolist()} and {sizes}")
        ratios.append((slow / plain) / (fast / (plain * 10)))
    return {
        "property": units.property_name,
        "model": units.model,
        "level": units.level,
        "rows": len(units.n),
        "frames": int(units.n.sum()),
        "speakers": len(units.speakers),
        "neurons": sum(site.width for site in units.sites),
        "permutations": permutations,
        "cpu_seconds_null": round(whole, 2),
        "cpu_seconds_all_statistics": round(everything, 2),
        "times_faster_than_plain": [round(min(ratios), 1), round(median(ratios), 1), round(max(ratios), 1)],
        "largest_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def plain_sizes(units: UnitCounts, site: int, number: int) -> list[int]:
    """|P| under dealt labels, one labelling after the other: sum the cells, make the patterns, make the sets."""
    counts = units.site_counts(site).toarray()
    index = np.unique(units.unit, return_inverse=True)[1]
    speaker_phone = units.speaker.astype(np.int64) * len(units.phones) + units.phone
    pair = np.unique(speaker_phone, return_inverse=True)[1]
    n_groups, n_phones = units.cells.shape
    sizes = []
    for labels in next(iter(dealt_units(units).deals(number * 10, 0)))[:number]:
        cells_here, phone = units.cells, units.phone
        if deals_phones(units):
            group = labels[units.phone]
            cells_here = labels == np.arange(n_groups)[:, np.newaxis]
        elif units.of_phone:
            phone = labels[pair]
            group = np.argmax(units.cells, axis=0)[phone]
        else:
            group = labels[index]
        cells = np.zeros((n_groups, n_phones, counts.shape[1]), np.int64)
        frames = np.zeros((n_groups, n_phones), np.int64)
        np.add.at(cells, (group, phone), counts)
        np.add.at(frames, (group, phone), units.n)
        of_row = np.nonzero(cells_here)[0]
        patterns = activation_patterns(
            cells[cells_here], frames[cells_here], DEFINITION, lambda_=units.lambda_, tau=units.tau[site]
        )
        sizes.append(int(neuron_sets(patterns, of_row, n_groups, DEFINITION).property_neurons.sum()))
    return sizes


def _cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _timed(work: Callable[[], object]) -> tuple[float, object]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


if __name__ == "__main__":
    main()
