"""The studies that compare pruned models: Figures 6 and 9, results/tables/pruning.tsv.

What a study trains are ordinary models and tasks (config/expand_studies.py); here their scores come together.
"""


rule measure_speed:
    """Measure how much faster the pruned models of a study are than the unpruned one, and their operations."""
    input:
        reference=lambda wildcards: f"{RESULTS}/models/{STUDIES[wildcards.study].model}.manifest.json",
        models=lambda wildcards: plan.pruning.scored_models(CONFIG, wildcards.study),
    output:
        speed=f"{RESULTS}/pruning/{{study}}/speed.tsv",
    log:
        f"{RESULTS}/logs/measure_speed/{{study}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/measure_speed/{{study}}.tsv"
    conda:
        MODELS_ENVIRONMENT
    # The passes take one; the others keep jobs away that would disturb the clock.
    threads: 4
    resources:
        mem_mb=scaled(6000),
        runtime=scaled(120),
    params:
        code=code_fingerprint("property_neurons.pruning.speed"),
    message:
        "Timing the models of the pruning study {wildcards.study}"
    script:
        "../workflow/scripts/measure_speed.py"


rule collect_pruning:
    """All scores of a study in one table, and the differences between arms on the same test utterances."""
    input:
        trainings=lambda wildcards: plan.pruning.trainings(CONFIG, wildcards.study),
        metrics=lambda wildcards: plan.pruning.metrics(CONFIG, wildcards.study),
        models=lambda wildcards: plan.pruning.scored_models(CONFIG, wildcards.study),
        speed=rules.measure_speed.output.speed,
    output:
        runs=f"{RESULTS}/pruning/{{study}}/runs.tsv",
        comparisons=f"{RESULTS}/pruning/{{study}}/comparisons.tsv",
    log:
        f"{RESULTS}/logs/collect_pruning/{{study}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/collect_pruning/{{study}}.tsv"
    conda:
        MODELS_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(60),
    params:
        runs=lambda wildcards: [
            run.as_dict() | {"recovery": plan.pruning.recovery(CONFIG, wildcards.study, run.model)}
            for run in plan.pruning.runs(CONFIG, wildcards.study)
        ],
        calibration=lambda wildcards: plan.pruning.calibration_speech(CONFIG, wildcards.study),
        code=code_fingerprint("property_neurons.pruning.report"),
    message:
        "Collecting the runs of the pruning study {wildcards.study}"
    script:
        "../workflow/scripts/collect_pruning.py"


rule tabulate_pruning:
    """Neurons, parameters, size, speed and every metric of each arm, over its seeds."""
    input:
        runs=expand(f"{RESULTS}/pruning/{{study}}/runs.tsv", study=list(STUDIES)),
    output:
        table=f"{RESULTS}/tables/pruning.tsv",
    log:
        f"{RESULTS}/logs/tabulate_pruning.log",
    benchmark:
        f"{RESULTS}/benchmarks/tabulate_pruning.tsv"
    conda:
        MODELS_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=scaled(2000),
        runtime=scaled(20),
    params:
        code=code_fingerprint("property_neurons.pruning.report"),
    message:
        "Tabulating the pruning studies"
    script:
        "../workflow/scripts/tabulate_pruning.py"
