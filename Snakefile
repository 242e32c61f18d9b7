"""The study as a graph: data, shadow models, attacks, calibration, agreement, tables and figures."""

from lira.core.screen import Screen

screen = Screen()  # first, as it says from here on what Ctrl-C stopped

from snakemake.utils import min_version

min_version("9.14")

if not workflow.overwrite_configfiles:

    configfile: "workflow_config.yaml"


include: "rules/common.smk"


report: "rules/captions/study.rst"


pathvars:
    results=plan.results,
    logs=f"{plan.results}/logs",
    benchmarks=f"{plan.results}/runtime",


wildcard_constraints:
    **plan.wildcards,


container: "envs/lira.sif"  # used with --sdm apptainer alone


include: "rules/data.smk"
include: "rules/shadows.smk"
include: "rules/attack.smk"
include: "rules/calibration.smk"
include: "rules/agreement.smk"
include: "rules/paper.smk"
include: "rules/targets.smk"


localrules:
    all,
    tables,
    figures,
    so_far,
    report,


rule all:
    default_target: True
    input:
        pages.pages("tables"),
        pages.pages("figures"),
        targets.pages(),
    message:
        "All tables and figures of {study.study} are up to date"


include: "rules/report.smk"


onstart:
    plan.write_manifest()
    plan.specs.accept()
    screen.watch(logger)


onsuccess:
    if not rehearsals.asked:
        print(*plan.closing_words(), sep="\n")


onerror:
    print(describe_stop(plan, screen.interrupted))
