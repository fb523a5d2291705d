"""Pre-training of MelHuBERT: log-Mel frames and k-means targets in, one checkpoint and its curves per stage out.

Stage 1 predicts clusters of log-Mel frames, every later one clusters of a hidden layer of the stage before.
"""


rule extract_log_mel:
    """The log-Mel frames of one shard, read at random by training; `log_mel_coded`: of the audio after MP3 coding.

    In folders of their own, so that a run that takes coded ones trains no other run anew.
    """
    input:
        # The gate changes when any subset does; of this shard, only by what an earlier subset has too.
        checked=ancient(CHECKED),
        duplicates=f"{RESULTS}/corpora/{{corpus}}/duplicates.tsv",
        # Who speaks, as training holds out speakers.
        tables=lambda wildcards: (
            f"{RESULTS}/corpora/{wildcards.corpus}/subsets/{subset_of(wildcards.shard)}/tables.manifest.json"
        ),
        shard=f"{RESULTS}/corpora/{{corpus}}/shards/{{shard}}.tsv",
    output:
        folder=directory(f"{RESULTS}/corpora/{{corpus}}/log_mel{{coded}}/{{shard}}"),
        manifest=f"{RESULTS}/corpora/{{corpus}}/log_mel{{coded}}/{{shard}}.manifest.json",
    log:
        f"{RESULTS}/logs/extract_log_mel{{coded}}/{{corpus}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/extract_log_mel{{coded}}/{{corpus}}/{{shard}}.tsv"
    wildcard_constraints:
        coded="(_coded)?",
    conda:
        MODELS_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(120),
    params:
        root=lambda wildcards: plan.corpora.root(CONFIG, wildcards.corpus),
        coded=lambda wildcards: bool(wildcards.coded),
        code=code_fingerprint("property_neurons.pretraining.log_mel"),
    message:
        "Log-Mel frames{wildcards.coded} of {wildcards.corpus}/{wildcards.shard}"
    script:
        "../workflow/scripts/extract_log_mel.py"


rule measure_log_mel:
    """Global mean and standard deviation of each log-Mel bin over the corpus of a run."""
    input:
        log_mel=lambda wildcards: plan.pretraining.log_mel(CONFIG, wildcards.run),
    output:
        statistics=f"{RESULTS}/pretraining/{{run}}/log_mel.json",
    log:
        f"{RESULTS}/logs/measure_log_mel/{{run}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/measure_log_mel/{{run}}.tsv"
    conda:
        MODELS_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(60),
    params:
        code=code_fingerprint("property_neurons.pretraining.log_mel_statistics"),
    message:
        "Log-Mel statistics for {wildcards.run}"
    script:
        "../workflow/scripts/measure_log_mel.py"


rule sample_states:
    """Frames of a hidden layer from randomly sampled utterances; removed once they are clustered."""
    input:
        log_mel=lambda wildcards: plan.pretraining.log_mel(CONFIG, wildcards.run),
        statistics=rules.measure_log_mel.output.statistics,
        model=lambda wildcards: plan.paths.manifest(
            plan.pretraining.clustered_model(CONFIG, wildcards.run, wildcards.stage)
        ),
    output:
        folder=temp(directory(f"{RESULTS}/pretraining/{{run}}/stage{{stage}}/sample")),
        manifest=temp(f"{RESULTS}/pretraining/{{run}}/stage{{stage}}/sample.manifest.json"),
    log:
        f"{RESULTS}/logs/sample_states/{{run}}-stage{{stage}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/sample_states/{{run}}-stage{{stage}}.tsv"
    conda:
        MODELS_ENVIRONMENT
    # One thread: the same bytes whatever --cores is.
    threads: 1
    resources:
        mem_mb=scaled(6000),
        runtime=scaled(120),
        gpu=GPU,
    params:
        targets=lambda wildcards: plan.pretraining.sampled(CONFIG, wildcards.run, wildcards.stage),
        seed=lambda wildcards: plan.pretraining.stage(CONFIG, wildcards.run, wildcards.stage).seed,
        code=code_fingerprint("property_neurons.pretraining.sampled_frames"),
    message:
        "Frames to cluster for stage {wildcards.stage} of {wildcards.run}"
    script:
        "../workflow/scripts/sample_states.py"


