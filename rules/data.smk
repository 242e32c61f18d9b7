"""Datasets: raw files are found or downloaded, then prepared once per view, with split, statistics and checksum."""


rule download_data:
    input:
        plan.raw_source,
    output:
        "<results>/data/{dataset}.json",
    log:
        "<logs>/download_data/{dataset}.log",
    benchmark:
        "<benchmarks>/download_data/{dataset}.tsv"
    localrule: True
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        settings=plan.raw_settings,
    message:
        "Looking for the raw files of {wildcards.dataset}"
    shell:
        "lira download-data --settings {params.settings:q} --output {output:q} > {log:q} 2>&1"


rule prepare_data:
    input:
        spec=plan.data_spec,
        raw=plan.raw_files,
        state=plan.raw_spec,
    output:
        "<results>/data/{dataset}-{view}.h5",
    log:
        "<logs>/prepare_data/{dataset}-{view}.log",
    benchmark:
        "<benchmarks>/prepare_data/{dataset}-{view}.tsv"
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    message:
        "Preparing {wildcards.dataset}"
    shell:
        "lira prepare-data {input.spec:q} --output {output:q} > {log:q} 2>&1"
