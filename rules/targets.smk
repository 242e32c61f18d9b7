"""Targets: given models, which all shadow models of a run attack."""


rule import_target:
    input:
        predictions=targets.predictions,
        members=targets.members,
        shadows=targets.shadows,
        spec=targets.spec,
    output:
        "<results>/targets/{target}/target.h5",
    log:
        "<logs>/import_target/{target}.log",
    benchmark:
        "<benchmarks>/import_target/{target}.tsv"
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(30),
    params:
        members=targets.members_option,
    message:
        "Importing the predictions of {wildcards.target}"
    shell:
        "lira import-target {input.predictions:q} --shadows {input.shadows:q} {params.members:q}"
        " --output {output:q} > {log:q} 2>&1"


rule audit_target:
    input:
        target="<results>/targets/{target}/target.h5",
        shadows=targets.shadows,
        scores=targets.scores,
        samples=targets.samples,
        seeds=targets.audit_spec,
        spec=plan.attacks_spec,
        rates=plan.rates_spec,
    output:
        multiext(
            "<results>/targets/{target}/",
            "summary.csv",
            "records.csv",
            "groups.csv",
            "audit.json",
        ),
    log:
        "<logs>/audit_target/{target}.log",
    benchmark:
        "<benchmarks>/audit_target/{target}.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        run=subpath(input.shadows, parent=True),
        folder=subpath(output[0], parent=True),
        samples=targets.samples_options,
    message:
        "Attacking {wildcards.target} with all shadow models"
    shell:
        "lira audit-target {input.target:q} --run {params.run:q} --spec {input.spec:q} --rates {input.rates:q}"
        " {params.samples:q} --output {params.folder:q} > {log:q} 2>&1"


rule show_audit:
    input:
        rules.audit_target.output,
    output:
        report(
            "<results>/targets/{target}/audit.html",
            caption="captions/audit.rst",
            category="0 Audits",
            labels={"model": "{target}"},
        ),
    log:
        "<logs>/show_audit/{target}.log",
    localrule: True
    conda:
        "../envs/analysis.yaml"
    threads: 1
    params:
        folder=subpath(input[0], parent=True),
    message:
        "Writing {output}"
    shell:
        "lira show-audit {params.folder:q} --output {output:q} > {log:q} 2>&1"
