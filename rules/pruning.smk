"""Models cut out of others: what criteria need, the pruning step, and recovery by distillation."""


rule calibrate_model:
    """Measure each neuron on calibration speech (activation, gradient of a loss), for criteria that need it."""
    input:
        model=f"{RESULTS}/models/{{model}}.manifest.json",
        training=lambda wildcards: (
            plan.paths.manifest_if(plan.pruning.calibration_training(CONFIG, wildcards.model))
            if wildcards.speech == plan.pruning.CALIBRATED_ON_TASK
            else []
        ),
        checked=lambda wildcards: (
            []
            if wildcards.speech == plan.pruning.CALIBRATED_ON_TASK
            else f"{RESULTS}/corpora/{wildcards.speech}/checked.json"
        ),
    output:
        table=f"{RESULTS}/calibration/{{model}}/{{speech}}.parquet",
    log:
        f"{RESULTS}/logs/calibrate_model/{{model}}/{{speech}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/calibrate_model/{{model}}/{{speech}}.tsv"
    wildcard_constraints:
        speech="[^/.]+",
    conda:
        MODELS_ENVIRONMENT
    # One thread: the same bytes whatever --cores is.
    threads: 1
    resources:
        mem_mb=scaled(8000),
        runtime=scaled(120),
        gpu=GPU,
    params:
        calibration=CONFIG.pruning.calibration.model_dump(),
        code=code_fingerprint("property_neurons.pruning.calibrate"),
    message:
        "Calibrating {wildcards.model} on {wildcards.speech}"
    script:
        "../workflow/scripts/calibrate_model.py"


rule learn_gates:
    """Learn a gate for each neuron at the size of the pruned model, for the criterion l0."""
    input:
        model=lambda wildcards: f"{RESULTS}/models/{CONFIG.models[wildcards.model].of}.manifest.json",
        training=lambda wildcards: plan.paths.manifest_if(
            plan.pruning.calibration_training(CONFIG, CONFIG.models[wildcards.model].of)
        ),
        checked=lambda wildcards: plan.pruning.calibration_corpus(CONFIG, wildcards.model),
    output:
        table=f"{RESULTS}/gates/{{model}}.parquet",
    log:
        f"{RESULTS}/logs/learn_gates/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/learn_gates/{{model}}.tsv"
    wildcard_constraints:
        model=one_of(plan.pruning.gated(CONFIG)),
    conda:
        MODELS_ENVIRONMENT
    # One thread: the same bytes whatever --cores is.
    threads: 1
    resources:
        mem_mb=scaled(8000),
        runtime=scaled(720),
        gpu=GPU,
    params:
        learning=lambda wildcards: plan.pruning.gates_settings(CONFIG, wildcards.model),
        code=code_fingerprint("property_neurons.pruning.gates"),
    message:
        "Learning the gates of {wildcards.model}"
    script:
        "../workflow/scripts/learn_gates.py"


rule prune_model:
    """Remove neurons by a criterion, in one pruning step."""
    input:
        model=lambda wildcards: f"{RESULTS}/models/{CONFIG.models[wildcards.model].of}.manifest.json",
        neurons=lambda wildcards: plan.pruning.neuron_tables(CONFIG, wildcards.model),
        sizes_of=lambda wildcards: plan.paths.manifest_if(plan.pruning.sizes_of(CONFIG, wildcards.model)),
        counts=lambda wildcards: plan.pruning.frequency_counts(CONFIG, wildcards.model),
        calibration=lambda wildcards: plan.pruning.calibration(CONFIG, wildcards.model),
    output:
        folder=directory(f"{RESULTS}/models/{{model}}"),
        manifest=f"{RESULTS}/models/{{model}}.manifest.json",
    log:
        f"{RESULTS}/logs/prune_model/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/prune_model/{{model}}.tsv"
    wildcard_constraints:
        model=one_of(PRUNED_MODELS),
    conda:
        MODELS_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=scaled(8000),
        runtime=scaled(60),
    params:
        cut=lambda wildcards: plan.pruning.settings(CONFIG, wildcards.model),
        code=code_fingerprint("property_neurons.pruning.prune"),
    message:
        "Cutting {wildcards.model}"
    script:
        "../workflow/scripts/prune_model.py"


rule distil_model:
    """Train a pruned model to give the hidden states of the unpruned one; a killed job resumes from its last checkpoint."""
    input:
        model=lambda wildcards: f"{RESULTS}/models/{CONFIG.models[wildcards.model].of}.manifest.json",
        teacher=lambda wildcards: f"{RESULTS}/models/{CONFIG.models[wildcards.model].teacher}.manifest.json",
        checked=lambda wildcards: f"{RESULTS}/corpora/{CONFIG.models[wildcards.model].corpus}/checked.json",
    output:
        folder=directory(f"{RESULTS}/models/{{model}}"),
        manifest=f"{RESULTS}/models/{{model}}.manifest.json",
    log:
        f"{RESULTS}/logs/distil_model/{{model}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/distil_model/{{model}}.tsv"
    wildcard_constraints:
        model=one_of(DISTILLED_MODELS),
    conda:
        MODELS_ENVIRONMENT
    # One thread, the same bytes whatever --cores is; beside a GPU, processes that prepare batches.
    threads: 8 if CONFIG.device == "cuda" else 1
    resources:
        mem_mb=scaled(16000),
        # A retry goes on from the last checkpoint.
        runtime=1440,
        gpu=GPU,
    params:
        work=f"{RESULTS}/models/.{{model}}.work",
        tensorboard=f"{RESULTS}/logs/tensorboard/{{model}}",
        validation_share=lambda wildcards: CONFIG.models[wildcards.model].validation_share,
        settings=lambda wildcards: plan.pruning.distillation_settings(CONFIG, wildcards.model),
        code=code_fingerprint("property_neurons.pruning.distillation"),
    message:
        "Distilling {wildcards.model}"
    script:
        "../workflow/scripts/distil_model.py"
