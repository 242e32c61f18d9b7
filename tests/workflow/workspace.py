"""A folder in which tests run the smoke study."""

import subprocess

import yaml


class Workspace:
    """A folder with a study in it."""

    def __init__(self, root, folder, **changes):
        self.root, self.folder, self.study = root, folder, folder / "study.yaml"
        self.settings = yaml.safe_load((root / "studies" / "smoke.yaml").read_text())
        self.change(**changes)

    def change(self, **changes):
        self.settings |= changes
        self.study.write_text(yaml.safe_dump(self.settings))

    def command(self, *arguments):
        place = ["--snakefile", self.root / "Snakefile", "--directory", self.folder, "--configfile", self.study]
        return [str(part) for part in ("snakemake", *arguments, *place)]

    def run(self, *arguments):
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def planned(self):
        """Output files that a run would make, by rule."""
        summary = subprocess.run(self.command("--summary"), capture_output=True, text=True, check=True).stdout
        jobs = {}
        for line in summary.splitlines()[1:]:
            file, _, rule, *_, plan = line.split("\t")
            if plan == "update pending":
                jobs.setdefault(rule, []).append(file)
        return jobs

    def path(self, *parts):
        return self.folder.joinpath("results", "smoke", *parts)

    def tables(self):
        return {path.name: path.read_bytes() for path in sorted(self.path("paper", "tables").iterdir())}
