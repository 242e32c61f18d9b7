"""One page with all tables and figures, readable without a network."""


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
        study=pages.study_json,
    message:
        "Writing {output.html}"
    shell:
        "(printf %s {params.study:q} > {output.study:q}"
        " && {plan.python:q} -m snakemake all --snakefile {workflow.main_snakefile:q}"
        " --configfile {output.study:q} --nolock --report {output.html:q}) > {log:q} 2>&1"
