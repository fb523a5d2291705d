"""What the documentation says of results, held against a run of the default configuration; and its Python, run."""

import fnmatch
import re

import nbformat
import pytest
from nbclient import NotebookClient

from property_neurons.stores.files import read_table
from tests.integration.project import ROOT

pytestmark = pytest.mark.integration

MODEL = "melhubert-mini"
# A line such as "`neurons/*/*/*.cells.tsv`: frames of each cell.", and the table below it.
TABLE = re.compile(r"^`([^`{]+)`[^\n]*\n\n((?:\|[^\n]*\n)+)", re.MULTILINE)


def documented():
    """By pattern of files, the names of columns; `*` stands for a part of a name."""
    columns = {}
    for pattern, table in TABLE.findall((ROOT / "docs/tables.md").read_text()):
        cells = [line.split(" | ")[0].strip("| ") for line in table.splitlines()[2:]]
        columns[pattern] = ", ".join(cells).split(", ")
    return columns


def test_tables_have_the_columns_that_are_documented(finished):
    patterns = documented()
    assert len(patterns) >= 8
    results = finished.folder / "results"
    checked = set()
    for path in [*results.rglob("*.tsv"), *results.rglob("*.parquet")]:
        name = path.relative_to(results).as_posix()
        fitting = [pattern for pattern in patterns if fnmatch.fnmatch(name, pattern)]
        if not fitting:
            continue
        pattern = max(fitting, key=len)
        found, expected = list(read_table(path).columns), patterns[pattern]
        unknown = [column for column in found if not any(fnmatch.fnmatch(column, one) for one in expected)]
        missing = [column for column in expected if "*" not in column and column not in found]
        assert (unknown, missing) == ([], []), name
        checked.add(pattern)
    assert checked == set(patterns)


def test_python_in_the_readme_gives_the_neurons_of_the_table(finished, monkeypatch):
    monkeypatch.chdir(finished.folder)
    code = (ROOT / "README.md").read_text().split("```python\n")[1].split("```")[0]
    names = {}
    exec(code, names)
    found = read_table(finished.folder / f"results/neurons/{MODEL}/demo/gender.parquet")
    same = ["layer", "site", "group", "neuron", "share", "exclusive"]
    assert len(found) > 0
    assert names["table"][same].equals(found[same])


@pytest.mark.slow
def test_the_tutorial_runs(finished):
    finished.snakemake(f"results/browser/{MODEL}/demo/index.html")
    notebook = nbformat.read(ROOT / "notebooks/tutorial.ipynb", as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(finished.folder)}}).execute()
    kinds = {kind for cell in notebook.cells for output in cell.get("outputs", []) for kind in output.get("data", {})}
    assert {"text/html", "image/png"} <= kinds
