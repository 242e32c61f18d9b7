"""One page with all tables and figures, readable without a network."""


rule report:
    input:
        pages.pages("tables"),
        pages.pages("figures"),
        targets.pages(),
        spec=pages.study_spec,
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
        snakemake=[plan.python, "-m", "snakemake", "-s", workflow.main_snakefile],
        study=pages.study_json,
    message:
        "Writing {output.html}"
    shell:
        "(printf %s {params.study:q} > {output.study:q}"
        " && {params.snakemake:q} all --configfile {output.study:q} --nolock --report {output.html:q}) > {log:q} 2>&1"
