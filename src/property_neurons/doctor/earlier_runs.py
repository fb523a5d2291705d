"""Findings about what an earlier run has made: utterances that a scan refused, cells with too little speech."""

from collections.abc import Iterator
from pathlib import Path

from property_neurons import plan
from property_neurons.config.root import Config
from property_neurons.corpus.check import check_report
from property_neurons.corpus.codes import CODES
from property_neurons.doctor.cell_counts import cell_counts
from property_neurons.doctor.finding import Finding
from property_neurons.doctor.needs import Needs
from property_neurons.errors import CorpusError, StoreError, printable
from property_neurons.neurons.cells import enough_frames
from property_neurons.stores.files import read_table


def report_findings(config: Config, needed: Needs) -> Iterator[Finding]:
    """Utterances that an earlier scan refused, by code; fatal where the check of the corpus will stop for them."""
    for corpus, section in config.corpora.items():
        folder = Path(plan.paths.corpus(config, corpus))
        report_path = folder / "report.tsv"
        try:
            report = read_table(report_path)
            n_utterances = len(read_table(folder / "utterances.parquet", columns=["utterance"]))
        except (StoreError, OSError):
            # None yet, or damaged: the job that reads it will say so.
            continue
        policy, cap = section.on_bad_utterance, section.max_skipped_share
        expected = f"utterances fit for use, by an earlier scan ({report_path})"
        try:
            summary = check_report(
                report, n_utterances, corpus, policy=policy, max_skipped_share=cap, report_path=str(report_path)
            )
        except CorpusError as error:
            found, _, rest = str(error).partition("\n")
            remedy = rest.splitlines()[-1] if rest else "mend the corpus"
            yield Finding(f"corpora.{corpus}", expected, found, remedy, fatal=corpus in needed.corpora)
            continue
        if summary["skipped"]:
            codes = ", ".join(f"{code} {count} ({CODES[code]})" for code, count in summary["codes"].items())
            found = f"{summary['skipped']} skipped, {summary['skipped_share']:.1%}: {codes}"
            remedy = f"look into {report_path}, which says what to do of each; or leave them out, as is done now"
            yield Finding(f"corpora.{corpus}", expected, found, remedy, fatal=False)


def rare_cell_findings(config: Config) -> Iterator[Finding]:
    """Properties with cells of so few frames that a single hit makes a pattern, as far as an earlier run tells."""
    enough = enough_frames(config.analysis.lambda_)
    effect, remedy = "where a single hit makes a pattern", f"or empty these patterns with analysis.min_count: {enough}"
    if config.analysis.min_count >= enough:
        effect, remedy = "whose patterns analysis.min_count empties", "or lower analysis.min_count"
    for corpus in config.corpora:
        counts = cell_counts(config, corpus)
        none = [name for name, cells in counts.items() if not cells["n"].any()]
        few = [
            f"{name} {n_rare} of {len(cells)}"
            for name, cells in counts.items()
            if name not in none and (n_rare := (cells["n"] < enough).sum())
        ]
        if none:
            yield Finding(
                f"corpora.{corpus}",
                "frames of phones in each property",
                f"none in {printable(', '.join(none))}, of which no neuron can be found",
                "write `by: none` for these properties where the corpus has no alignments",
                fatal=False,
            )
        if few:
            yield Finding(
                f"corpora.{corpus}",
                f"{enough} frames (1 / lambda) or more in each cell (one phone in one group)",
                f"fewer in these, {effect}: {printable(', '.join(few))}",
                f"use more speech, {remedy}",
                fatal=False,
            )
