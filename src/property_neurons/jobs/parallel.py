"""Utterance-wise work over several processes, with results in the order of the input."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_CHUNK = 16
_function: Callable | None = None


def map_in_processes(function: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """Yield function(item) for each item, in order, computed by `workers` processes (1: in this one)."""
    if workers <= 1:
        yield from map(function, items)
        return
    # fork: a spawned process would run the calling script again, and workflow scripts have no __main__ guard.
    # It also hands over what the function holds (all labels of a corpus, say) without copying it.
    with ProcessPoolExecutor(workers, get_context("fork"), initializer=_install, initargs=(function,)) as pool:
        yield from pool.map(_call, items, chunksize=_CHUNK)


def _install(function: Callable) -> None:
    global _function
    _function = function


def _call(item: Item) -> Result:
    return _function(item)
