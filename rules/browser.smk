"""The neuron browser (docs/browser.md): how strongly neurons are active, and pages that show and let one hear it."""


rule store_activations:
    """The value of every neuron in every frame of some minutes of speech, by a second pass of the model."""
    input:
        checked=rules.check_corpus.output.checked,
        # What is read of a shard changes when its audio does.
        shard=f"{RESULTS}/corpora/{{corpus}}/shards/{{shard}}.tsv",
        model=f"{RESULTS}/models/{{model}}.manifest.json",
    output:
        store=directory(f"{RESULTS}/activations/{{model}}/{{corpus}}/{{shard}}.zarr"),
        manifest=f"{RESULTS}/activations/{{model}}/{{corpus}}/{{shard}}.manifest.json",
    log:
        f"{RESULTS}/logs/store_activations/{{model}}/{{corpus}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/store_activations/{{model}}/{{corpus}}/{{shard}}.tsv"
    conda:
        MODELS_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(120),
        gpu=GPU,
    params:
        root=lambda wildcards: plan.corpora.root(CONFIG, wildcards.corpus),
        minutes=CONFIG.browser.minutes,
        code=code_fingerprint(
            "property_neurons.activations.choice",
            "property_neurons.activations.extraction",
            "property_neurons.models.loading",
        ),
    message:
        "Keeping activation values of {wildcards.model} on {wildcards.corpus}/{wildcards.shard}"
    script:
        "../workflow/scripts/store_activations.py"


rule tabulate_browser:
    """What each neuron reacts to, and examples of it: the public data of the browser."""
    input:
        checked=rules.check_corpus.output.checked,
        model=f"{RESULTS}/models/{{model}}.manifest.json",
        frames=lambda wildcards: plan.corpora.frames(CONFIG, wildcards.corpus),
        columns=lambda wildcards: plan.analysis.columns(CONFIG, wildcards.corpus, *plan.browser.shown(CONFIG)),
        ranks=lambda wildcards: plan.analysis.ranks(CONFIG, wildcards.model, wildcards.corpus),
        values=lambda wildcards: [
            manifest for made in plan.browser.values(CONFIG, wildcards.corpus).values() for manifest in made
        ],
        activations=lambda wildcards: plan.browser.activations(CONFIG, wildcards.model, wildcards.corpus),
        counts=expand(
            f"{RESULTS}/counts/{{{{model}}}}/{{{{corpus}}}}/{{property}}.manifest.json",
            property=plan.browser.shown(CONFIG),
        ),
        neurons=expand(
            f"{RESULTS}/neurons/{{{{model}}}}/{{{{corpus}}}}/{{property}}.parquet", property=plan.browser.shown(CONFIG)
        ),
        derived=lambda wildcards: plan.browser.derived(CONFIG, wildcards.model),
    output:
        neurons=f"{RESULTS}/browser/{{model}}/{{corpus}}/neurons.parquet",
        examples=f"{RESULTS}/browser/{{model}}/{{corpus}}/examples.parquet",
    log:
        f"{RESULTS}/logs/tabulate_browser/{{model}}/{{corpus}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/tabulate_browser/{{model}}/{{corpus}}.tsv"
    conda:
        MODELS_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=scaled(12000),
        runtime=scaled(240),
    params:
        properties=plan.browser.properties(CONFIG),
        sampling=plan.browser.sampling(CONFIG),
        choice=plan.browser.choice(CONFIG),
        # In the order of the input `values`, as many for each as there are shards.
        with_values=lambda wildcards: list(plan.browser.values(CONFIG, wildcards.corpus)),
        with_columns=lambda wildcards: plan.browser.with_columns(CONFIG, wildcards.corpus),
        code=code_fingerprint("property_neurons.browser.tables", "property_neurons.browser.table_inputs"),
    message:
        "Looking at the neurons of {wildcards.model} on {wildcards.corpus}"
    script:
        "../workflow/scripts/tabulate_browser.py"


rule make_browser:
    """The pages: open index.html by a double click."""
    input:
        checked=rules.check_corpus.output.checked,
        model=f"{RESULTS}/models/{{model}}.manifest.json",
        frames=lambda wildcards: plan.corpora.frames(CONFIG, wildcards.corpus),
        neurons=rules.tabulate_browser.output.neurons,
        examples=rules.tabulate_browser.output.examples,
        null=expand(
            f"{RESULTS}/neurons/{{{{model}}}}/{{{{corpus}}}}/{{property}}.null.tsv",
            property=plan.browser.shown(CONFIG),
        ),
        stability=expand(
            f"{RESULTS}/neurons/{{{{model}}}}/{{{{corpus}}}}/{{property}}.stability.tsv",
            property=plan.browser.shown(CONFIG),
        ),
        summary=expand(
            f"{RESULTS}/neurons/{{{{model}}}}/{{{{corpus}}}}/{{property}}.summary.tsv",
            property=plan.browser.shown(CONFIG),
        ),
        cells=expand(
            f"{RESULTS}/neurons/{{{{model}}}}/{{{{corpus}}}}/{{property}}.{plan.analysis.cells_of_sets(CONFIG)}.tsv",
            property=plan.browser.shown(CONFIG),
        ),
        points=expand(
            f"{RESULTS}/embeddings/{{{{model}}}}/{{{{corpus}}}}/{{property}}.points.tsv",
            property=plan.browser.planes(CONFIG),
        ),
        silhouettes=expand(
            f"{RESULTS}/embeddings/{{{{model}}}}/{{{{corpus}}}}/{{property}}.silhouettes.tsv",
            property=plan.browser.planes(CONFIG),
        ),
        erasures=lambda wildcards: plan.browser.erasures(CONFIG, wildcards.model),
    output:
        index=f"{RESULTS}/browser/{{model}}/{{corpus}}/index.html",
        pages=report(
            directory(f"{RESULTS}/browser/{{model}}/{{corpus}}/pages"),
            caption="../resources/captions/browser.rst",
            category="Neuron browser",
            htmlindex="index.html",
            labels={"model": "{model}", "corpus": "{corpus}"},
        ),
    log:
        f"{RESULTS}/logs/make_browser/{{model}}/{{corpus}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/make_browser/{{model}}/{{corpus}}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(60),
    params:
        root=lambda wildcards: plan.corpora.root(CONFIG, wildcards.corpus),
        properties=plan.browser.shown(CONFIG),
        planes=plan.browser.planes(CONFIG),
        settings=plan.browser.settings(CONFIG),
        lambda_=CONFIG.analysis.lambda_,
        audio=CONFIG.browser.audio,
        limits=plan.browser.limits(CONFIG),
        licence=lambda wildcards: plan.browser.licence(CONFIG, wildcards.corpus),
        assets=plan.browser.assets(),
        code=code_fingerprint("property_neurons.browser.pages", "property_neurons.browser.page_inputs"),
    message:
        "Making the neuron browser of {wildcards.model} on {wildcards.corpus}"
    script:
        "../workflow/scripts/make_browser.py"
