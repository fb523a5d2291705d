"""Every figure: as .pdf, .png and a .tsv of exactly what it draws, which .html shows as a table to be sorted (CPU).

`FIGURES` says what each is drawn from. Its keys are the modules of property_neurons.figures, which say how, where they
name no other.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figure:
    """What one of the rules draw_* has for itself; `inputs` and `params` by name, as its module's `read` takes them."""

    title: str
    category: str
    inputs: dict
    params: dict = field(default_factory=dict)
    name: str = ""  # of the files, with wildcards; "" = the key
    drawn_by: str = ""  # a module of property_neurons.figures; "" = the key


MODEL, CORPUS = CONFIG.figures.model, CONFIG.figures.corpus
SHOWN, COMPARED = plan.figures.shown_models(CONFIG), plan.figures.compared_models(CONFIG)
PLANE_PROPERTIES, LAYER_PROPERTIES = CONFIG.figures.plane_properties, CONFIG.figures.layer_properties
OVERLAP_PROPERTIES = CONFIG.figures.overlap_properties
PUBLISHED = plan.paths.shipped("resources/published.json")

FIGURES = {
    # Sorted activation probabilities of one phone.
    "fig2": Figure(
        "Figure 2",
        "Activation patterns",
        inputs={"counts": f"{RESULTS}/counts/{MODEL}/{CORPUS}/single_phone.manifest.json"},
        params={
            "phone": CONFIG.figures.probability_phone,
            "definition": plan.analysis.pattern_settings(CONFIG),
        },
    ),
    # Activation patterns in the plane, each property at its best layer.
    "fig3": Figure(
        "Figure 3",
        "Activation patterns",
        inputs={
            "points": plan.figures.points(CONFIG, [MODEL], PLANE_PROPERTIES),
            "silhouettes": plan.figures.silhouettes(CONFIG, SHOWN, PLANE_PROPERTIES),
            "cells": plan.figures.cells(CONFIG, PLANE_PROPERTIES),
        },
        params={"properties": PLANE_PROPERTIES, "models": SHOWN, "corpus": CORPUS},
    ),
    # Silhouette by layer.
    "fig4": Figure(
        "Figure 4",
        "Activation patterns",
        inputs={
            "silhouettes": plan.figures.silhouettes(CONFIG, SHOWN, LAYER_PROPERTIES),
            "stability": plan.figures.stability(CONFIG, [MODEL], LAYER_PROPERTIES),
            "published": PUBLISHED,
            "cells": plan.figures.cells(CONFIG, LAYER_PROPERTIES),
        },
        params={
            "properties": LAYER_PROPERTIES,
            "models": SHOWN,
            "corpus": CORPUS,
            "published": plan.figures.published_names(CONFIG, [MODEL]),
        },
    ),
    # Best layer of each model.
    "fig5": Figure(
        "Figure 5",
        "Activation patterns",
        inputs={
            "silhouettes": plan.figures.silhouettes(CONFIG, COMPARED, PLANE_PROPERTIES),
            "published": PUBLISHED,
            "cells": plan.figures.cells(CONFIG, PLANE_PROPERTIES),
        },
        params={
            "properties": PLANE_PROPERTIES,
            "models": COMPARED,
            "twins": [name for name in COMPARED if CONFIG.models[name].kind == "random_twin"],
            "corpus": CORPUS,
            "published": plan.figures.published_names(CONFIG, COMPARED),
        },
    ),
    # Number of property neurons by layer, and its null.
    "fig7": Figure(
        "Figure 7",
        "Property neurons",
        inputs={
            "summaries": plan.figures.neuron_summaries(CONFIG, SHOWN, LAYER_PROPERTIES),
            "nulls": plan.figures.nulls(CONFIG, SHOWN, LAYER_PROPERTIES),
            "published": PUBLISHED,
            "cells": plan.figures.cells_of_sets(CONFIG, LAYER_PROPERTIES),
        },
        params={
            "properties": LAYER_PROPERTIES,
            "models": SHOWN,
            "corpus": CORPUS,
            "published": plan.figures.published_names(CONFIG, [MODEL]),
        },
    ),
    # Overlap of the property neurons of two to four properties in one layer.
    "fig8": Figure(
        "Figure 8",
        "Property neurons",
        inputs={
            "neurons": plan.figures.neurons(CONFIG, [MODEL], OVERLAP_PROPERTIES),
            "summaries": plan.figures.neuron_summaries(CONFIG, [MODEL], OVERLAP_PROPERTIES),
            "published": PUBLISHED,
            "cells": plan.figures.cells_of_sets(CONFIG, OVERLAP_PROPERTIES),
        },
        params={
            "properties": OVERLAP_PROPERTIES,
            "layer": CONFIG.figures.overlap_layer,
            "fdr": CONFIG.figures.overlap_fdr,
            "model": MODEL,
            "corpus": CORPUS,
            "published": plan.figures.published_names(CONFIG, [MODEL]),
        },
    ),
    # Stability and held-out selectivity of the sets by layer.
    "stability": Figure(
        "the stability of the sets",
        "Property neurons",
        inputs={
            "stability": plan.figures.stability(CONFIG, SHOWN, LAYER_PROPERTIES),
            "cells": plan.figures.cells_of_sets(CONFIG, LAYER_PROPERTIES),
        },
        params={"properties": LAYER_PROPERTIES, "models": SHOWN, "corpus": CORPUS},
    ),
    # Other ways of choosing as many neurons.
    "selectors": Figure(
        "the comparison of selectors",
        "Property neurons",
        inputs={
            "selectors": plan.figures.selectors(CONFIG, SHOWN, LAYER_PROPERTIES),
            "cells": plan.figures.cells_of_sets(CONFIG, LAYER_PROPERTIES),
        },
        params={"properties": LAYER_PROPERTIES, "models": SHOWN, "corpus": CORPUS},
    ),
    # What each layer knows about phones, beside the control and log-Mel frames.
    "probes": Figure(
        "what the layers know about phones",
        "Phones in the layers",
        inputs={"probes": expand(f"{RESULTS}/probes/{{model}}/{CORPUS}.tsv", model=SHOWN)},
        params={"models": SHOWN, "corpus": CORPUS, "clusters": rules.probe_layers.params.clusters},
    ),
    # Learning curves of every stage of one run.
    "pretraining": Figure(
        "the learning curves of {wildcards.run}",
        "Pre-training",
        inputs={
            "stages": lambda wildcards: plan.pretraining.checkpoints(CONFIG, wildcards.run),
        },
        params={
            "run": lambda wildcards: wildcards.run,
            "corpus": lambda wildcards: CONFIG.pretraining[wildcards.run].corpus,
        },
        name="pretraining_{run}",
    ),
    # Whom it harms to erase a group: the table as a figure.
    "erasure": Figure(
        "the erasure {wildcards.erasure}",
        "Erasure",
        inputs={
            "table": f"{RESULTS}/tables/{{erasure}}.tsv",
            "counts": lambda wildcards: plan.erasure.counts_shown(CONFIG, wildcards.erasure),
            "published": PUBLISHED,
        },
        params={
            "model": lambda wildcards: CONFIG.erasure[wildcards.erasure].model,
            "corpus": lambda wildcards: plan.erasure.found_where(CONFIG, wildcards.erasure),
            "published": lambda wildcards: plan.figures.published_names(
                CONFIG, [CONFIG.erasure[wildcards.erasure].model]
            ),
        },
        name="{erasure}",
    ),
    # The same by degrees.
    "erasure_dose": Figure(
        "the erasure {wildcards.erasure} by degrees",
        "Erasure",
        inputs={
            "curves": f"{RESULTS}/erasure/{{erasure}}/curves.tsv",
            "counts": lambda wildcards: plan.erasure.counts_shown(CONFIG, wildcards.erasure),
        },
        params={
            "model": lambda wildcards: CONFIG.erasure[wildcards.erasure].model,
            "corpus": lambda wildcards: plan.erasure.found_where(CONFIG, wildcards.erasure),
        },
        name="{erasure}_dose",
    ),
    # As many neurons chosen in other ways.
    "erasure_selectors": Figure(
        "the selectors of the erasure {wildcards.erasure}",
        "Erasure",
        inputs={
            "table": lambda wildcards: plan.erasure.selector_table(CONFIG, wildcards.erasure),
            "counts": lambda wildcards: plan.erasure.counts_shown(CONFIG, wildcards.erasure),
        },
        params={
            "model": lambda wildcards: CONFIG.erasure[wildcards.erasure].model,
            "corpus": lambda wildcards: plan.erasure.found_where(CONFIG, wildcards.erasure),
        },
        name="{erasure}_selectors",
    ),
}

