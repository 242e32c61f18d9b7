"""A user's network that says where its job ran, and waits while a file called ``hold`` is there.

It waits once its job has some finished work to lose: a cohort of its models. While a file called ``slow`` is
there each batch of training takes two seconds. The file ``batches`` gets a dot for each. The first batch of a process
is that of the trial before training.
"""

import json
import os
import subprocess
import sys
import time
from math import prod
from pathlib import Path

import torch
from torch import nn


def network(shape, classes, dropout):
    record()
    folder, first = Path(sys.argv[sys.argv.index("--output") + 1]).parent, sys.argv[sys.argv.index("--first") + 1]
    while Path("hold").exists() and list(folder.glob(f"{first}-{first}.*.h5")):
        time.sleep(0.1)
    return nn.Sequential(Slow(), nn.Flatten(), nn.Linear(prod(shape), classes))


BATCH = 16
STEPS = []


class Slow(nn.Module):
    def forward(self, x):
        if torch.is_grad_enabled() and len(x) == BATCH:
            if STEPS:
                with open("batches", "a") as batches:
                    batches.write(".")
                time.sleep(2 * Path("slow").exists())
            STEPS.append(x.shape)
        return x


def record():
    job = os.environ.get("SLURM_JOB_ID")
    if job and not Path(f"seen/{job}.json").exists():
        described = subprocess.run(["scontrol", "show", "job", "-o", job], capture_output=True, text=True, check=True)
        fields = dict(word.split("=", 1) for word in described.stdout.split() if "=" in word)
        Path("seen").mkdir(exist_ok=True)
        beside = Path(f"seen/.{job}")
        beside.write_text(json.dumps({"scontrol": fields, "environment": dict(os.environ)}))
        beside.replace(f"seen/{job}.json")
