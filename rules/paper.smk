"""The paper's tables and figures: each one module of lira/report/tables or lira/report/figures, shown from the runs' results."""


# Seconds on small tables, less than a cluster job costs. Figures that read the scores of many runs are not among them.
localrules:
    tabulate_benchmarks,
    tabulate_utility,
    tabulate_optimistic,
    tabulate_calibrated,
    tabulate_robustness,
    tabulate_ablation,
    tabulate_transfer,
    tabulate_rank_agreement,
    tabulate_provenance,
    plot_loss_ratio,
    plot_thresholds,
    plot_agreement,
    plot_support,
    plot_displacement,
    plot_rank_bins,
    plot_top1,
    plot_top_vulnerable,
    plot_records,


rule tabulate_benchmarks:
    input:
        shown=run_files("shadows.h5", every_seed=True),
    output:
        **table_files("benchmarks", "Study"),
    log:
        "<logs>/tabulate/benchmarks.log",
    benchmark:
        "<benchmarks>/tabulate/benchmarks.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        name="benchmarks",
        options=note_of(every_seed=True),
    message:
        "Table {params.name}"
    shell:
        "lira tabulate {params.name:q} {params.options:q} {input.shown:q} --output {output.csv:q} > {log:q} 2>&1"


use rule tabulate_benchmarks as tabulate_utility with:
    input:
        shown=run_files("shadows.h5", BENCHMARKS),
    output:
        **table_files("utility", "Utility"),
    log:
        "<logs>/tabulate/utility.log",
    benchmark:
        "<benchmarks>/tabulate/utility.tsv"
    params:
        name="utility",
        options=note_of(BENCHMARKS),


use rule tabulate_benchmarks as tabulate_optimistic with:
    input:
        shown=run_files("summary.csv", BENCHMARKS),
        shadows=run_files("shadows.h5", BENCHMARKS),
    output:
        **table_files("optimistic", "Attacks"),
    log:
        "<logs>/tabulate/optimistic.log",
    benchmark:
        "<benchmarks>/tabulate/optimistic.tsv"
    params:
        name="optimistic",
        options=note_of(BENCHMARKS),


use rule tabulate_benchmarks as tabulate_calibrated with:
    input:
        shown=run_files("summary.csv", BENCHMARKS),
        shadows=run_files("shadows.h5", BENCHMARKS),
    output:
        **table_files("calibrated-fpr{fpr}", "Calibration"),
    log:
        "<logs>/tabulate/calibrated-fpr{fpr}.log",
    benchmark:
        "<benchmarks>/tabulate/calibrated-fpr{fpr}.tsv"
    params:
        name="calibrated",
        options=fpr_and_note,


use rule tabulate_benchmarks as tabulate_robustness with:
    input:
        shown=run_files("summary.csv", BENCHMARKS),
        shadows=run_files("shadows.h5", BENCHMARKS),
    output:
        **table_files("robustness-fpr{fpr}", "Calibration"),
    log:
        "<logs>/tabulate/robustness-fpr{fpr}.log",
    benchmark:
        "<benchmarks>/tabulate/robustness-fpr{fpr}.tsv"
    params:
        name="robustness",
        options=fpr_and_note,


use rule tabulate_benchmarks as tabulate_ablation with:
    input:
        shown=run_files("summary.csv", study.ablation),
        shadows=run_files("shadows.h5", study.ablation),
    output:
        **table_files("ablation", "Attacks"),
    log:
        "<logs>/tabulate/ablation.log",
    benchmark:
        "<benchmarks>/tabulate/ablation.tsv"
    params:
        name="ablation",
        options=note_of(study.ablation),


use rule tabulate_benchmarks as tabulate_transfer with:
    input:
        shown=run_files("summary.csv", study.transfer),
        shadows=run_files("shadows.h5", study.transfer),
    output:
        **table_files("transfer", "Attacks"),
    log:
        "<logs>/tabulate/transfer.log",
    benchmark:
        "<benchmarks>/tabulate/transfer.tsv"
    params:
        name="transfer",
        options=note_of(study.transfer),


