"""Models cut out of others: the neurons that do not stay are removed from the weights (CPU, seconds)."""


rule prune_model:
    """Remove neurons by a criterion, in one cut."""
    input:
        model=lambda wildcards: f"{RESULTS}/models/{CONFIG.models[wildcards.model].of}.manifest.json",
        neurons=lambda wildcards: plan.neuron_tables(CONFIG, wildcards.model),
        counts=lambda wildcards: plan.frequency_counts(CONFIG, wildcards.model),
    output:
        folder=directory(f"{RESULTS}/models/{{model}}"),
        manifest=f"{RESULTS}/models/{{model}}.manifest.json",
    log:
        f"{RESULTS}/logs/prune_model/{{model}}.log",
    wildcard_constraints:
        model=one_of(PRUNED_MODELS),
    conda:
        MODELS_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=60,
    params:
        cut=lambda wildcards: plan.pruning_settings(CONFIG, wildcards.model),
        code=code_fingerprint("property_neurons.pruning.prune"),
    message:
        "Cutting {wildcards.model}"
    script:
        "../workflow/scripts/prune_model.py"
