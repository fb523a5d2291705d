"""Draw fig6.png and fig9.png of the documentation from the made-up studies of the unit tests.

.venv/bin/python docs/figures/draw_pruning.py [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "unit"))

from pruning_inputs import ARMS, collected, compared  # noqa: E402

from property_neurons.figures import fig6, fig9, style  # noqa: E402
from property_neurons.figures.pruning_tables import Study  # noqa: E402

STUDIES = {
    fig6: collected("general"),
    fig9: collected("task_specific", arms=[arm for arm in ARMS if arm != "fine_tuned"], sizes=(3072, 577, 154)),
}


def main(folder: Path) -> None:
    """Write both pictures to `folder`."""
    for module, runs in STUDIES.items():
        with tempfile.TemporaryDirectory() as work, style.theme():
            study = Study(runs, compared(runs), "a model", "made-up numbers", {})
            figure, table = module.draw(study)
            name = f"{module.__name__.rpartition('.')[2]}"
            style.save(figure, table, f"{work}/{name}.pdf")
            (folder / f"{name}.png").write_bytes(Path(work, f"{name}.png").read_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
