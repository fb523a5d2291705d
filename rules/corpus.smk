"""Corpora: audio, alignments and pitch in; utterance tables, reports and frame stores out (CPU).

A subset is scanned once, in full: every utterance refused is named in the report with a code. The check that
follows applies the config's policy, and everything downstream waits for it. Shards are cut by a hash of the
utterance id. After one more utterance the jobs of all shards of its subset start, but those whose speech is the same
take back what they made before (`cache/take_or_make.py`): F0 and ranks are made for one shard. One more subset starts
none.
"""


rule make_demo_corpus:
    """Synthetic speech by eSpeak NG in LibriSpeech's layout, with the synthesiser's own phone times."""
    input:
        sentences=plan.paths.shipped("resources/demo/sentences.txt"),
    output:
        source=directory(f"{RESULTS}/corpora/{{corpus}}/source"),
        manifest=f"{RESULTS}/corpora/{{corpus}}/source.manifest.json",
    log:
        f"{RESULTS}/logs/make_demo_corpus/{{corpus}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/make_demo_corpus/{{corpus}}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(1000),
        runtime=scaled(30),
    params:
        voices=lambda wildcards: CONFIG.corpora[wildcards.corpus].voices,
        minutes=lambda wildcards: CONFIG.corpora[wildcards.corpus].minutes,
        seed=lambda wildcards: CONFIG.corpora[wildcards.corpus].seed,
        code=code_fingerprint("property_neurons.corpus.demo"),
    message:
        "Synthesising the demo corpus {wildcards.corpus} ({params.voices} voices, {params.minutes} minutes)"
    script:
        "../workflow/scripts/make_demo_corpus.py"


rule align_subset:
    """Phone alignments by PocketSphinx for a subset that has transcripts only."""
    output:
        alignments=directory(f"{RESULTS}/corpora/{{corpus}}/alignments/{{subset}}"),
        manifest=f"{RESULTS}/corpora/{{corpus}}/alignments/{{subset}}.manifest.json",
        report=f"{RESULTS}/corpora/{{corpus}}/alignments/{{subset}}.report.tsv",
    log:
        f"{RESULTS}/logs/align_subset/{{corpus}}/{{subset}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/align_subset/{{corpus}}/{{subset}}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 8
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(720),
    params:
        root=lambda wildcards: plan.corpora.source_root(CONFIG, wildcards.corpus),
        code=code_fingerprint("property_neurons.corpus.forced_alignment"),
    message:
        "Aligning {wildcards.corpus}/{wildcards.subset} with PocketSphinx"
    script:
        "../workflow/scripts/align_subset.py"


# One rule per subset, because a rule's number of outputs is fixed and each subset has its own number of shards.
for corpus_name in CONFIG.corpora:
    for subset_name, subset_section in plan.corpora.subsets(CONFIG, corpus_name).items():

        rule:
            name:
                f"scan_{corpus_name}.{subset_name}"
            input:
                plan.corpora.scan_inputs(CONFIG, corpus_name, subset_name),
                # A change of a column that the scan does not read runs no model: `scanned` says what it reads.
                tables=ancient(plan.corpora.scanned_tables(CONFIG, corpus_name)),
            output:
                utterances=f"{RESULTS}/corpora/{corpus_name}/subsets/{subset_name}/utterances.parquet",
                segments=f"{RESULTS}/corpora/{corpus_name}/subsets/{subset_name}/segments.parquet",
                report=f"{RESULTS}/corpora/{corpus_name}/subsets/{subset_name}/report.tsv",
                manifest=f"{RESULTS}/corpora/{corpus_name}/subsets/{subset_name}/tables.manifest.json",
                shards=[
                    f"{RESULTS}/corpora/{corpus_name}/shards/{shard}.tsv"
                    for shard in shard_names(subset_name, subset_section.shards)
                ],
                audio=[directory(folder) for folder in plan.corpora.audio_copies(CONFIG, corpus_name, subset_name)],
            log:
                f"{RESULTS}/logs/scan/{corpus_name}/{subset_name}.log",
            benchmark:
                f"{RESULTS}/benchmarks/scan/{corpus_name}/{subset_name}.tsv"
            conda:
                "../envs/analysis.yaml"
            threads: 4
            resources:
                mem_mb=scaled(4000),
                runtime=scaled(240),
            params:
                corpus=corpus_name,
                subset=subset_name,
                kind=CONFIG.corpora[corpus_name].kind,
                source=plan.corpora.scan_source(CONFIG, corpus_name, subset_name),
                aligned=plan.corpora.own_alignments(CONFIG, corpus_name, subset_name),
                n_shards=subset_section.shards,
                scanned=lambda wildcards, corpus=corpus_name: plan.corpora.scanned_digest(CONFIG, corpus),
                files=lambda wildcards, corpus=corpus_name, subset=subset_name: plan.own_files.states(
                    plan.corpora.own_files(CONFIG, corpus, subset)
                ),
                code=code_fingerprint("property_neurons.corpus.scan", "property_neurons.corpus.sources"),
            message:
                f"Reading and checking every utterance of {corpus_name}/{subset_name}"
            script:
                "../workflow/scripts/scan_subset.py"


