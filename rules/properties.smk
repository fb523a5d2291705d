"""What properties are made of beside phones and F0: made where a property of the config asks for it (CPU, no model)."""


rule measure_track:
    """One number for each frame of a shard: energy, speaking rate, a formant, ..."""
    input:
        frames=f"{RESULTS}/corpora/{{corpus}}/frames/{{shard}}.manifest.json",
        shard=f"{RESULTS}/corpora/{{corpus}}/shards/{{shard}}.tsv",
    output:
        store=directory(f"{RESULTS}/corpora/{{corpus}}/frame_values/{{track}}/{{shard}}.zarr"),
        manifest=f"{RESULTS}/corpora/{{corpus}}/frame_values/{{track}}/{{shard}}.manifest.json",
    log:
        f"{RESULTS}/logs/measure_track/{{corpus}}/{{track}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/measure_track/{{corpus}}/{{track}}/{{shard}}.tsv"
    wildcard_constraints:
        track=one_of(plan.analysis.TRACKS),
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(2000),
        runtime=scaled(120),
    params:
        root=lambda wildcards: plan.corpora.root(CONFIG, wildcards.corpus),
        code=code_fingerprint("property_neurons.corpus.measure_track"),
    message:
        "Measuring {wildcards.track} in {wildcards.corpus}/{wildcards.shard}"
    script:
        "../workflow/scripts/measure_track.py"


rule read_intervals:
    """The interval of a tier, a table or a dictionary's words that each frame of a shard lies in."""
    input:
        frames=f"{RESULTS}/corpora/{{corpus}}/frames/{{shard}}.manifest.json",
        tables=lambda wildcards: (
            f"{RESULTS}/corpora/{wildcards.corpus}/subsets/{subset_of(wildcards.shard)}/tables.manifest.json"
        ),
        files=lambda wildcards: plan.analysis.interval_files(
            CONFIG, wildcards.corpus, subset_of(wildcards.shard), wildcards.property
        ),
    output:
        store=directory(f"{RESULTS}/corpora/{{corpus}}/intervals/{{property}}/{{shard}}.zarr"),
        manifest=f"{RESULTS}/corpora/{{corpus}}/intervals/{{property}}/{{shard}}.manifest.json",
    log:
        f"{RESULTS}/logs/read_intervals/{{corpus}}/{{property}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/read_intervals/{{corpus}}/{{property}}/{{shard}}.tsv"
    wildcard_constraints:
        property=one_of(plan.analysis.of_intervals(CONFIG)),
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(2000),
        runtime=scaled(120),
    params:
        source=lambda wildcards: plan.analysis.interval_source(
            CONFIG, wildcards.corpus, subset_of(wildcards.shard), wildcards.property
        ),
        files=lambda wildcards: plan.own_files.states(
            plan.analysis.interval_files(CONFIG, wildcards.corpus, subset_of(wildcards.shard), wildcards.property)
        ),
        code=code_fingerprint("property_neurons.corpus.frame_intervals"),
    message:
        "Reading the intervals of {wildcards.property} in {wildcards.corpus}/{wildcards.shard}"
    script:
        "../workflow/scripts/read_intervals.py"
