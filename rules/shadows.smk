"""Shadow models: trained and queried shard by shard, then gathered."""


rule pretrain_model:
    input:
        data=public_file,
    output:
        "<results>/pretrained/{dataset}/{architecture}.pt",
    log:
        "<logs>/pretrain_model/{dataset}/{architecture}.log",
    benchmark:
        "<benchmarks>/pretrain_model/{dataset}/{architecture}.tsv"
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=training_memory,
        runtime=lambda wildcards, attempt: 120 * attempt,
        gpu=GPUS,
    params:
        settings=pretraining_settings,
        device=DEVICE,
    message:
        "Pretraining {wildcards.architecture} on the public part of {wildcards.dataset}"
    shell:  # exec: a shell told to stop dies at once, and the job may end before lira has stored its work
        "exec lira pretrain-model --settings {params.settings:q} --data {input.data:q} {params.device:q} --output {output:q} > {log:q} 2>&1"


rule train_shadows:
    input:
        data=data_file,
        pretrained=pretrained_file,
    output:
        "<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/shards/{first}-{last}.h5",
    log:
        "<logs>/train_shadows/{dataset}/{architecture}/{regime}/seed{seed}/{first}-{last}.log",
    benchmark:
        "<benchmarks>/train_shadows/{dataset}/{architecture}/{regime}/seed{seed}/{first}-{last}.tsv"
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=training_memory,
        runtime=lambda wildcards, attempt: 240 * attempt,
        gpu=GPUS,
    params:
        settings=training_settings,
        run=run_description,
        device=DEVICE,
        pretrained=lambda wildcards, input: option(
            "pretrained", input.get("pretrained", [])
        ),
    message:
        "Training {wildcards.dataset} {wildcards.architecture} {wildcards.regime}, "
        "seed {wildcards.seed}: models {wildcards.first} to {wildcards.last}"
    shell:
        "exec lira train-shadows --settings {params.settings:q} --run {params.run:q} --data {input.data:q} {params.pretrained:q} {params.device:q}"
        " --first {wildcards.first:q} --last {wildcards.last:q} --output {output:q} > {log:q} 2>&1"


rule gather_shadows:
    input:
        shards=shard_files,
        data=data_file,
    output:
        "<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/shadows.h5",
    log:
        "<logs>/gather_shadows/{dataset}/{architecture}/{regime}/seed{seed}.log",
    benchmark:
        "<benchmarks>/gather_shadows/{dataset}/{architecture}/{regime}/seed{seed}.tsv"
    wildcard_constraints:
        dataset=f"(?!(?:{any_of(IMPORTED)})/seed)(?:{WILDCARDS['dataset']})",
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    params:
        settings=training_settings,
        run=run_description,
    message:
        "Gathering {wildcards.dataset} {wildcards.architecture} {wildcards.regime}, seed {wildcards.seed}"
    shell:
        "lira gather-shadows {input.shards:q} --settings {params.settings:q} --run {params.run:q} --data {input.data:q}"
        " --output {output:q} > {log:q} 2>&1"


rule import_scores:
    input:
        scores=scores_source,
        data=data_file,
    output:
        "<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/shadows.h5",
    log:
        "<logs>/import_scores/{dataset}/{architecture}/{regime}/seed{seed}.log",
    benchmark:
        "<benchmarks>/import_scores/{dataset}/{architecture}/{regime}/seed{seed}.tsv"
    wildcard_constraints:
        dataset=f"(?=(?:{any_of(IMPORTED)})/seed)(?:{WILDCARDS['dataset']})",
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        run=run_description,
        recipe=imported_recipe,
        data=lambda wildcards, input: option("data", input.get("data", [])),
    message:
        "Importing {wildcards.dataset} {wildcards.architecture} {wildcards.regime}, seed {wildcards.seed}"
    shell:
        "lira import-scores {input.scores:q} --run {params.run:q} --recipe {params.recipe:q} {params.data:q}"
        " --output {output:q} > {log:q} 2>&1"