use rule tabulate_benchmarks as tabulate_rank_agreement with:
    input:
        shown="<results>/agreement/{dataset}/{architecture}/{regime}/agreement.csv",
        null="<results>/agreement/{dataset}/{architecture}/{regime}/null_agreement.csv",
        runs="<results>/agreement/{dataset}/{architecture}/{regime}/runs.json",
        shadows=compared_files("shadows.h5"),
        metrics=reference_files("metrics.csv"),
        topq="<results>/agreement/{dataset}/{architecture}/{regime}/topq.csv",
    output:
        **table_files("rank_agreement-{dataset}-{architecture}-{regime}", "Agreement"),
    log:
        "<logs>/tabulate/rank_agreement-{dataset}-{architecture}-{regime}.log",
    benchmark:
        "<benchmarks>/tabulate/rank_agreement-{dataset}-{architecture}-{regime}.tsv"
    params:
        name="rank_agreement",
        options=lambda wildcards: note_of([run_key(wildcards)], every_seed=True)(
            wildcards
        ),


use rule tabulate_benchmarks as tabulate_provenance with:
    input:
        shown=run_files("shadows.h5", every_seed=True),
    output:
        **table_files("provenance", "Provenance"),
    log:
        "<logs>/tabulate/provenance.log",
    benchmark:
        "<benchmarks>/tabulate/provenance.tsv"
    params:
        name="provenance",
        options=note_of(every_seed=True),


rule plot_loss_ratio:
    input:
        shown=run_files("summary.csv"),
        shadows=run_files("shadows.h5"),
    output:
        **figure_files("loss_ratio", "Utility"),
    log:
        "<logs>/plot/loss_ratio.log",
    benchmark:
        "<benchmarks>/plot/loss_ratio.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        name="loss_ratio",
        options=[],
    message:
        "Figure {params.name}"
    shell:
        "lira plot {params.name:q} {params.options:q} {input.shown:q} --output {output.pdf:q} > {log:q} 2>&1"


use rule plot_loss_ratio as plot_roc with:
    input:
        shown=run_files("scores.h5", BENCHMARKS),
        shadows=run_files("shadows.h5", BENCHMARKS),
    output:
        **figure_files("roc", "Attacks"),
    log:
        "<logs>/plot/roc.log",
    benchmark:
        "<benchmarks>/plot/roc.tsv"
    params:
        name="roc",
        options=[],


use rule plot_loss_ratio as plot_in_out with:
    input:
        shown=regime_files("scores.h5"),
        shadows=regime_files("shadows.h5"),
        data=pictures_file,
    output:
        **figure_files("in_out-{dataset}-{architecture}", "Attacks"),
    log:
        "<logs>/plot/in_out-{dataset}-{architecture}.log",
    benchmark:
        "<benchmarks>/plot/in_out-{dataset}-{architecture}.tsv"
    params:
        name="in_out",
        options=lambda wildcards: [
            "--sample",
            study.sample,
            *option("data", pictures_file(wildcards)),
        ],


use rule plot_loss_ratio as plot_thresholds with:
    input:
        shown=reference_files("metrics.csv"),
        shadows=reference_files("shadows.h5"),
    output:
        **figure_files("thresholds-{dataset}-{architecture}-{regime}", "Calibration"),
    log:
        "<logs>/plot/thresholds-{dataset}-{architecture}-{regime}.log",
    benchmark:
        "<benchmarks>/plot/thresholds-{dataset}-{architecture}-{regime}.tsv"
    params:
        name="thresholds",
        options=[],


use rule plot_loss_ratio as plot_agreement with:
    input:
        shown="<results>/agreement/{dataset}/{architecture}/{regime}/agreement.csv",
        null="<results>/agreement/{dataset}/{architecture}/{regime}/null_agreement.csv",
        runs="<results>/agreement/{dataset}/{architecture}/{regime}/runs.json",
        shadows=compared_files("shadows.h5"),
        metrics=reference_files("metrics.csv"),
    output:
        **figure_files("agreement-{dataset}-{architecture}-{regime}", "Agreement"),
    log:
        "<logs>/plot/agreement-{dataset}-{architecture}-{regime}.log",
    benchmark:
        "<benchmarks>/plot/agreement-{dataset}-{architecture}-{regime}.tsv"
    params:
        name="agreement",
        options=[],


use rule plot_loss_ratio as plot_support with:
    input:
        shown="<results>/agreement/{dataset}/{architecture}/{regime}/agreement.csv",
        null="<results>/agreement/{dataset}/{architecture}/{regime}/null_agreement.csv",
        runs="<results>/agreement/{dataset}/{architecture}/{regime}/runs.json",
        shadows=compared_files("shadows.h5"),
        metrics=reference_files("metrics.csv"),
    output:
        **figure_files(
            "support-{dataset}-{architecture}-{regime}-fpr{fpr}", "Agreement"
        ),
    log:
        "<logs>/plot/support-{dataset}-{architecture}-{regime}-fpr{fpr}.log",
    benchmark:
        "<benchmarks>/plot/support-{dataset}-{architecture}-{regime}-fpr{fpr}.tsv"
    params:
        name="support",
        options=["--fpr", "{fpr}"],


