"""Calibration: thresholds that an attacker could choose, the rates they give, and what chance alone would give."""


rule calibrate_thresholds:
    input:
        scores="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/scores.h5",
        rates=plan.rates_spec,
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
        mem_mb=growing(4000),
        runtime=growing(30),
    message:
        "Calibrating {wildcards.dataset} {wildcards.architecture} {wildcards.regime}, seed {wildcards.seed}"
    shell:
        "lira calibrate-thresholds {input.scores:q} --rates {input.rates:q}"
        " --metrics {output.metrics:q} --samples {output.samples:q} > {log:q} 2>&1"


rule run_controls:
    input:
        shadows="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/shadows.h5",
        spec=plan.attacks_spec,
        rates=plan.rates_spec,
    output:
        controls="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/controls.csv",
        samples="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/null_samples.csv",
        gaps="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/null_gaps.csv",
        overlap="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/null_attack_overlap.csv",
    log:
        "<logs>/run_controls/{dataset}/{architecture}/{regime}/seed{seed}.log",
    benchmark:
        "<benchmarks>/run_controls/{dataset}/{architecture}/{regime}/seed{seed}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    message:
        "Running the controls of {wildcards.dataset} {wildcards.architecture} {wildcards.regime}, seed {wildcards.seed}"
    shell:
        "lira run-controls {input.shadows:q} --spec {input.spec:q} --rates {input.rates:q}"
        " --controls {output.controls:q} --samples {output.samples:q} --gaps {output.gaps:q}"
        " --overlap {output.overlap:q} > {log:q} 2>&1"


rule measure_overlap:
    input:
        scores="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/scores.h5",
        metrics="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/metrics.csv",
        null="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/null_attack_overlap.csv",
        rates=plan.rates_spec,
    output:
        "<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/attack_overlap.csv",
    log:
        "<logs>/measure_overlap/{dataset}/{architecture}/{regime}/seed{seed}.log",
    benchmark:
        "<benchmarks>/measure_overlap/{dataset}/{architecture}/{regime}/seed{seed}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(10),
    message:
        "Comparing the attacks on {wildcards.dataset} {wildcards.architecture} {wildcards.regime}, seed {wildcards.seed}"
    shell:
        "lira measure-overlap {input.scores:q} --metrics {input.metrics:q} --null {input.null:q}"
        " --rates {input.rates:q} --output {output:q} > {log:q} 2>&1"


rule calibrate_records:
    input:
        scores="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/scores.h5",
        metrics="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/metrics.csv",
        rates=plan.rates_spec,
    output:
        "<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/record_calibration.csv",
    log:
        "<logs>/calibrate_records/{dataset}/{architecture}/{regime}/seed{seed}.log",
    benchmark:
        "<benchmarks>/calibrate_records/{dataset}/{architecture}/{regime}/seed{seed}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(20),
    message:
        "Calibrating each record of {wildcards.dataset} {wildcards.architecture} {wildcards.regime}, seed {wildcards.seed}"
    shell:
        "lira calibrate-records {input.scores:q} --metrics {input.metrics:q} --rates {input.rates:q}"
        " --output {output:q} > {log:q} 2>&1"


rule measure_budgets:
    input:
        shadows="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/shadows.h5",
        metrics="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/metrics.csv",
        spec=plan.attacks_spec,
        rates=plan.rates_spec,
        budgets=plan.budgets_spec,
    output:
        "<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/budgets.csv",
    log:
        "<logs>/measure_budgets/{dataset}/{architecture}/{regime}/seed{seed}.log",
    benchmark:
        "<benchmarks>/measure_budgets/{dataset}/{architecture}/{regime}/seed{seed}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    message:
        "Attacking {wildcards.dataset} {wildcards.architecture} {wildcards.regime}, seed {wildcards.seed}, with fewer models"
    shell:
        "lira measure-budgets {input.shadows:q} --spec {input.spec:q} --rates {input.rates:q} --budgets {input.budgets:q}"
        " --metrics {input.metrics:q} --output {output:q} > {log:q} 2>&1"


rule summarise_rates:
    input:
        scores="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/scores.h5",
        metrics="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/metrics.csv",
        controls="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/controls.csv",
    output:
        "<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/summary.csv",
    log:
        "<logs>/summarise_rates/{dataset}/{architecture}/{regime}/seed{seed}.log",
    benchmark:
        "<benchmarks>/summarise_rates/{dataset}/{architecture}/{regime}/seed{seed}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    message:
        "Summarising {wildcards.dataset} {wildcards.architecture} {wildcards.regime}, seed {wildcards.seed}"
    shell:
        "lira summarise-rates {input.scores:q} --metrics {input.metrics:q} --controls {input.controls:q}"
        " --output {output:q} > {log:q} 2>&1"


rule measure_groups:
    input:
        scores="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/scores.h5",
        shadows="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/shadows.h5",
        metrics="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/metrics.csv",
        samples="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/samples.csv",
    output:
        "<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/groups.csv",
    log:
        "<logs>/measure_groups/{dataset}/{architecture}/{regime}/seed{seed}.log",
    benchmark:
        "<benchmarks>/measure_groups/{dataset}/{architecture}/{regime}/seed{seed}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(10),
    message:
        "Comparing the groups of {wildcards.dataset} {wildcards.architecture} {wildcards.regime}, seed {wildcards.seed}"
    shell:
        "lira measure-groups {input.scores:q} --metrics {input.metrics:q} --output {output:q} > {log:q} 2>&1"


rule bound_privacy:
    input:
        metrics="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/metrics.csv",
        controls="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/controls.csv",
        samples="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/samples.csv",
        null="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/null_samples.csv",
        spec=plan.privacy_spec,
    output:
        "<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/privacy.csv",
    log:
        "<logs>/bound_privacy/{dataset}/{architecture}/{regime}/seed{seed}.log",
    benchmark:
        "<benchmarks>/bound_privacy/{dataset}/{architecture}/{regime}/seed{seed}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        delta=study.delta,
    message:
        "Bounding ε of {wildcards.dataset} {wildcards.architecture} {wildcards.regime}, seed {wildcards.seed}"
    shell:
        "lira bound-privacy {input.metrics:q} --delta {params.delta:q} --output {output:q} > {log:q} 2>&1"