rule assemble_corpus:
    """One utterance table and one report for a corpus."""
    input:
        manifests=lambda wildcards: [
            f"{RESULTS}/corpora/{wildcards.corpus}/subsets/{subset}/tables.manifest.json"
            for subset in plan.corpora.subsets(CONFIG, wildcards.corpus)
        ],
    output:
        utterances=f"{RESULTS}/corpora/{{corpus}}/utterances.parquet",
        report=f"{RESULTS}/corpora/{{corpus}}/report.tsv",
        duplicates=f"{RESULTS}/corpora/{{corpus}}/duplicates.tsv",
    log:
        f"{RESULTS}/logs/assemble_corpus/{{corpus}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/assemble_corpus/{{corpus}}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(30),
    params:
        # An id of two subsets counts in the first; Snakemake compares inputs without their order.
        subsets=lambda wildcards: list(plan.corpora.subsets(CONFIG, wildcards.corpus)),
        code=code_fingerprint("property_neurons.corpus.assemble"),
    message:
        "Joining the tables and reports of {wildcards.corpus}"
    script:
        "../workflow/scripts/assemble_corpus.py"


rule read_columns:
    """What the user's tables say of each utterance beside what the scan reads, judged by `on_bad_utterance`."""
    input:
        utterances=rules.assemble_corpus.output.utterances,
        report=rules.assemble_corpus.output.report,
        scans=lambda wildcards: [
            f"{RESULTS}/corpora/{wildcards.corpus}/subsets/{subset}/tables.manifest.json"
            for subset in plan.corpora.subsets(CONFIG, wildcards.corpus)
        ],
        tables=lambda wildcards: plan.corpora.tables(CONFIG, wildcards.corpus),
    output:
        columns=f"{RESULTS}/corpora/{{corpus}}/columns.parquet",
        report=f"{RESULTS}/corpora/{{corpus}}/columns.report.tsv",
    log:
        f"{RESULTS}/logs/read_columns/{{corpus}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/read_columns/{{corpus}}.tsv"
    wildcard_constraints:
        corpus=one_of([corpus for corpus in CONFIG.corpora if plan.corpora.tables(CONFIG, corpus)]),
    # No model waits for it, or models would run again after a typing error. Yet it stops before one has begun.
    priority: 10
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(30),
    params:
        tables=lambda wildcards: plan.corpora.table_settings(CONFIG, wildcards.corpus),
        scanned=lambda wildcards: plan.corpora.scanned_digest(CONFIG, wildcards.corpus),
        policy=lambda wildcards: CONFIG.corpora[wildcards.corpus].on_bad_utterance,
        max_skipped_share=lambda wildcards: CONFIG.corpora[wildcards.corpus].max_skipped_share,
        code=code_fingerprint("property_neurons.corpus.table_columns", "property_neurons.corpus.check"),
    message:
        "Reading the columns of the tables of {wildcards.corpus}"
    script:
        "../workflow/scripts/read_columns.py"


rule check_corpus:
    """Apply `on_bad_utterance`: stop with all troubles of the corpus at once, or go on without those utterances."""
    input:
        utterances=rules.assemble_corpus.output.utterances,
        report=rules.assemble_corpus.output.report,
    output:
        checked=f"{RESULTS}/corpora/{{corpus}}/checked.json",
    log:
        f"{RESULTS}/logs/check_corpus/{{corpus}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/check_corpus/{{corpus}}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(2000),
        runtime=scaled(10),
    params:
        policy=lambda wildcards: CONFIG.corpora[wildcards.corpus].on_bad_utterance,
        max_skipped_share=lambda wildcards: CONFIG.corpora[wildcards.corpus].max_skipped_share,
        code=code_fingerprint("property_neurons.corpus.check"),
    message:
        "Checking {wildcards.corpus}"
    script:
        "../workflow/scripts/check_corpus.py"


rule build_frames:
    """The frame store of one shard: phone, segment and F0 of every 20 ms."""
    input:
        # The gate changes when any subset does; the frames of this shard do not.
        checked=ancient(CHECKED),
        tables=lambda wildcards: (
            f"{RESULTS}/corpora/{wildcards.corpus}/subsets/{subset_of(wildcards.shard)}/tables.manifest.json"
        ),
        shard=f"{RESULTS}/corpora/{{corpus}}/shards/{{shard}}.tsv",
        # Classes may change where no label does.
        phones=lambda wildcards: plan.corpora.phone_table_files(CONFIG, wildcards.corpus),
        pitch=lambda wildcards: plan.corpora.pitch_files(CONFIG, wildcards.corpus, subset_of(wildcards.shard)),
    output:
        store=directory(f"{RESULTS}/corpora/{{corpus}}/frames/{{shard}}.zarr"),
        manifest=f"{RESULTS}/corpora/{{corpus}}/frames/{{shard}}.manifest.json",
    log:
        f"{RESULTS}/logs/build_frames/{{corpus}}/{{shard}}.log",
    benchmark:
        f"{RESULTS}/benchmarks/build_frames/{{corpus}}/{{shard}}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(2000),
        runtime=scaled(120),
    params:
        root=lambda wildcards: plan.corpora.root(CONFIG, wildcards.corpus),
        pitch=lambda wildcards: plan.corpora.pitch_settings(CONFIG, wildcards.corpus, subset_of(wildcards.shard)),
        phones=lambda wildcards: plan.corpora.phones(CONFIG, wildcards.corpus),
        files=lambda wildcards: plan.own_files.states(
            [
                *plan.corpora.phone_table_files(CONFIG, wildcards.corpus),
                *plan.corpora.pitch_files(CONFIG, wildcards.corpus, subset_of(wildcards.shard)),
            ]
        ),
        code=code_fingerprint("property_neurons.corpus.build_frames"),
    message:
        "Labelling frames and tracking F0 of {wildcards.corpus}/{wildcards.shard}"
    script:
        "../workflow/scripts/build_frames.py"
