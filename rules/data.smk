"""Datasets: each prepared once, with its split, statistics and checksum."""


rule prepare_data:
    output:
        "<results>/data/{dataset}-{view}.h5",
    log:
        "<logs>/prepare_data/{dataset}-{view}.log",
    benchmark:
        "<benchmarks>/prepare_data/{dataset}-{view}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        settings=dataset_settings,
    message:
        "Preparing {wildcards.dataset}"
    shell:
        "lira prepare-data --settings {params.settings:q} --output {output} > {log} 2>&1"
