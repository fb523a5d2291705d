"""Ranks and counts. One pass of a model over a shard serves every property, frame rule and lambda (GPU if there is one).

Counting reads ranks and frames only: a changed pitch cut, group, lambda or property never runs a model again.
"""


rule rank_neurons:
    """The ids of the most active neurons of every frame and layer, in rank order."""
    input:
        # The gate changes when any subset does; the ranks of this shard do not.
        checked=ancient(CHECKED),
        shard=f"{RESULTS}/corpora/{{corpus}}/shards/{{shard}}.tsv",
        model=f"{RESULTS}/models/{{model}}.manifest.json",
        # Only ranks of middle frames need to know where segments lie.
        frames=(
            f"{RESULTS}/corpora/{{corpus}}/frames/{{shard}}.manifest.json"
            if CONFIG.ranks.frames == "segment_mid"
            else []
        ),
    output:
        store=directory(f"{RESULTS}/ranks/{{model}}/{{corpus}}/{{shard}}.zarr"),
        manifest=f"{RESULTS}/ranks/{{model}}/{{corpus}}/{{shard}}.manifest.json",
    log:
        f"{RESULTS}/logs/rank_neurons/{{model}}/{{corpus}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/rank_neurons/{{model}}/{{corpus}}/{{shard}}.tsv"
    conda:
        MODELS_ENVIRONMENT
    # One thread per job: faster than sharing cores, and the same bytes whatever --cores is.
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(120),
        gpu=GPU,
    params:
        root=lambda wildcards: plan.corpora.root(CONFIG, wildcards.corpus),
        lambda_max=CONFIG.ranks.lambda_max,
        frames=CONFIG.ranks.frames,
        # What a run is matters to the ranks kept only when they are those of middle frames.
        equal_neighbours=(
            None if CONFIG.ranks.frames == "all" else plan.analysis.counting_settings(CONFIG)["equal_neighbours"]
        ),
        code=code_fingerprint(
            "property_neurons.ranks.extraction",
            "property_neurons.models.loading",
            *([] if CONFIG.ranks.frames == "all" else ["property_neurons.counting.sampling"]),
        ),
    message:
        "Ranking neurons of {wildcards.model} on {wildcards.corpus}/{wildcards.shard}"
    script:
        "../workflow/scripts/rank_neurons.py"


rule count_activations:
    """How often each neuron is among the most active, per layer and cell (group x phone)."""
    input:
        checked=rules.check_corpus.output.checked,
        frames=lambda wildcards: plan.corpora.frames(CONFIG, wildcards.corpus),
        ranks=lambda wildcards: plan.analysis.ranks(CONFIG, wildcards.model, wildcards.corpus),
        values=lambda wildcards: plan.analysis.frame_values(CONFIG, wildcards.corpus, wildcards.property),
        units=lambda wildcards: plan.analysis.units(CONFIG, wildcards.corpus, wildcards.property),
        columns=lambda wildcards: plan.analysis.columns(CONFIG, wildcards.corpus, wildcards.property),
    output:
        store=directory(f"{RESULTS}/counts/{{model}}/{{corpus}}/{{property}}.zarr"),
        manifest=f"{RESULTS}/counts/{{model}}/{{corpus}}/{{property}}.manifest.json",
        # Of the counts alone: what is drawn from patterns, and not from sets, does not wait for sets.
        cells=f"{RESULTS}/neurons/{{model}}/{{corpus}}/{{property}}.cells.tsv",
    log:
        f"{RESULTS}/logs/count_activations/{{model}}/{{corpus}}/{{property}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/count_activations/{{model}}/{{corpus}}/{{property}}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(6000),
        runtime=by_shards(60, 1.5),
    params:
        property=lambda wildcards: plan.analysis.property_settings(CONFIG, wildcards.property),
        counting=plan.analysis.counting_settings(CONFIG),
        code=code_fingerprint(
            "property_neurons.counting.count", "property_neurons.counting.job", "property_neurons.neurons.cells"
        ),
    message:
        "Counting {wildcards.property} activations of {wildcards.model} on {wildcards.corpus}"
    script:
        "../workflow/scripts/count_activations.py"


rule count_units:
    """The same counts by speaker, utterance or run, whichever the property varies over, for the statistics of sets."""
    input:
        checked=rules.check_corpus.output.checked,
        frames=lambda wildcards: plan.corpora.frames(CONFIG, wildcards.corpus),
        ranks=lambda wildcards: plan.analysis.ranks(CONFIG, wildcards.model, wildcards.corpus),
        values=lambda wildcards: plan.analysis.frame_values(CONFIG, wildcards.corpus, wildcards.property),
        units=lambda wildcards: plan.analysis.units(CONFIG, wildcards.corpus, wildcards.property),
        columns=lambda wildcards: plan.analysis.columns(CONFIG, wildcards.corpus, wildcards.property),
    output:
        store=directory(f"{RESULTS}/unit_counts/{{model}}/{{corpus}}/{{property}}.zarr"),
        manifest=f"{RESULTS}/unit_counts/{{model}}/{{corpus}}/{{property}}.manifest.json",
    log:
        f"{RESULTS}/logs/count_units/{{model}}/{{corpus}}/{{property}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/count_units/{{model}}/{{corpus}}/{{property}}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(8000),
        runtime=by_shards(60, 1.5),
    params:
        property=lambda wildcards: plan.analysis.property_settings(CONFIG, wildcards.property),
        counting=plan.analysis.counting_settings(CONFIG),
        code=code_fingerprint("property_neurons.counting.unit_counts", "property_neurons.counting.job"),
    message:
        "Counting {wildcards.property} activations of {wildcards.model} on {wildcards.corpus} by unit"
    script:
        "../workflow/scripts/count_units.py"
