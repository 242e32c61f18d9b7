"""A user's network that says where its job ran, and waits while a file called ``hold`` is there.

It waits once its job has some finished work to lose: a cohort kept beside its shard.
"""

import json
import os
import subprocess
import sys
import time
from math import prod
from pathlib import Path

from torch import nn


def network(shape, classes, dropout):
    record()
    shard = sys.argv[sys.argv.index("--output") + 1]
    while Path("hold").exists() and list(Path(f"{shard}.parts").glob("[0-9]*.h5")):
        time.sleep(0.1)
    return nn.Sequential(nn.Flatten(), nn.Linear(prod(shape), classes))


def record():
    job = os.environ.get("SLURM_JOB_ID")
    if job and not Path(f"seen/{job}.json").exists():
        described = subprocess.run(["scontrol", "show", "job", "-o", job], capture_output=True, text=True, check=True)
        fields = dict(word.split("=", 1) for word in described.stdout.split() if "=" in word)
        Path("seen").mkdir(exist_ok=True)
        beside = Path(f"seen/.{job}")
        beside.write_text(json.dumps({"scontrol": fields, "environment": dict(os.environ)}))
        beside.replace(f"seen/{job}.json")
