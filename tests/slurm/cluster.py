"""A real SLURM of one node on loopback: its own munged, slurmctld and slurmd, with all files in one folder."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")

SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=2
SlurmdParameters=config_overrides
CompleteWait=0
KillWait=5
EnforcePartLimits=ALL
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
MinJobAge=3600
GresTypes=gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=32000 Gres=gpu:1 State=UNKNOWN
PartitionName=cpu Nodes={host} Default=YES MaxTime=INFINITE PreemptMode=OFF State=UP
PartitionName=gpu Nodes={host} MaxTime=1-00:00:00 PreemptMode=OFF State=UP
PartitionName=spot Nodes={host} State=UP
PartitionName=urgent Nodes={host} PriorityTier=2 PreemptMode=OFF State=UP
"""

SRUN = """\
#!/bin/sh
SLURM_CONF={folder}/slurm.conf; export SLURM_CONF
exec {srun} "$@"
"""
"""A job step starts srun without SLURM_CONF: on a cluster it is /etc/slurm/slurm.conf."""


class Cluster:
    """One node of 4 CPUs, 32 GB and one GPU, whatever the machine has.

    Jobs go to the partitions ``cpu`` and ``gpu``; those in ``spot`` make room for jobs in ``urgent``.
    """

    def __init__(self, folder: Path):
        self.folder, self.daemons = folder, {}
        host, user = socket.gethostname().split(".")[0], getpass.getuser()
        for name in ("bin", "state", "spool"):
            (folder / name).mkdir(parents=True)
        folder.chmod(0o755)
        (folder / "munge.key").write_bytes(os.urandom(1024))
        (folder / "munge.key").chmod(0o600)
        (folder / "slurm.conf").write_text(SLURM_CONF.format(folder=folder, host=host, user=user, ports=free_ports(2)))
        (folder / "gres.conf").write_text(f"NodeName={host} Name=gpu File=/dev/null\n")
        (folder / "bin" / "srun").write_text(SRUN.format(folder=folder, srun=shutil.which("srun")))
        (folder / "bin" / "srun").chmod(0o755)
        self.environment = os.environ | {
            "SLURM_CONF": str(folder / "slurm.conf"),
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        }

    def start(self):
        names = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munge.pid", "seed-file": "munge.seed"}
        files = [f"--{option}={self.folder / name}" for option, name in names.items()]
        self._daemon("munged", "--foreground", "--force", *files)
        self.start_controller()
        self._daemon("slurmd", "-D")
        self._wait("the node", lambda: self.call("sinfo", "-h", "-p", "gpu", "-o", "%T") == "idle")

    def start_controller(self):
        self._daemon("slurmctld", "-D")
        self._wait("slurmctld", lambda: "UP" in (self.call("scontrol", "ping", check=False)))

    def stop_controller(self):
        self._end("slurmctld")

    def stop(self):
        """Ends what :meth:`start` started, jobs first."""
        if "slurmctld" in self.daemons:
            self.call("scancel", "--full", "--user", getpass.getuser(), check=False)
            self._wait("the jobs' end", lambda: not self.call("squeue", "-h"))
        for name in ("slurmd", "slurmctld", "munged"):
            if name in self.daemons:
                self._end(name)

    def call(self, *command: str, check: bool = True) -> str:
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=check, timeout=60)
        return done.stdout.strip()

    def jobs(self) -> list[dict[str, str]]:
        """What the controller knows of every job, past ones too: the fields of ``scontrol show job``, in order.

        A job that ends, however it ends, is COMPLETING for a moment; this waits until its last state is known.
        """
        self._wait("the end of ending jobs", lambda: not self.call("squeue", "-h", "--states", "COMPLETING"))
        lines = self.call("scontrol", "show", "job", "-o").splitlines()
        found = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]
        return sorted((job for job in found if "JobId" in job), key=lambda job: int(job["JobId"]))

    def _daemon(self, name: str, *arguments: str):
        with (self.folder / f"{name}.log").open("a") as log:
            command = [shutil.which(name), *arguments]
            self.daemons[name] = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)

    def _end(self, name: str):
        process = self.daemons.pop(name)
        process.terminate()
        process.wait(60)

    def _wait(self, what: str, ready, seconds: float = 60):
        deadline = time.monotonic() + seconds
        while not ready():
            ended = [name for name, process in self.daemons.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                logs = "".join((self.folder / f"{name}.log").read_text()[-2000:] for name in ended or self.daemons)
                raise RuntimeError(f"waited in vain for {what}; {', '.join(ended)} ended:\n{logs}")
            time.sleep(0.1)


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
