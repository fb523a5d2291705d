"""Models: a `from_pretrained` folder and a small manifest for each, whatever they come from (CPU)."""


rule prepare_model:
    """Fetch, convert or re-initialise a model."""
    input:
        lambda wildcards: plan.models.source_files(CONFIG, wildcards.model),
    output:
        folder=directory(f"{RESULTS}/models/{{model}}"),
        manifest=f"{RESULTS}/models/{{model}}.manifest.json",
    log:
        f"{RESULTS}/logs/prepare_model/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/prepare_model/{{model}}.tsv"
    wildcard_constraints:
        model=one_of(name for name in CONFIG.models if name not in (*PRUNED_MODELS, *EDITED_MODELS, *DISTILLED_MODELS)),
    conda:
        MODELS_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=scaled(8000),
        runtime=scaled(60),
    params:
        source=lambda wildcards: plan.models.source(CONFIG, wildcards.model),
        files=lambda wildcards: plan.own_files.states(plan.models.own_files(CONFIG, wildcards.model)),
        code=code_fingerprint("property_neurons.models.prepare"),
    message:
        "Preparing the model {wildcards.model}"
    script:
        "../workflow/scripts/prepare_model.py"
