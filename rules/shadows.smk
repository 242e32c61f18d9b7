"""Shadow models: they are trained and queried shard by shard, then gathered."""


rule pretrain_model:
    input:
        data=plan.public_file,
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
        runtime=growing(120),
        gpu=GPUS,
    params:
        settings=plan.pretraining_settings,
        device=DEVICE,
    message:
        "Pretraining {wildcards.architecture} on the public part of {wildcards.dataset}"
    shell:  # exec: a shell that is told to stop dies at once, and the job could end before lira has stored its work
        "exec lira pretrain-model --settings {params.settings:q} --data {input.data:q} {params.device:q} --output {output:q} > {log:q} 2>&1"


rule train_shadows:
    input:
        data=plan.data_file,
        pretrained=plan.pretrained_file,
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
        runtime=growing(240),
        gpu=GPUS,
    params:
        settings=plan.training_settings,
        run=plan.run_description,
        device=DEVICE,
        pretrained=plan.pretrained_option,
    message:
        "Training {wildcards.dataset} {wildcards.architecture} {wildcards.regime}, "
        "seed {wildcards.seed}: models {wildcards.first} to {wildcards.last}"
    shell:
        "exec lira train-shadows --settings {params.settings:q} --run {params.run:q} --data {input.data:q} {params.pretrained:q} {params.device:q}"
        " --first {wildcards.first:q} --last {wildcards.last:q} --output {output:q} > {log:q} 2>&1"


rule gather_shadows:
    input:
        shards=plan.shard_files,
        data=plan.data_file,
    output:
        "<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/shadows.h5",
    log:
        "<logs>/gather_shadows/{dataset}/{architecture}/{regime}/seed{seed}.log",
    benchmark:
        "<benchmarks>/gather_shadows/{dataset}/{architecture}/{regime}/seed{seed}.tsv"
    wildcard_constraints:
        dataset=plan.runs_are(imported=False),
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=growing(2000),
        runtime=growing(30),
    params:
        settings=plan.training_settings,
        run=plan.run_description,
    message:
        "Gathering {wildcards.dataset} {wildcards.architecture} {wildcards.regime}, seed {wildcards.seed}"
    shell:
        "lira gather-shadows {input.shards:q} --settings {params.settings:q} --run {params.run:q} --data {input.data:q}"
        " --output {output:q} > {log:q} 2>&1"


rule import_scores:
    input:
        scores=plan.scores_source,
        data=plan.data_file,
    output:
        "<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/shadows.h5",
    log:
        "<logs>/import_scores/{dataset}/{architecture}/{regime}/seed{seed}.log",
    benchmark:
        "<benchmarks>/import_scores/{dataset}/{architecture}/{regime}/seed{seed}.tsv"
    wildcard_constraints:
        dataset=plan.runs_are(imported=True),
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        mem_mb=growing(4000),
        runtime=growing(60),
    params:
        run=plan.run_description,
        recipe=plan.imported_recipe,
        data=plan.data_option,
    message:
        "Importing {wildcards.dataset} {wildcards.architecture} {wildcards.regime}, seed {wildcards.seed}"
    shell:
        "lira import-scores {input.scores:q} --run {params.run:q} --recipe {params.recipe:q} {params.data:q}"
        " --output {output:q} > {log:q} 2>&1"
