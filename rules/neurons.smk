"""From counts to neuron sets, and to patterns in the plane (CPU, seconds)."""


rule find_neurons:
    """Group neurons and property neurons (equations 3 to 5), and how far they can be believed."""
    input:
        counts=rules.count_activations.output.manifest,
        units=rules.count_units.output.manifest,
        # Its digest goes into the table, so that the neurons are used on no other model.
        model=f"{RESULTS}/models/{{model}}.manifest.json",
    output:
        **(
            {"cells": f"{RESULTS}/neurons/{{model}}/{{corpus}}/{{property}}.{plan.analysis.cells_of_sets(CONFIG)}.tsv"}
            if CONFIG.statistics.balance
            else {}
        ),
        neurons=f"{RESULTS}/neurons/{{model}}/{{corpus}}/{{property}}.parquet",
        summary=f"{RESULTS}/neurons/{{model}}/{{corpus}}/{{property}}.summary.tsv",
        null=f"{RESULTS}/neurons/{{model}}/{{corpus}}/{{property}}.null.tsv",
        stability=f"{RESULTS}/neurons/{{model}}/{{corpus}}/{{property}}.stability.tsv",
    log:
        f"{RESULTS}/logs/find_neurons/{{model}}/{{corpus}}/{{property}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/find_neurons/{{model}}/{{corpus}}/{{property}}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(6000),
        runtime=scaled(240),
    params:
        definition=plan.analysis.set_definition(CONFIG),
        statistics=plan.analysis.statistics_settings(CONFIG),
        balance=CONFIG.statistics.balance,
        fdr=CONFIG.statistics.fdr,
        code=code_fingerprint(
            "property_neurons.neurons.groups",
            "property_neurons.neurons.cells",
            "property_neurons.neurons.statistics.report",
            "property_neurons.counting.balance",
        ),
    message:
        "Finding the {wildcards.property} neurons of {wildcards.model} on {wildcards.corpus}"
    script:
        "../workflow/scripts/find_neurons.py"


# What selectors of activation values read, of each corpus; nothing where there are none of these selectors.
VALUES = {
    "checked": with_values(lambda wildcards, corpus: [rules.check_corpus.output.checked.format(corpus=corpus)]),
    "frames": with_values(lambda wildcards, corpus: plan.corpora.frames(CONFIG, corpus)),
    "values": with_values(lambda wildcards, corpus: plan.analysis.frame_values(CONFIG, corpus, wildcards.property)),
    "clusters": with_values(lambda wildcards, corpus: plan.analysis.units(CONFIG, corpus, wildcards.property)),
    "columns": with_values(lambda wildcards, corpus: plan.analysis.columns(CONFIG, corpus, wildcards.property)),
    "activations": with_values(lambda wildcards, corpus: plan.browser.activations(CONFIG, wildcards.model, corpus)),
}


rule compare_selectors:
    """Compare other selectors with the sets: their overlap, and their AUROC on held-out speakers."""
    input:
        **VALUES,
        units=rules.count_units.output.manifest,
    output:
        table=f"{RESULTS}/neurons/{{model}}/{{corpus}}/{{property}}.selectors.tsv",
        neurons=f"{RESULTS}/neurons/{{model}}/{{corpus}}/{{property}}.selectors.parquet",
    log:
        f"{RESULTS}/logs/compare_selectors/{{model}}/{{corpus}}/{{property}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_selectors/{{model}}/{{corpus}}/{{property}}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(60),
    params:
        definition=plan.analysis.set_definition(CONFIG),
        halves=CONFIG.statistics.halves,
        seed=CONFIG.statistics.seed,
        balance=CONFIG.statistics.balance,
        property=lambda wildcards: plan.analysis.property_settings(CONFIG, wildcards.property),
        sampling=plan.browser.sampling(CONFIG),
        code=code_fingerprint(
            "property_neurons.neurons.statistics.selector_comparison",
            "property_neurons.neurons.statistics.activation_values",
            "property_neurons.tasks.trained_utterances",
        ),
    message:
        "Comparing selectors of {wildcards.property} neurons of {wildcards.model} on {wildcards.corpus}"
    script:
        "../workflow/scripts/compare_selectors.py"


rule embed_patterns:
    """Multidimensional scaling of the activation patterns and their silhouettes, per layer and seed."""
    input:
        counts=rules.count_activations.output.manifest,
    output:
        points=f"{RESULTS}/embeddings/{{model}}/{{corpus}}/{{property}}.points.tsv",
        silhouettes=f"{RESULTS}/embeddings/{{model}}/{{corpus}}/{{property}}.silhouettes.tsv",
    log:
        f"{RESULTS}/logs/embed_patterns/{{model}}/{{corpus}}/{{property}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/embed_patterns/{{model}}/{{corpus}}/{{property}}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(60),
    params:
        seeds=CONFIG.embedding.seeds,
        patterns=plan.analysis.pattern_settings(CONFIG),
        code=code_fingerprint("property_neurons.neurons.embedding"),
    message:
        "Embedding {wildcards.property} patterns of {wildcards.model} on {wildcards.corpus}"
    script:
        "../workflow/scripts/embed_patterns.py"
