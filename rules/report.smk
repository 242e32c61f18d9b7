"""One page with all tables and figures, readable without a network.

The rule calls the Snakemake that runs it: an environment that conda activates has none.
"""

import sys


rule report:
    input:
        pages.pages("tables"),
        pages.pages("figures"),
        targets.pages(),
    output:
        html="<results>/report.html",
        study="<results>/study.json",
    log:
        "<logs>/report.log",
    conda:
        "../envs/analysis.yaml"
    container:
        None
    params:
        snakefile=workflow.main_snakefile,
        study=pages.study_json,
    message:
        "Writing {output.html}"
    shell:
        "(printf %s {params.study:q} > {output.study:q}"
        " && {sys.executable:q} -m snakemake all --snakefile {params.snakefile:q} --configfile {output.study:q}"
        " --nolock --report {output.html:q}) > {log:q} 2>&1"
