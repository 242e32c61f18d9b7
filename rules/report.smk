"""One page with all tables and figures."""


rule report:
    input:
        rules.all.input,
    output:
        "<results>/report.html",
    log:
        "<logs>/report.log",
    conda:
        "../envs/analysis.yaml"
    message:
        "Writing {output}"
    shell:
        "snakemake all --report {output} > {log} 2>&1"