use rule plot_loss_ratio as plot_displacement with:
    input:
        shown="<results>/agreement/{dataset}/{architecture}/{regime}/displacement.csv",
        runs="<results>/agreement/{dataset}/{architecture}/{regime}/runs.json",
        shadows=compared_files("shadows.h5"),
        metrics=reference_files("metrics.csv"),
    output:
        **figure_files("displacement-{dataset}-{architecture}-{regime}", "Agreement"),
    log:
        "<logs>/plot/displacement-{dataset}-{architecture}-{regime}.log",
    benchmark:
        "<benchmarks>/plot/displacement-{dataset}-{architecture}-{regime}.tsv"
    params:
        name="displacement",
        options=[],


use rule plot_loss_ratio as plot_rank_bins with:
    input:
        shown="<results>/agreement/{dataset}/{architecture}/{regime}/rank_bins.csv",
        null=reference_files("null_gaps.csv"),
        runs="<results>/agreement/{dataset}/{architecture}/{regime}/runs.json",
        shadows=compared_files("shadows.h5"),
        metrics=reference_files("metrics.csv"),
    output:
        **figure_files("rank_bins-{dataset}-{architecture}-{regime}", "Agreement"),
    log:
        "<logs>/plot/rank_bins-{dataset}-{architecture}-{regime}.log",
    benchmark:
        "<benchmarks>/plot/rank_bins-{dataset}-{architecture}-{regime}.tsv"
    params:
        name="rank_bins",
        options=[],


use rule plot_loss_ratio as plot_top1 with:
    input:
        shown="<results>/agreement/{dataset}/{architecture}/{regime}/top1.csv",
        null=reference_files("null_gaps.csv"),
        runs="<results>/agreement/{dataset}/{architecture}/{regime}/runs.json",
        shadows=compared_files("shadows.h5"),
        metrics=reference_files("metrics.csv"),
        data=pictures_file,
    output:
        **figure_files("top1-{dataset}-{architecture}-{regime}", "Agreement"),
    log:
        "<logs>/plot/top1-{dataset}-{architecture}-{regime}.log",
    benchmark:
        "<benchmarks>/plot/top1-{dataset}-{architecture}-{regime}.tsv"
    params:
        name="top1",
        options=lambda wildcards: option("data", pictures_file(wildcards)),


use rule plot_loss_ratio as plot_top_vulnerable with:
    input:
        shown="<results>/agreement/{dataset}/{architecture}/{regime}/agreement.csv",
        runs="<results>/agreement/{dataset}/{architecture}/{regime}/runs.json",
        shadows=compared_files("shadows.h5"),
        metrics=reference_files("metrics.csv"),
        samples=reference_files("samples.csv"),
        variants=variant_files("samples.csv"),
        data=pictures_file,
    output:
        **figure_files(
            "top_vulnerable-{dataset}-{architecture}-{regime}-fpr{fpr}", "Agreement"
        ),
    log:
        "<logs>/plot/top_vulnerable-{dataset}-{architecture}-{regime}-fpr{fpr}.log",
    benchmark:
        "<benchmarks>/plot/top_vulnerable-{dataset}-{architecture}-{regime}-fpr{fpr}.tsv"
    params:
        name="top_vulnerable",
        options=lambda wildcards: [
            "--fpr",
            wildcards.fpr,
            *option("data", pictures_file(wildcards)),
        ],


use rule plot_loss_ratio as plot_records with:
    input:
        shown=compared_files("samples.csv"),
        shadows=compared_files("shadows.h5"),
        metrics=compared_files("metrics.csv"),
        data=samples_file,
    output:
        **figure_files("records-{dataset}-{architecture}-{regime}", "Records"),
    log:
        "<logs>/plot/records-{dataset}-{architecture}-{regime}.log",
    benchmark:
        "<benchmarks>/plot/records-{dataset}-{architecture}-{regime}.tsv"
    params:
        name="records",
        options=lambda wildcards: option("data", samples_file(wildcards)),


rule tables:
    input:
        table_pages,


rule figures:
    input:
        figure_pages,
