"""property-neurons: find the neurons of speech Transformers that carry a property (arXiv 2409.05910)."""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.20")

HERE = Path(workflow.current_basedir)

# A config given with --configfile replaces the default file; merging the two would keep its corpora and models.
if not workflow.configfiles:

    configfile: "config/config.yaml" if Path("config/config.yaml").exists() else str(HERE / "config/config.yaml")


report: "resources/captions/workflow.rst"


include: "rules/common.smk"
include: "rules/doctor.smk"
include: "rules/corpus.smk"
include: "rules/models.smk"
include: "rules/pretraining.smk"
include: "rules/properties.smk"
include: "rules/clusters.smk"
include: "rules/ranks.smk"
include: "rules/neurons.smk"
include: "rules/confounds.smk"
include: "rules/pruning.smk"
include: "rules/pruning_studies.smk"
include: "rules/tasks.smk"
include: "rules/editing.smk"
include: "rules/probing.smk"
include: "rules/figures.smk"
include: "rules/browser.smk"


rule all:
    default_target: True
    input:
        plan.figures.files(CONFIG, ["fig2"] if plan.figures.shows_phones(CONFIG) else []),
        plan.figures.files(CONFIG, ["fig3", "fig4", "fig5", "fig7", "fig8", "stability"]),
        plan.figures.files(CONFIG, ["confounds"] if CONFIG.statistics.given else []),
        plan.clusters.tables(CONFIG),
        plan.figures.files(CONFIG, [f"pretraining_{run}" for run in plan.pretraining.trained_runs(CONFIG)]),


rule browsers:
    """The figures, and the neuron browsers of the figures' model and its control: what a report shows together."""
    input:
        rules.all.input,
        plan.browser.indices(CONFIG, plan.figures.shown_models(CONFIG)),


rule erasures:
    """All studies of the section `erasure`: figures and tables."""
    input:
        plan.figures.files(CONFIG, plan.figures.erasures(CONFIG)),


# Snakemake passes over a misspelt rule in a profile; its jobs would go to the default partition, or without their group.
# Of a workflow that uses this one as a module not all rules are read yet.
if workflow.is_main_process and workflow.modifier.parent_modifier is None:
    for misspelt in plan.profiles.unknown_rules(workflow):
        logger.warning(
            printable(
                f"The profile or command line sets something for {misspelt}, which is no rule: see snakemake --list."
            )
        )
