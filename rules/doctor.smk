"""What will not work, said before hours are spent: `snakemake -c1 doctor`, in the environment that models run in."""


localrules:
    doctor,


rule doctor:
    """Check packages, GPUs, corpora, checkpoints and disk space; makes nothing."""
    log:
        f"{RESULTS}/logs/doctor.log",
    # No benchmark: its file would be a product, and a doctor that has made one would not look again.
    conda:
        MODELS_ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    message:
        "Looking for what would not work"
    script:
        "../workflow/scripts/doctor.py"
