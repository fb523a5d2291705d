"""What stays of neuron sets where something else is the same, and what they say on another corpus (CPU, no model)."""


wildcard_constraints:
    confound=one_of(plan.analysis.confound_names(CONFIG)),
    other=one_of(CONFIG.corpora),


rule count_strata:
    """Counts by unit of a property crossed with its confound, from the same ranks."""
    input:
        checked=rules.check_corpus.output.checked,
        frames=lambda wildcards: plan.corpora.frames(CONFIG, wildcards.corpus),
        ranks=lambda wildcards: plan.analysis.ranks(CONFIG, wildcards.model, wildcards.corpus),
        values=lambda wildcards: plan.analysis.frame_values(CONFIG, wildcards.corpus, wildcards.property),
        units=lambda wildcards: plan.analysis.units(CONFIG, wildcards.corpus, wildcards.property),
        confound=lambda wildcards: plan.analysis.frame_values(CONFIG, wildcards.corpus, wildcards.confound),
        columns=lambda wildcards: plan.analysis.columns(
            CONFIG, wildcards.corpus, wildcards.property, wildcards.confound
        ),
    output:
        store=directory(f"{RESULTS}/unit_counts/{{model}}/{{corpus}}/{{property}}.given_{{confound}}.zarr"),
        manifest=f"{RESULTS}/unit_counts/{{model}}/{{corpus}}/{{property}}.given_{{confound}}.manifest.json",
    log:
        f"{RESULTS}/logs/count_strata/{{model}}/{{corpus}}/{{property}}.given_{{confound}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/count_strata/{{model}}/{{corpus}}/{{property}}.given_{{confound}}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(6000),
        runtime=by_shards(60, 1.5),
    params:
        property=lambda wildcards: plan.analysis.property_settings(CONFIG, wildcards.property),
        strata=lambda wildcards: plan.analysis.strata_settings(CONFIG, wildcards.property, wildcards.confound),
        counting=plan.analysis.counting_settings(CONFIG),
        code=code_fingerprint(
            "property_neurons.counting.unit_counts",
            "property_neurons.counting.strata",
            "property_neurons.counting.job",
        ),
    message:
        "Counting {wildcards.property} activations of {wildcards.model} on {wildcards.corpus} by {wildcards.confound}"
    script:
        "../workflow/scripts/count_strata.py"


rule test_confound:
    """How many neurons are found again with a confound held fixed, and how many with meaningless strata."""
    input:
        units=rules.count_strata.output.manifest,
        neurons=rules.find_neurons.output.neurons,
    output:
        layers=f"{RESULTS}/neurons/{{model}}/{{corpus}}/{{property}}.given_{{confound}}.tsv",
        cells=f"{RESULTS}/neurons/{{model}}/{{corpus}}/{{property}}.given_{{confound}}.cells.tsv",
    log:
        f"{RESULTS}/logs/test_confound/{{model}}/{{corpus}}/{{property}}.given_{{confound}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/test_confound/{{model}}/{{corpus}}/{{property}}.given_{{confound}}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(60),
    params:
        definition=plan.analysis.set_definition(CONFIG),
        by_strata=lambda wildcards: plan.analysis.by_strata(CONFIG, wildcards.property, wildcards.confound),
        seed=CONFIG.statistics.seed,
        code=code_fingerprint("property_neurons.neurons.statistics.confounds"),
    message:
        "Finding {wildcards.property} neurons of {wildcards.model} on {wildcards.corpus} given {wildcards.confound}"
    script:
        "../workflow/scripts/test_confound.py"


rule test_other_corpus:
    """On request: test the neurons of one corpus on the speech of another."""
    input:
        neurons=rules.find_neurons.output.neurons,
        units=f"{RESULTS}/unit_counts/{{model}}/{{other}}/{{property}}.manifest.json",
    output:
        members=f"{RESULTS}/neurons/{{model}}/{{corpus}}/{{property}}.on_{{other}}.tsv",
        layers=f"{RESULTS}/neurons/{{model}}/{{corpus}}/{{property}}.on_{{other}}.layers.tsv",
    log:
        f"{RESULTS}/logs/test_other_corpus/{{model}}/{{corpus}}/{{property}}.on_{{other}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/test_other_corpus/{{model}}/{{corpus}}/{{property}}.on_{{other}}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(60),
    params:
        definition=plan.analysis.set_definition(CONFIG),
        code=code_fingerprint("property_neurons.neurons.statistics.other_corpus"),
    message:
        "Looking at the {wildcards.property} neurons of {wildcards.model} on {wildcards.corpus} in {wildcards.other}"
    script:
        "../workflow/scripts/test_other_corpus.py"
