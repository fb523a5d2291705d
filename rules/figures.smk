"""Figures 2, 3, 4, 5, 7 and 8: each as .pdf, .png and a .tsv of exactly what it draws (CPU)."""


rule draw_fig2:
    """Sorted activation probabilities of one phone."""
    input:
        counts=f"{RESULTS}/counts/{MODEL}/{CORPUS}/single_phone.manifest.json",
    output:
        figure=report(
            f"{RESULTS}/figures/fig2.pdf",
            caption="../resources/captions/fig2.rst",
            category="Activation patterns",
        ),
        others=multiext(f"{RESULTS}/figures/fig2", ".png", ".tsv"),
    log:
        f"{RESULTS}/logs/figures/fig2.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/fig2.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(20),
    params:
        phone=CONFIG.figures.probability_phone,
        code=figure_code("fig2"),
    message:
        "Drawing Figure 2"
    script:
        "../workflow/scripts/draw_fig2.py"


rule draw_fig3:
    """Activation patterns in the plane, each property at its best layer."""
    input:
        points=embeddings("points", [MODEL], PLANE_PROPERTIES),
        silhouettes=embeddings("silhouettes", [MODEL], PLANE_PROPERTIES),
    output:
        figure=report(
            f"{RESULTS}/figures/fig3.pdf",
            caption="../resources/captions/fig3.rst",
            category="Activation patterns",
        ),
        others=multiext(f"{RESULTS}/figures/fig3", ".png", ".tsv"),
    log:
        f"{RESULTS}/logs/figures/fig3.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/fig3.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(20),
    params:
        properties=PLANE_PROPERTIES,
        model=MODEL,
        corpus=CORPUS,
        code=figure_code("fig3"),
    message:
        "Drawing Figure 3"
    script:
        "../workflow/scripts/draw_fig3.py"


rule draw_fig4:
    """Silhouette by layer."""
    input:
        silhouettes=embeddings("silhouettes", drawn_models(), LAYER_PROPERTIES),
        published=PUBLISHED,
    output:
        figure=report(
            f"{RESULTS}/figures/fig4.pdf",
            caption="../resources/captions/fig4.rst",
            category="Activation patterns",
        ),
        others=multiext(f"{RESULTS}/figures/fig4", ".png", ".tsv"),
    log:
        f"{RESULTS}/logs/figures/fig4.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/fig4.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(20),
    params:
        properties=LAYER_PROPERTIES,
        models=drawn_models(),
        corpus=CORPUS,
        published=published_names([MODEL]),
        code=figure_code("fig4"),
    message:
        "Drawing Figure 4"
    script:
        "../workflow/scripts/draw_fig4.py"


rule draw_fig5:
    """Best layer of each model."""
    input:
        silhouettes=embeddings("silhouettes", compared_models(), PLANE_PROPERTIES),
        published=PUBLISHED,
    output:
        figure=report(
            f"{RESULTS}/figures/fig5.pdf",
            caption="../resources/captions/fig5.rst",
            category="Activation patterns",
        ),
        others=multiext(f"{RESULTS}/figures/fig5", ".png", ".tsv"),
    log:
        f"{RESULTS}/logs/figures/fig5.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/fig5.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(20),
    params:
        properties=PLANE_PROPERTIES,
        models=compared_models(),
        twins=[name for name in compared_models() if CONFIG.models[name].kind == "random_twin"],
        corpus=CORPUS,
        published=published_names(compared_models()),
        code=figure_code("fig5"),
    message:
        "Drawing Figure 5"
    script:
        "../workflow/scripts/draw_fig5.py"


rule draw_fig7:
    """Number of property neurons by layer."""
    input:
        summaries=neurons("summary.tsv", drawn_models(), LAYER_PROPERTIES),
        published=PUBLISHED,
    output:
        figure=report(
            f"{RESULTS}/figures/fig7.pdf",
            caption="../resources/captions/fig7.rst",
            category="Property neurons",
        ),
        others=multiext(f"{RESULTS}/figures/fig7", ".png", ".tsv"),
    log:
        f"{RESULTS}/logs/figures/fig7.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/fig7.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(20),
    params:
        properties=LAYER_PROPERTIES,
        models=drawn_models(),
        corpus=CORPUS,
        published=published_names([MODEL]),
        code=figure_code("fig7"),
    message:
        "Drawing Figure 7"
    script:
        "../workflow/scripts/draw_fig7.py"


rule draw_fig8:
    """Overlap of the property neurons of phone, gender and pitch in one layer."""
    input:
        neurons=neurons("parquet", [MODEL], PLANE_PROPERTIES),
        summaries=neurons("summary.tsv", [MODEL], PLANE_PROPERTIES),
        published=PUBLISHED,
    output:
        figure=report(
            f"{RESULTS}/figures/fig8.pdf",
            caption="../resources/captions/fig8.rst",
            category="Property neurons",
        ),
        others=multiext(f"{RESULTS}/figures/fig8", ".png", ".tsv"),
    log:
        f"{RESULTS}/logs/figures/fig8.log",
    benchmark:
        f"{RESULTS}/benchmarks/figures/fig8.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=scaled(4000),
        runtime=scaled(20),
    params:
        properties=PLANE_PROPERTIES,
        layer=CONFIG.figures.overlap_layer,
        model=MODEL,
        corpus=CORPUS,
        published=published_names([MODEL]),
        code=figure_code("fig8"),
    message:
        "Drawing Figure 8"
    script:
        "../workflow/scripts/draw_fig8.py"
