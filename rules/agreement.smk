"""Agreement: whether runs flag the same samples and rank them alike."""


rule measure_agreement:
    input:
        reference=compared.reference_files("samples.csv"),
        variants=compared.variant_files("samples.csv"),
        shadows=compared.files("shadows.h5"),
        spec=compared.spec,
    output:
        agreement="<results>/{scope}agreement/{dataset}/{architecture}/{regime}/agreement.csv",
        runs="<results>/{scope}agreement/{dataset}/{architecture}/{regime}/runs.json",
    log:
        "<logs>/{scope}measure_agreement/{dataset}/{architecture}/{regime}.log",
    benchmark:
        "<benchmarks>/{scope}measure_agreement/{dataset}/{architecture}/{regime}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        fprs=option("fpr", study.fprs),
        supports=option("support", study.support),
        variants=compared.variant_options("samples.csv"),
    message:
        "Comparing what the runs of {wildcards.dataset} {wildcards.architecture} {wildcards.regime} flag"
    shell:
        "lira measure-agreement {input.reference:q} {params.fprs:q} {params.supports:q} {params.variants:q}"
        " --output {output.agreement:q} > {log:q} 2>&1"


use rule measure_agreement as measure_null_agreement with:
    input:
        reference=compared.reference_files("null_samples.csv"),
        variants=compared.variant_files("null_samples.csv"),
        shadows=compared.files("shadows.h5"),
        spec=compared.spec,
    output:
        agreement="<results>/{scope}agreement/{dataset}/{architecture}/{regime}/null_agreement.csv",
    log:
        "<logs>/{scope}measure_null_agreement/{dataset}/{architecture}/{regime}.log",
    benchmark:
        "<benchmarks>/{scope}measure_null_agreement/{dataset}/{architecture}/{regime}.tsv"
    params:
        fprs=option("fpr", study.fprs),
        supports=option("support", study.support),
        variants=compared.variant_options("null_samples.csv"),
    message:
        "Comparing what chance flags in {wildcards.dataset} {wildcards.architecture} {wildcards.regime}"


rule measure_ranks:
    input:
        scores=compared.reference_files("scores.h5"),
        spec=compared.ranked_spec,
    output:
        multiext(
            "<results>/{scope}agreement/{dataset}/{architecture}/{regime}/",
            "spearman.csv",
            "topq.csv",
            "topq_all.csv",
            "displacement.csv",
            "rank_bins.csv",
            "top1.csv",
        ),
    log:
        "<logs>/{scope}measure_ranks/{dataset}/{architecture}/{regime}.log",
    benchmark:
        "<benchmarks>/{scope}measure_ranks/{dataset}/{architecture}/{regime}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        folder=subpath(output[0], parent=True),
        attacks=option("attack", study.vulnerability or []),
        samples=option("samples", study.ranked),
    message:
        "Comparing how the runs of {wildcards.dataset} {wildcards.architecture} {wildcards.regime} rank the samples"
    shell:
        "lira measure-ranks {input.scores:q} {params.attacks:q} {params.samples:q} --output {params.folder:q}"
        " > {log:q} 2>&1"
