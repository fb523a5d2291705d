"""What the layers of a model know about phones, on speakers that the measure was not fitted on."""


rule store_probed_frames:
    """Randomly sampled frames of phones in every layer of a model; removed once they are probed."""
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
        folder=temp(directory(f"{RESULTS}/probes/{{model}}/{{corpus}}.layers")),
        manifest=temp(f"{RESULTS}/probes/{{model}}/{{corpus}}.layers.manifest.json"),
    log:
        f"{RESULTS}/logs/store_probed_frames/{{model}}/{{corpus}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/store_probed_frames/{{model}}/{{corpus}}.tsv"
    conda:
        MODELS_ENVIRONMENT
    # One thread: the same bytes whatever --cores is.
    threads: 1
    resources:
        mem_mb=scaled(6000),
        runtime=scaled(120),
        gpu=GPU,
    params:
        root=lambda wildcards: plan.corpora.root(CONFIG, wildcards.corpus),
        max_frames=60000,
        seed=0,
        code=code_fingerprint("property_neurons.probing.representations", "property_neurons.corpus.gate"),
    message:
        "Frames to probe in the layers of {wildcards.model} on {wildcards.corpus}"
    script:
        "../workflow/scripts/store_probed_frames.py"


rule probe_layers:
    """Clusters, a linear probe and the silhouette of the phones, for log-Mel frames and every layer."""
    input:
        layers=rules.store_probed_frames.output.manifest,
        # Named too, or it would be removed before it is read.
        stored=rules.store_probed_frames.output.folder,
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
    params:
        clusters=100,
        seed=0,
        code=code_fingerprint("property_neurons.probing.probe"),
    message:
        "Probing the layers of {wildcards.model} on {wildcards.corpus}"
    script:
        "../workflow/scripts/probe_layers.py"
