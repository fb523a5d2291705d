"""Editing: models with the neurons of a group erased, and the studies of whom that harms (Table 1)."""


rule edit_model:
    """Write an edit of group neurons into a model's weights."""
    input:
        model=lambda wildcards: f"{RESULTS}/models/{CONFIG.models[wildcards.model].of}.manifest.json",
        neurons=lambda wildcards: plan.editing.neuron_table(CONFIG, wildcards.model),
    output:
        folder=directory(f"{RESULTS}/models/{{model}}"),
        manifest=f"{RESULTS}/models/{{model}}.manifest.json",
    log:
        f"{RESULTS}/logs/edit_model/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/edit_model/{{model}}.tsv"
    wildcard_constraints:
        model=one_of(EDITED_MODELS),
    conda:
        MODELS_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=scaled(8000),
        runtime=scaled(60),
    params:
        edit=lambda wildcards: plan.editing.settings(CONFIG, wildcards.model),
        code=code_fingerprint("property_neurons.editing.saved"),
    message:
        "Editing {wildcards.model}"
    script:
        "../workflow/scripts/edit_model.py"


rule count_training:
    """The counts of a fine-tuned model over the utterances that its task was trained on, and no others."""
    input:
        data=lambda wildcards: plan.paths.manifest(plan.tasks.data(CONFIG, wildcards.task)),
        frames=lambda wildcards: [
            manifest
            for corpus in plan.tasks.corpora_of(CONFIG, wildcards.task)
            for manifest in plan.corpora.frames(CONFIG, corpus)
        ],
        ranks=lambda wildcards: [
            manifest
            for corpus in plan.tasks.corpora_of(CONFIG, wildcards.task)
            for manifest in plan.analysis.ranks(CONFIG, wildcards.model, corpus)
        ],
        values=lambda wildcards: [
            manifest
            for corpus in plan.tasks.corpora_of(CONFIG, wildcards.task)
            for manifest in plan.analysis.frame_values(CONFIG, corpus, wildcards.property)
        ],
        units=lambda wildcards: [
            manifest
            for corpus in plan.tasks.corpora_of(CONFIG, wildcards.task)
            for manifest in plan.analysis.units(CONFIG, corpus, wildcards.property)
        ],
        columns=lambda wildcards: [
            path
            for corpus in plan.tasks.corpora_of(CONFIG, wildcards.task)
            for path in plan.analysis.columns(CONFIG, corpus, wildcards.property)
        ],
    output:
        store=directory(f"{RESULTS}/training_counts/{{model}}/{{task}}/{{property}}.zarr"),
        manifest=f"{RESULTS}/training_counts/{{model}}/{{task}}/{{property}}.manifest.json",
    log:
        f"{RESULTS}/logs/count_training/{{model}}/{{task}}/{{property}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/count_training/{{model}}/{{task}}/{{property}}.tsv"
    wildcard_constraints:
        task=one_of(CONFIG.tasks),
    conda:
        MODELS_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=scaled(6000),
        runtime=by_shards(60, 1.5, of_task),
    params:
        property=lambda wildcards: plan.analysis.property_settings(CONFIG, wildcards.property),
        counting=plan.analysis.counting_settings(CONFIG),
        code=code_fingerprint(
            "property_neurons.counting.count",
            "property_neurons.counting.job",
            "property_neurons.tasks.trained_utterances",
        ),
    message:
        "Counting {wildcards.property} activations of {wildcards.model} on the training part of {wildcards.task}"
    script:
        "../workflow/scripts/count_training.py"


rule count_training_units:
    """The same counts by speaker, utterance or run, for selectors."""
    input:
        **dict(rules.count_training.input.items()),
    output:
        store=directory(f"{RESULTS}/training_counts/{{model}}/{{task}}/{{property}}.units.zarr"),
        manifest=f"{RESULTS}/training_counts/{{model}}/{{task}}/{{property}}.units.manifest.json",
    log:
        f"{RESULTS}/logs/count_training_units/{{model}}/{{task}}/{{property}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/count_training_units/{{model}}/{{task}}/{{property}}.tsv"
    wildcard_constraints:
        task=one_of(CONFIG.tasks),
    conda:
        MODELS_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=scaled(8000),
        runtime=by_shards(60, 1.5, of_task),
    params:
        property=lambda wildcards: plan.analysis.property_settings(CONFIG, wildcards.property),
        counting=plan.analysis.counting_settings(CONFIG),
        code=code_fingerprint(
            "property_neurons.counting.unit_counts",
            "property_neurons.counting.job",
            "property_neurons.tasks.trained_utterances",
        ),
    message:
        "Counting {wildcards.property} activations of {wildcards.model} on the training part of {wildcards.task} by unit"
    script:
        "../workflow/scripts/count_training_units.py"


