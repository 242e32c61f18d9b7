"""Agreement: whether runs flag the same samples and rank them alike."""


rule measure_agreement:
    input:
        reference=reference_files("samples.csv"),
        variants=variant_files("samples.csv"),
        shadows=compared_files("shadows.h5"),
    output:
        agreement="<results>/agreement/{dataset}/{architecture}/{regime}/agreement.csv",
        runs="<results>/agreement/{dataset}/{architecture}/{regime}/runs.json",
    log:
        "<logs>/measure_agreement/{dataset}/{architecture}/{regime}.log",
    benchmark:
        "<benchmarks>/measure_agreement/{dataset}/{architecture}/{regime}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        fprs=option("fpr", study.fprs),
        variants=lambda wildcards, input: option("variant", input.get("variants", [])),
        labels=lambda wildcards: option("label", variant_labels(wildcards)),
    message:
        "Comparing what the runs of {wildcards.dataset} {wildcards.architecture} {wildcards.regime} flag"
    shell:
        "lira measure-agreement {input.reference:q} {params.fprs:q} {params.variants:q} {params.labels:q}"
        " --output {output.agreement:q} > {log:q} 2>&1"


use rule measure_agreement as measure_null_agreement with:
    input:
        reference=reference_files("null_samples.csv"),
        variants=variant_files("null_samples.csv"),
        shadows=compared_files("shadows.h5"),
    output:
        agreement="<results>/agreement/{dataset}/{architecture}/{regime}/null_agreement.csv",
    log:
        "<logs>/measure_null_agreement/{dataset}/{architecture}/{regime}.log",
    benchmark:
        "<benchmarks>/measure_null_agreement/{dataset}/{architecture}/{regime}.tsv"
    message:
        "Comparing what chance flags in {wildcards.dataset} {wildcards.architecture} {wildcards.regime}"


rule measure_ranks:
    input:
        reference_files("scores.h5"),
    output:
        multiext(
            "<results>/agreement/{dataset}/{architecture}/{regime}/",
            "spearman.csv",
            "topq.csv",
            "topq_all.csv",
            "displacement.csv",
            "rank_bins.csv",
            "top1.csv",
        ),
    log:
        "<logs>/measure_ranks/{dataset}/{architecture}/{regime}.log",
    benchmark:
        "<benchmarks>/measure_ranks/{dataset}/{architecture}/{regime}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        folder=subpath(output[0], parent=True),
    message:
        "Comparing how the runs of {wildcards.dataset} {wildcards.architecture} {wildcards.regime} rank the samples"
    shell:
        "lira measure-ranks {input:q} --output {params.folder:q} > {log:q} 2>&1"
