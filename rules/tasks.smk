"""Tasks: who is trained and tested on, one training for each task, model and seed (GPU if there is one), its score.

A folder `tasks/{task}/{model}/seed{n}` holds head, curves and the error of every test utterance; beside it lies
`seed{n}.metrics.json`, the metric with its interval, which takes no model and no GPU.
"""

TASK_DATA = plan.tasks.data_names(CONFIG)


rule prepare_task:
    """Utterances, parts and references of a task, checked for leaks."""
    input:
        # What is divided is what these gates let through.
        checked=lambda wildcards: [
            f"{RESULTS}/corpora/{corpus}/checked.json"
            for corpus in plan.tasks.corpora_of(CONFIG, TASK_DATA[wildcards.data])
        ],
        references=lambda wildcards: plan.tasks.references(CONFIG, TASK_DATA[wildcards.data]),
        lexicon=lambda wildcards: plan.tasks.own_files(CONFIG, TASK_DATA[wildcards.data]),
    output:
        table=f"{RESULTS}/tasks/data/{{data}}.parquet",
        manifest=f"{RESULTS}/tasks/data/{{data}}.manifest.json",
    log:
        f"{RESULTS}/logs/prepare_task/{{data}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/prepare_task/{{data}}.tsv"
    wildcard_constraints:
        data=one_of(TASK_DATA),
    conda:
        MODELS_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(60),
    params:
        kind=lambda wildcards: CONFIG.tasks[TASK_DATA[wildcards.data]].kind,
        split=lambda wildcards: plan.tasks.data_settings(CONFIG, TASK_DATA[wildcards.data])["split"],
        files=lambda wildcards: plan.own_files.states(plan.tasks.own_files(CONFIG, TASK_DATA[wildcards.data])),
        phones=lambda wildcards: plan.tasks.phones(CONFIG, TASK_DATA[wildcards.data]),
        code=code_fingerprint("property_neurons.tasks.make_table"),
    message:
        "Dividing the utterances of {wildcards.data}"
    script:
        "../workflow/scripts/prepare_task.py"


rule store_states:
    """The hidden states of a model on a corpus: one pass for all frozen tasks and seeds; removed when these are done."""
    input:
        checked=f"{RESULTS}/corpora/{{corpus}}/checked.json",
        model=f"{RESULTS}/models/{{model}}.manifest.json",
    output:
        folder=temp(directory(f"{RESULTS}/states/{{model}}/{{corpus}}")),
        manifest=temp(f"{RESULTS}/states/{{model}}/{{corpus}}.manifest.json"),
    log:
        f"{RESULTS}/logs/store_states/{{model}}/{{corpus}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/store_states/{{model}}/{{corpus}}.tsv"
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
        code=code_fingerprint("property_neurons.tasks.stored_states"),
    message:
        "Hidden states of {wildcards.model} on {wildcards.corpus}"
    script:
        "../workflow/scripts/store_states.py"


rule train_task:
    """Train one task on one model, choose the best state on dev, run it on test once; a killed job resumes."""
    input:
        data=lambda wildcards: plan.paths.manifest(plan.tasks.data(CONFIG, wildcards.task)),
        model=f"{RESULTS}/models/{{model}}.manifest.json",
        states=lambda wildcards: [
            plan.paths.manifest(stem) for stem in plan.tasks.stored_states(CONFIG, wildcards.task, wildcards.model)
        ],
        # Named too, or it would be removed before it is read.
        stored=lambda wildcards: plan.tasks.stored_states(CONFIG, wildcards.task, wildcards.model),
        initial=lambda wildcards: plan.paths.manifest_if(
            plan.tasks.initial_head(CONFIG, wildcards.task, wildcards.model)
        ),
    output:
        folder=directory(f"{RESULTS}/tasks/{{task}}/{{model}}/seed{{seed}}"),
        manifest=f"{RESULTS}/tasks/{{task}}/{{model}}/seed{{seed}}.manifest.json",
    log:
        f"{RESULTS}/logs/train_task/{{task}}/{{model}}-seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/train_task/{{task}}/{{model}}-seed{{seed}}.tsv"
    wildcard_constraints:
        task=one_of(CONFIG.tasks),
        seed=r"\d+",
    conda:
        MODELS_ENVIRONMENT
    # One thread, the same bytes whatever --cores is; beside a GPU, processes that prepare batches.
    threads: 8 if CONFIG.device == "cuda" else 1
    resources:
        mem_mb=scaled(8000),
        # A retry goes on from the last checkpoint.
        runtime=1440,
        gpu=GPU,
    params:
        work=f"{RESULTS}/tasks/{{task}}/{{model}}/.seed{{seed}}.work",
        tensorboard=f"{RESULTS}/logs/tensorboard/{{task}}-{{model}}-seed{{seed}}",
        mode=lambda wildcards: CONFIG.tasks[wildcards.task].mode,
        settings=lambda wildcards: plan.tasks.settings(CONFIG, wildcards.task),
        code=code_fingerprint("property_neurons.tasks.train"),
    message:
        "Training {wildcards.task} on {wildcards.model}, seed {wildcards.seed}"
    script:
        "../workflow/scripts/train_task.py"


rule score_task:
    """The metric of one training on the test part, with its interval."""
    input:
        training=rules.train_task.output.manifest,
        data=lambda wildcards: plan.paths.manifest(plan.tasks.data(CONFIG, wildcards.task)),
    output:
        metrics=f"{RESULTS}/tasks/{{task}}/{{model}}/seed{{seed}}.metrics.json",
    log:
        f"{RESULTS}/logs/score_task/{{task}}/{{model}}-seed{{seed}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/score_task/{{task}}/{{model}}-seed{{seed}}.tsv"
    wildcard_constraints:
        task=one_of(CONFIG.tasks),
        seed=r"\d+",
    conda:
        MODELS_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=scaled(2000),
        runtime=scaled(20),
    params:
        code=code_fingerprint("property_neurons.tasks.metrics"),
    message:
        "Scoring {wildcards.task} on {wildcards.model}, seed {wildcards.seed}"
    script:
        "../workflow/scripts/score_task.py"