# What stays of the sets where a confound is the same. A config that names no confound has no such figure.
if confounds := CONFIG.statistics.given:
    FIGURES["confounds"] = Figure(
        "what confounds leave of the property neurons",
        "Property neurons",
        inputs={
            "tables": plan.figures.confounds(CONFIG, SHOWN),
            "cells": plan.figures.confound_cells(CONFIG),
        },
        params={"confounds": confounds, "models": SHOWN, "corpus": CORPUS},
    )

# What pruned models can still do (6), and their error over the neurons left (9). A study that the config leaves out has
# no figure.
for study_name, section in STUDIES.items():
    key, drawn_by = plan.pruning.figure_name(study_name, section), plan.pruning.figure_of(section)
    cells = plan.pruning.cells(CONFIG, study_name)
    inputs = {
        "runs": f"{RESULTS}/pruning/{study_name}/runs.tsv",
        "comparisons": f"{RESULTS}/pruning/{study_name}/comparisons.tsv",
        "cells": list(cells.values()),
        "published": PUBLISHED,
    }
    params = {
        "model": section.model,
        "corpus": section.corpus,
        "recovery": plan.pruning.recovery_title(section),
        "properties": list(cells),
        "published": plan.figures.published_names(CONFIG, [section.model]),
    }
    title = f"Figure {drawn_by[-1]}" if key == drawn_by else f"the pruning study {study_name}"
    recovered = {"runs": lambda wildcards, study=study_name: plan.pruning.runs_with_recovery(CONFIG, study)}
    FIGURES[key] = Figure(title, "Pruning", inputs=inputs | recovered, params=params, drawn_by=drawn_by)
    if section.cost_of_cut:
        # The same pruning steps before any recovery.
        FIGURES[f"{key}_cut"] = Figure(
            f"{title} before any recovery",
            "Pruning",
            inputs=inputs,
            params=params | {"figure_of": drawn_by},
            drawn_by="cut_cost",
        )

