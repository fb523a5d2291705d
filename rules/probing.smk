"""What the layers of a model know about phones, on speakers that the measure was not fitted on (GPU if there is one)."""


rule probe_layers:
    """Clusters, a linear probe and the silhouette of the phones, for log-Mel frames and every layer."""
    input:
        # Frames are drawn from the utterances that this gate lets through.
        checked=rules.check_corpus.output.checked,
        shards=lambda wildcards: expand(
            f"{RESULTS}/corpora/{{corpus}}/shards/{{shard}}.tsv",
            corpus=wildcards.corpus,
            shard=plan.corpora.shards(CONFIG, wildcards.corpus),
        ),
        frames=lambda wildcards: plan.corpora.frames(CONFIG, wildcards.corpus),
        model=f"{RESULTS}/models/{{model}}.manifest.json",
    output:
        table=f"{RESULTS}/probes/{{model}}/{{corpus}}.tsv",
    log:
        f"{RESULTS}/logs/probe_layers/{{model}}/{{corpus}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/probe_layers/{{model}}/{{corpus}}.tsv"
    conda:
        MODELS_ENVIRONMENT
    # One thread: the same bytes whatever --cores is.
    threads: 1
    resources:
        mem_mb=scaled(6000),
        runtime=scaled(240),
        gpu=GPU,
    params:
        root=lambda wildcards: plan.corpora.root(CONFIG, wildcards.corpus),
        clusters=100,
        max_frames=60000,
        seed=0,
        code=code_fingerprint("property_neurons.probing.probe"),
    message:
        "Probing the layers of {wildcards.model} on {wildcards.corpus}"
    script:
        "../workflow/scripts/probe_layers.py"
