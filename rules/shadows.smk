"""Shadow models: they are trained and queried shard by shard, then gathered."""


rule rehearse_models:
    input:
        spec=rehearsals.spec,
        data=rehearsals.data,
        weights=rehearsals.weights,
    output:
        "<results>/rehearsals/{name}.json",
    log:
        "<logs>/rehearse_models/{name}.log",
    benchmark:
        "<benchmarks>/rehearse_models/{name}.tsv"
    wildcard_constraints:
        name="[^/]+/[^/]+(/[^/]+)?",
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        **DEVICE,
        mem_mb=rehearsals.memory,
        runtime=growing(60),
        gpu=rehearsals.gpus,
    params:
        device=rehearsals.device,  # of another device it is another rehearsal
    message:
        "Rehearsing {wildcards.name}"
    shell:
        "lira rehearse-models {input.spec:q} --name {wildcards.name:q} --data {input.data:q} --output {output:q}"
        " --device {resources.device:q} --jobs-per-gpu {resources.jobs_per_gpu:q} > {log:q} 2>&1"


rule rehearse:
    input:
        rehearsals.files,
    log:
        "<logs>/rehearse.log",
    localrule: True
    conda:
        "../envs/gpu.yaml"
    params:
        models=option("models", rehearsals.models),
    message:
        "What the runs of {study.study} take"
    shell:
        "lira show-rehearsals {input:q} {params.models:q} 2>&1 | tee {log:q}"


rule pretrain_model:
    input:
        spec=plan.pretrained_spec,
        data=plan.public_file,
        weights=plan.weights_file,
    output:
        "<results>/pretrained/{dataset}/{architecture}.pt",
    log:
        "<logs>/pretrain_model/{dataset}/{architecture}.log",
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        **DEVICE,
        mem_mb=rehearsals.memory,
        runtime=rehearsals.minutes(120),
        gpu=rehearsals.gpus,
    params:
        runtime=plan.runtime_file("pretrain_model"),
    message:
        "Pretraining {wildcards.architecture} on the public part of {wildcards.dataset}"
    shell:  # exec: a shell that is told to stop dies at once, and the job could end before lira has stored its work
        "exec lira pretrain-model {input.spec:q} --data {input.data:q} --output {output:q}"
        " --device {resources.device:q} --jobs-per-gpu {resources.jobs_per_gpu:q}"
        " --log {log:q} --runtime {params.runtime:q} > {log:q} 2>&1"


rule train_shadows:
    input:
        spec=plan.run_spec,
        data=plan.data_file,
        pretrained=plan.pretrained_file,
        weights=plan.weights_file,
    output:  # the models lie beside it: Snakemake deletes a job's outputs before the job, and these are GPU-weeks
        "<results>/runs/{dataset}/{architecture}/{regime}/seed{seed}/shards/{first}-{last}.json",
    log:
        "<logs>/train_shadows/{dataset}/{architecture}/{regime}/seed{seed}/{first}-{last}.log",
    conda:
        "../envs/gpu.yaml"
    threads: 1
    resources:
        **DEVICE,
        mem_mb=rehearsals.memory,
        runtime=rehearsals.minutes(240),
        gpu=rehearsals.gpus,
    params:
        pretrained=plan.pretrained_option,
        runtime=plan.runtime_file("train_shadows"),
    message:
        "Training {wildcards.dataset} {wildcards.architecture} {wildcards.regime}, "
        "seed {wildcards.seed}: models {wildcards.first} to {wildcards.last}"
    shell:
        "exec lira train-shadows {input.spec:q} --seed {wildcards.seed:q} --data {input.data:q} {params.pretrained:q}"
        " --first {wildcards.first:q} --last {wildcards.last:q} --output {output:q}"
        " --device {resources.device:q} --jobs-per-gpu {resources.jobs_per_gpu:q}"
        " --log {log:q} --runtime {params.runtime:q} > {log:q} 2>&1"


rule gather_shadows:
    input:
        receipts=plan.receipts,
        spec=plan.run_spec,
        data=plan.data_file,
        pretrained=plan.pretrained_file,
        weights=plan.weights_file,
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
        pretrained=plan.pretrained_option,
    message:
        "Gathering {wildcards.dataset} {wildcards.architecture} {wildcards.regime}, seed {wildcards.seed}"
    shell:
        "lira gather-shadows {input.receipts:q} --spec {input.spec:q} --seed {wildcards.seed:q} --data {input.data:q}"
        " {params.pretrained:q} --output {output:q} > {log:q} 2>&1"


rule import_scores:
    input:
        scores=plan.scores_files,
        state=plan.scores_spec,
        spec=plan.run_spec,
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
        scores=plan.scores_source,
        data=plan.data_option,
    message:
        "Importing {wildcards.dataset} {wildcards.architecture} {wildcards.regime}, seed {wildcards.seed}"
    shell:
        "lira import-scores {params.scores:q} --spec {input.spec:q} --seed {wildcards.seed:q} {params.data:q}"
        " --output {output:q} > {log:q} 2>&1"