# On request: all of one property, `snakemake -c2 results/figures/manner.pdf`.
OF_PROPERTIES = plan.figures.of_properties(CONFIG, FIGURES)
FIGURES["property"] = Figure(
    "the property {wildcards.shown}",
    "Properties",
    inputs={
        what: lambda wildcards, find=find: find(CONFIG, SHOWN, [OF_PROPERTIES[wildcards.shown]])
        for what, find in {
            "points": plan.figures.points,
            "silhouettes": plan.figures.silhouettes,
            "summaries": plan.figures.neuron_summaries,
            "nulls": plan.figures.nulls,
            "stability": plan.figures.stability,
        }.items()
    }
    | {"cells": lambda wildcards: plan.figures.cells_of_sets(CONFIG, [OF_PROPERTIES[wildcards.shown]])},
    params={"properties": lambda wildcards: [OF_PROPERTIES[wildcards.shown]], "models": SHOWN, "corpus": CORPUS},
    name="{shown}",
)

for key, figure in FIGURES.items():
    name, drawn_by = figure.name or key, figure.drawn_by or key
    # In the report, where names of wildcards stand alone.
    title = figure.title.replace("{wildcards.", "{")

    rule:
        name:
            f"draw_{key}"
        input:
            **figure.inputs,
        output:
            figure=report(
                f"{RESULTS}/figures/{name}.pdf",
                caption=f"../resources/captions/{drawn_by}.rst",
                category=figure.category,
                labels={"figure": title, "as": "a picture"},
            ),
            table=report(
                f"{RESULTS}/figures/{name}.html",
                caption=f"../resources/captions/{drawn_by}.rst",
                category=figure.category,
                labels={"figure": title, "as": "a table that sorts"},
            ),
            others=multiext(f"{RESULTS}/figures/{name}", ".png", ".tsv"),
        log:
            f"{RESULTS}/logs/figures/{name}.log",
        benchmark:
            f"{RESULTS}/benchmarks/figures/{name}.tsv"
        wildcard_constraints:
            erasure=one_of(CONFIG.erasure),
            shown=one_of(OF_PROPERTIES),
        conda:
            "../envs/analysis.yaml"
        threads: 1
        resources:
            mem_mb=scaled(4000),
            runtime=scaled(20),
        params:
            **figure.params,
            figure=drawn_by,
            code=code_fingerprint(f"property_neurons.figures.{drawn_by}"),
        message:
            f"Drawing {figure.title}"
        script:
            "../workflow/scripts/draw_figure.py"
