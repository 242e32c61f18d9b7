"""Attacks: every model is the target once, and the others are its shadow models."""


rule score_attacks:
    input:
        shadows="<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/shadows.h5",
        spec=plan.attacks_spec,
    output:
        "<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/scores.h5",
    log:
        "<logs>/score_attacks/{dataset}/{architecture}/{regime}/seed{seed}.log",
    benchmark:
        "<benchmarks>/score_attacks/{dataset}/{architecture}/{regime}/seed{seed}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    message:
        "Attacking {wildcards.dataset} {wildcards.architecture} {wildcards.regime}, seed {wildcards.seed}"
    shell:
        "lira score-attacks {input.shadows:q} --spec {input.spec:q} --output {output:q} > {log:q} 2>&1"
