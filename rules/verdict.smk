"""The verdict: published numbers against the study's own, the paper's claims, and what single runs and targets do."""


rule judge_study:
    input:
        runs=run_files("summary.csv"),
        shadows=run_files("shadows.h5"),
        agreement=agreement_files("agreement.csv"),
        sets=agreement_files("runs.json"),
        samples=agreement_run_files("samples.csv"),
        metrics=agreement_run_files("metrics.csv"),
        compared=agreement_run_files("shadows.h5"),
    output:
        verdict_files("Verdict"),
    log:
        "<logs>/judge_study.log",
    benchmark:
        "<benchmarks>/judge_study.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        folder=subpath(output[0], parent=True),
        margins=study.margins.model_dump_json(),
        agreement=lambda wildcards, input: option("agreement", input.agreement),
        note=note_of(every_seed=True),
    message:
        "Comparing with the published numbers, testing the paper's claims"
    shell:
        "lira judge-study {input.runs:q} {params.agreement:q} --margins {params.margins:q} {params.note:q}"
        " --output {params.folder:q} > {log:q} 2>&1"


use rule plot_loss_ratio as plot_outliers with:
    input:
        shown="<results>/agreement/{dataset}/{architecture}/{regime}/agreement.csv",
        runs="<results>/agreement/{dataset}/{architecture}/{regime}/runs.json",
        shadows=reference_files("shadows.h5"),
        scores=reference_files("scores.h5"),
        metrics=reference_files("metrics.csv"),
        samples=reference_files("samples.csv"),
    output:
        **figure_files("outliers-{dataset}-{architecture}-{regime}", "Verdict"),
    log:
        "<logs>/plot/outliers-{dataset}-{architecture}-{regime}.log",
    benchmark:
        "<benchmarks>/plot/outliers-{dataset}-{architecture}-{regime}.tsv"
    params:
        name="outliers",
        options=[],
