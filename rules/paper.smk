"""Tables and figures, with one rule for each entry of the catalogue; and the verdict on the paper, which one job writes."""

for entry in entries():
    files = files_shown(entry, pages.pattern(entry))

    rule:
        name:
            rule_name(entry)
        input:
            **pages.inputs(entry),
        output:
            made=files[0],
            others=files[1:],
        log:
            f"<logs>/{{scope}}{COMMANDS[entry.kind]}/{pages.pattern(entry)}.log",
        benchmark:
            f"<benchmarks>/{{scope}}{COMMANDS[entry.kind]}/{pages.pattern(entry)}.tsv"
        # It takes seconds on small tables, less than submitting a job.
        localrule: not entry.reads_scores
        conda:
            "../envs/analysis.yaml"
        threads: 1
        resources:
            mem_mb=growing(4000),
            runtime=growing(30),
        params:
            command=COMMANDS[entry.kind],
            name=entry.name,
            options=pages.options(entry),
        message:
            f"{entry.heading} ({{output.made}})"
        shell:
            "lira {params.command:q} {params.name:q} {params.options:q} {input.shown:q} --output {output.made:q} > {log:q} 2>&1"


rule judge_study:
    input:
        **pages.judged(),
    output:
        *(
            file
            for entry in pages.judged_entries
            for file in files_shown(entry, entry.name, entry.name.split("-")[0])
        ),
    log:
        "<logs>/{scope}judge_study.log",
    benchmark:
        "<benchmarks>/{scope}judge_study.tsv"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        folder=subpath(output[0], parent=True),
        options=pages.judged_options,
    message:
        "Comparing with the published numbers and testing the paper's claims"
    shell:
        "lira judge-study {input.runs:q} {params.options:q} --output {params.folder:q} > {log:q} 2>&1"


rule tables:
    input:
        pages.pages("tables"),


rule figures:
    input:
        pages.pages("figures"),


rule so_far:
    input:
        finished_pages,
