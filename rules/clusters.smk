"""Clusters of speech, in place of phones and genders: made where a property of the config asks for them."""


wildcard_constraints:
    clusters=one_of(CONFIG.clusters),


rule sample_points:
    """Frames, or means of utterances, of a layer or of the log-Mel: what needs the model. Removed when clustered."""
    input:
        checked=rules.check_corpus.output.checked,
        shards=lambda wildcards: expand(
            f"{RESULTS}/corpora/{{corpus}}/shards/{{shard}}.tsv",
            corpus=wildcards.corpus,
            shard=plan.corpora.shards(CONFIG, wildcards.corpus),
        ),
        frames=lambda wildcards: plan.corpora.frames(CONFIG, wildcards.corpus),
        model=lambda wildcards: plan.clusters.model(CONFIG, wildcards.clusters),
    output:
        folder=temp(directory(f"{RESULTS}/corpora/{{corpus}}/clusters/{{clusters}}/points")),
        manifest=temp(f"{RESULTS}/corpora/{{corpus}}/clusters/{{clusters}}/points.manifest.json"),
    log:
        f"{RESULTS}/logs/sample_points/{{corpus}}/{{clusters}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/sample_points/{{corpus}}/{{clusters}}.tsv"
    conda:
        MODELS_ENVIRONMENT
    # One thread: the same bytes whatever --cores is.
    threads: 1
    resources:
        mem_mb=scaled(6000),
        runtime=scaled(120),
        gpu=lambda wildcards: GPU if plan.clusters.model(CONFIG, wildcards.clusters) else 0,
    params:
        root=lambda wildcards: plan.corpora.root(CONFIG, wildcards.corpus),
        of=lambda wildcards: CONFIG.clusters[wildcards.clusters].of,
        layer=lambda wildcards: CONFIG.clusters[wildcards.clusters].layer,
        hours=lambda wildcards: CONFIG.clusters[wildcards.clusters].fit_hours,
        seed=lambda wildcards: CONFIG.clusters[wildcards.clusters].seed,
        code=code_fingerprint(
            "property_neurons.clustering.sampled_points",
            "property_neurons.clustering.points",
            "property_neurons.corpus.gate",
        ),
    message:
        "Speech of {wildcards.corpus} to cluster: {wildcards.clusters}"
    script:
        "../workflow/scripts/sample_points.py"


rule fit_clusters:
    """k-means on frames, or on the means of utterances or speakers."""
    input:
        points=rules.sample_points.output.manifest,
        # Named too, or it would be removed before it is read.
        stored=rules.sample_points.output.folder,
    output:
        codebook=f"{RESULTS}/corpora/{{corpus}}/clusters/{{clusters}}/codebook.safetensors",
    log:
        f"{RESULTS}/logs/fit_clusters/{{corpus}}/{{clusters}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fit_clusters/{{corpus}}/{{clusters}}.tsv"
    conda:
        MODELS_ENVIRONMENT
    # One thread: sums over frames then have one order, and the centroids the same bytes everywhere.
    threads: 1
    resources:
        mem_mb=scaled(6000),
        runtime=scaled(240),
    params:
        clusters=lambda wildcards: plan.clusters.settings(CONFIG, wildcards.clusters),
        code=code_fingerprint("property_neurons.codebooks.kmeans", "property_neurons.codebooks.sample"),
    message:
        "Clustering {wildcards.corpus}: {wildcards.clusters}"
    script:
        "../workflow/scripts/fit_clusters.py"


rule assign_clusters:
    """The cluster of every frame, utterance or speaker of one shard."""
    input:
        # The gate changes when any subset does; whoever counts the clusters of this shard applies it.
        checked=ancient(CHECKED),
        shard=f"{RESULTS}/corpora/{{corpus}}/shards/{{shard}}.tsv",
        frames=f"{RESULTS}/corpora/{{corpus}}/frames/{{shard}}.manifest.json",
        codebook=rules.fit_clusters.output.codebook,
        model=lambda wildcards: plan.clusters.assigning_model(CONFIG, wildcards.clusters),
    output:
        store=directory(f"{RESULTS}/corpora/{{corpus}}/clusters/{{clusters}}/{{shard}}.zarr"),
        manifest=f"{RESULTS}/corpora/{{corpus}}/clusters/{{clusters}}/{{shard}}.manifest.json",
    log:
        f"{RESULTS}/logs/assign_clusters/{{corpus}}/{{clusters}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/assign_clusters/{{corpus}}/{{clusters}}/{{shard}}.tsv"
    conda:
        MODELS_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(120),
        gpu=lambda wildcards: GPU if plan.clusters.assigning_model(CONFIG, wildcards.clusters) else 0,
    params:
        root=lambda wildcards: plan.corpora.root(CONFIG, wildcards.corpus),
        of=lambda wildcards: CONFIG.clusters[wildcards.clusters].of,
        layer=lambda wildcards: CONFIG.clusters[wildcards.clusters].layer,
        code=code_fingerprint(
            "property_neurons.clustering.assign",
            "property_neurons.clustering.points",
        ),
    message:
        "Clusters {wildcards.clusters} of {wildcards.corpus}/{wildcards.shard}"
    script:
        "../workflow/scripts/assign_clusters.py"


rule compare_clusters:
    """Which phones, speakers and genders clusters hold, and how well the two agree."""
    input:
        checked=rules.check_corpus.output.checked,
        frames=lambda wildcards: plan.corpora.frames(CONFIG, wildcards.corpus),
        clusters=lambda wildcards: plan.clusters.stores(CONFIG, wildcards.corpus, wildcards.clusters),
    output:
        agreement=f"{RESULTS}/tables/clusters/{{corpus}}/{{clusters}}.tsv",
        contingency=f"{RESULTS}/tables/clusters/{{corpus}}/{{clusters}}.contingency.tsv",
    log:
        f"{RESULTS}/logs/compare_clusters/{{corpus}}/{{clusters}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/compare_clusters/{{corpus}}/{{clusters}}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(30),
    params:
        of=lambda wildcards: CONFIG.clusters[wildcards.clusters].of,
        code=code_fingerprint(
            "property_neurons.clustering.compare",
            "property_neurons.counting.job",
        ),
    message:
        "Comparing the clusters {wildcards.clusters} of {wildcards.corpus} with phones and speakers"
    script:
        "../workflow/scripts/compare_clusters.py"