rule fit_targets:
    """k-means on log-Mel frames, or on a hidden layer of the stage before."""
    input:
        log_mel=lambda wildcards: (
            []
            if plan.pretraining.sample(CONFIG, wildcards.run, wildcards.stage)
            else plan.pretraining.log_mel(CONFIG, wildcards.run)
        ),
        sample=lambda wildcards: plan.paths.manifest_if(plan.pretraining.sample(CONFIG, wildcards.run, wildcards.stage)),
        # Named too, or it would be removed before it is read.
        stored=lambda wildcards: plan.pretraining.sample(CONFIG, wildcards.run, wildcards.stage) or [],
        statistics=rules.measure_log_mel.output.statistics,
    output:
        codebook=f"{RESULTS}/pretraining/{{run}}/stage{{stage}}/codebook.safetensors",
    log:
        f"{RESULTS}/logs/fit_targets/{{run}}-stage{{stage}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/fit_targets/{{run}}-stage{{stage}}.tsv"
    conda:
        MODELS_ENVIRONMENT
    # One thread: sums over frames then have one order, and the centroids the same bytes everywhere.
    threads: 1
    resources:
        mem_mb=scaled(16000),
        runtime=scaled(360),
    params:
        targets=lambda wildcards: plan.pretraining.stage(CONFIG, wildcards.run, wildcards.stage).targets.model_dump(),
        seed=lambda wildcards: plan.pretraining.stage(CONFIG, wildcards.run, wildcards.stage).seed,
        code=code_fingerprint("property_neurons.codebooks.kmeans", "property_neurons.pretraining.sampled_frames"),
    message:
        "Clustering frames for stage {wildcards.stage} of {wildcards.run}"
    script:
        "../workflow/scripts/fit_targets.py"


rule assign_targets:
    """The cluster of every frame of one shard."""
    input:
        log_mel=lambda wildcards: (
            f"{RESULTS}/corpora/{CONFIG.pretraining[wildcards.run].corpus}/log_mel/{wildcards.shard}.manifest.json"
        ),
        statistics=rules.measure_log_mel.output.statistics,
        codebook=rules.fit_targets.output.codebook,
        model=lambda wildcards: plan.paths.manifest_if(
            plan.pretraining.clustered_model(CONFIG, wildcards.run, wildcards.stage)
        ),
    output:
        store=directory(f"{RESULTS}/pretraining/{{run}}/stage{{stage}}/targets/{{shard}}.zarr"),
        manifest=f"{RESULTS}/pretraining/{{run}}/stage{{stage}}/targets/{{shard}}.manifest.json",
    log:
        f"{RESULTS}/logs/assign_targets/{{run}}-stage{{stage}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/assign_targets/{{run}}-stage{{stage}}/{{shard}}.tsv"
    conda:
        MODELS_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(60),
        gpu=lambda wildcards: GPU if plan.pretraining.clustered_model(CONFIG, wildcards.run, wildcards.stage) else 0,
    params:
        layer=lambda wildcards: plan.pretraining.stage(CONFIG, wildcards.run, wildcards.stage).targets.layer,
        centred=lambda wildcards: plan.pretraining.stage(CONFIG, wildcards.run, wildcards.stage).targets.centred,
        code=code_fingerprint("property_neurons.pretraining.assign_targets", "property_neurons.pretraining.represent"),
    message:
        "Targets of {wildcards.shard} for stage {wildcards.stage} of {wildcards.run}"
    script:
        "../workflow/scripts/assign_targets.py"


rule pretrain:
    """Train one stage by masked prediction; a killed job resumes from its last checkpoint."""
    input:
        log_mel=lambda wildcards: plan.pretraining.log_mel(CONFIG, wildcards.run),
        coded=lambda wildcards: plan.pretraining.coded_log_mel(CONFIG, wildcards.run, wildcards.stage),
        targets=lambda wildcards: plan.pretraining.targets(CONFIG, wildcards.run, wildcards.stage),
        statistics=lambda wildcards: (
            f"{RESULTS}/pretraining/{plan.pretraining.target_owner(CONFIG, wildcards.run, wildcards.stage)}/log_mel.json"
        ),
        initial=lambda wildcards: plan.paths.manifest_if(
            plan.pretraining.initial_model(CONFIG, wildcards.run, wildcards.stage)
        ),
    output:
        folder=directory(f"{RESULTS}/checkpoints/{{run}}-stage{{stage}}"),
        manifest=f"{RESULTS}/checkpoints/{{run}}-stage{{stage}}.manifest.json",
    log:
        f"{RESULTS}/logs/pretrain/{{run}}-stage{{stage}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/pretrain/{{run}}-stage{{stage}}.tsv"
    conda:
        MODELS_ENVIRONMENT
    # On a CPU all it can get; beside a GPU, processes that prepare batches.
    threads: 16
    resources:
        mem_mb=scaled(32000),
        # A retry goes on from the last checkpoint.
        runtime=2880,
        gpu=lambda wildcards: CONFIG.pretraining[wildcards.run].gpus if GPU else 0,
    params:
        work=f"{RESULTS}/checkpoints/.{{run}}-stage{{stage}}.work",
        tensorboard=f"{RESULTS}/logs/tensorboard/{{run}}-stage{{stage}}",
        architecture=lambda wildcards: plan.pretraining.architecture(CONFIG, wildcards.run),
        validation_share=lambda wildcards: CONFIG.pretraining[wildcards.run].validation_share,
        training=lambda wildcards: plan.pretraining.training_settings(CONFIG, wildcards.run, wildcards.stage),
        code=code_fingerprint("property_neurons.pretraining.stage"),
    message:
        "Pre-training {wildcards.run}, stage {wildcards.stage}"
    script:
        "../workflow/scripts/pretrain.py"
