"""The study as a graph: data, shadow models, attacks, calibration, agreement, tables and figures."""

from snakemake.utils import min_version

min_version("9.14")

if not workflow.overwrite_configfiles:

    configfile: "workflow_config.yaml"


include: "rules/common.smk"
include: "rules/shown.smk"


report: "rules/captions/study.rst"


pathvars:
    results=f"results/{study.study}",
    logs=f"results/{study.study}/logs",
    benchmarks=f"results/{study.study}/runtime",


wildcard_constraints:
    **WILDCARDS,


container: "envs/lira.sif"  # used with --sdm apptainer alone


include: "rules/data.smk"
include: "rules/shadows.smk"
include: "rules/attack.smk"
include: "rules/calibration.smk"
include: "rules/agreement.smk"
include: "rules/paper.smk"
include: "rules/verdict.smk"


localrules:
    all,
    tables,
    figures,
    report,


rule all:
    default_target: True
    input:
        table_pages,
        figure_pages,
    message:
        "All tables and figures of {study.study} are up to date"


include: "rules/report.smk"


onsuccess:
    print(
        *unfinished_runs(),
        f"Done. Tables: {RESULTS}/paper/tables, figures: {RESULTS}/paper/figures, one page of all: snakemake report",
        sep="\n",
    )


onerror:
    print(
        f"Stopped. What failed is said above and in {RESULTS}/logs; run the same command again to go on from here."
    )
