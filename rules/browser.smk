"""The neuron browser: how strongly neurons are active, and pages that show and let one hear it."""


rule store_activations:
    """The value of every neuron in every frame of some minutes of speech: a second pass of the model, over these alone."""
    input:
        checked=rules.check_corpus.output.checked,
        # What is read of a shard changes when its audio does.
        shard=f"{RESULTS}/corpora/{{corpus}}/shards/{{shard}}.tsv",
        model=f"{RESULTS}/models/{{model}}.manifest.json",
    output:
        store=directory(f"{RESULTS}/activations/{{model}}/{{corpus}}/{{shard}}.zarr"),
        manifest=f"{RESULTS}/activations/{{model}}/{{corpus}}/{{shard}}.manifest.json",
    log:
        f"{RESULTS}/logs/store_activations/{{model}}/{{corpus}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/store_activations/{{model}}/{{corpus}}/{{shard}}.tsv"
    conda:
        MODELS_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(120),
        gpu=GPU,
    params:
        root=lambda wildcards: plan.corpora.root(CONFIG, wildcards.corpus),
        minutes=CONFIG.browser.minutes,
        code=code_fingerprint(
            "property_neurons.activations.choice",
            "property_neurons.activations.extraction",
            "property_neurons.models.loading",
        ),
    message:
        "Keeping activation values of {wildcards.model} on {wildcards.corpus}/{wildcards.shard}"
    script:
        "../workflow/scripts/store_activations.py"
