"""Targets: given models, which all shadow models of a run attack."""


rule audit_target:
    input:
        predictions=targets.predictions,
        members=targets.members,
        shadows=targets.shadows,
        scores=targets.scores,
        samples=targets.samples,
        asked=targets.spec,
        spec=plan.attacks_spec,
        rates=plan.rates_spec,
    output:
        *targets.written,
        page=report(
            "<results>/targets/{target}/audit.html",
            caption="captions/audit.rst",
            category=pages.category("Audits"),
            labels={"model": "{target}"},
        ),
    log:
        "<logs>/audit_target/{target}.log",
    benchmark:
        "<benchmarks>/audit_target/{target}.tsv"
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        run=subpath(input.shadows, parent=True),
        folder=subpath(output.page, parent=True),
        options=targets.options,
    message:
        "Attacking {wildcards.target} with all shadow models"
    shell:
        "lira audit {input.predictions:q} --run {params.run:q} --spec {input.spec:q} --rates {input.rates:q}"
        " {params.options:q} --output {params.folder:q} > {log:q} 2>&1"