use rule compare_selectors as compare_training_selectors with:
    input:
        **VALUES,
        units=rules.count_training_units.output.manifest,
        data=rules.count_training.input.data,
    output:
        table=f"{RESULTS}/training_counts/{{model}}/{{task}}/{{property}}.selectors.tsv",
        neurons=f"{RESULTS}/training_counts/{{model}}/{{task}}/{{property}}.selectors.parquet",
    log:
        f"{RESULTS}/logs/compare_training_selectors/{{model}}/{{task}}/{{property}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_training_selectors/{{model}}/{{task}}/{{property}}.tsv"
    message:
        "Comparing selectors of {wildcards.property} neurons of {wildcards.model} on the training part of {wildcards.task}"


rule erase_groups:
    """Erase each group of a property in a fine-tuned model, by degrees, and matched random neurons; score the task."""
    input:
        training=lambda wildcards: plan.paths.manifest(plan.erasure.training(CONFIG, wildcards.erasure, wildcards.seed)),
        model=lambda wildcards: (
            f"{RESULTS}/models/{plan.erasure.model(CONFIG, wildcards.erasure, wildcards.seed)}.manifest.json"
        ),
        counts=lambda wildcards: plan.paths.manifest(plan.erasure.counts(CONFIG, wildcards.erasure, wildcards.seed)),
        selected=lambda wildcards: plan.erasure.selected(CONFIG, wildcards.erasure, wildcards.seed),
        frames=lambda wildcards: plan.erasure.frames(CONFIG, wildcards.erasure),
    output:
        folder=directory(f"{RESULTS}/erasure/{{erasure}}/seed{{seed}}"),
        manifest=f"{RESULTS}/erasure/{{erasure}}/seed{{seed}}.manifest.json",
    log:
        f"{RESULTS}/logs/erase_groups/{{erasure}}-seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/erase_groups/{{erasure}}-seed{{seed}}.tsv"
    wildcard_constraints:
        erasure=one_of(CONFIG.erasure),
        seed=r"\d+",
    conda:
        MODELS_ENVIRONMENT
    # One thread: the same bytes whatever --cores is.
    threads: 1
    resources:
        mem_mb=scaled(8000),
        runtime=scaled(720),
        gpu=GPU,
    params:
        work=f"{RESULTS}/erasure/{{erasure}}/.seed{{seed}}.work",
        erasure=lambda wildcards: plan.erasure.settings(CONFIG, wildcards.erasure),
        code=code_fingerprint("property_neurons.erasure.study"),
    message:
        "Erasing for {wildcards.erasure}, seed {wildcards.seed}"
    script:
        "../workflow/scripts/erase_groups.py"


rule tabulate_erasure:
    """Tables of an erasure study: errors of each group before and after, with intervals, beside random neurons."""
    input:
        runs=lambda wildcards: [
            plan.paths.manifest(plan.paths.erased(CONFIG, wildcards.erasure, seed))
            for seed in CONFIG.erasure[wildcards.erasure].seeds
        ],
    output:
        table=f"{RESULTS}/tables/{{erasure}}.tsv",
        rendered=f"{RESULTS}/tables/{{erasure}}.md",
        curves=f"{RESULTS}/erasure/{{erasure}}/curves.tsv",
        selectors=f"{RESULTS}/erasure/{{erasure}}/selectors.tsv",
    log:
        f"{RESULTS}/logs/tabulate_erasure/{{erasure}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tabulate_erasure/{{erasure}}.tsv"
    wildcard_constraints:
        erasure=one_of(CONFIG.erasure),
    conda:
        MODELS_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(60),
    params:
        code=code_fingerprint(
            "property_neurons.erasure.markdown",
            "property_neurons.erasure.report",
            "property_neurons.erasure.specificity",
        ),
    message:
        "Tabulating the erasure {wildcards.erasure}"
    script:
        "../workflow/scripts/tabulate_erasure.py"
