"""Calibration: thresholds an attacker could choose, and the rates they give."""


rule calibrate_thresholds:
    input:
        "<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/scores.h5",
    output:
        metrics="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/metrics.csv",
        samples="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/samples.csv",
    log:
        "<logs>/calibrate_thresholds/{dataset}/{architecture}/{regime}/seed{seed}.log",
    benchmark:
        "<benchmarks>/calibrate_thresholds/{dataset}/{architecture}/{regime}/seed{seed}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        fprs=option("fpr", study.fprs),
        priors=option("prior", study.priors),
    message:
        "Calibrating {wildcards.dataset} {wildcards.architecture} {wildcards.regime}, seed {wildcards.seed}"
    shell:
        "lira calibrate-thresholds {input} {params.fprs} {params.priors}"
        " --metrics {output.metrics} --samples {output.samples} > {log} 2>&1"
