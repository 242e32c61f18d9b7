"""What the rules that audit given models ask: their files, and the runs whose shadow models attack them."""

from typing import Any

from lira.config.catalogue import AUDITED
from lira.storage.specs import states
from lira.workflow.plan import Files, Plan, option


class Targets:
    """The given models of a study.

    Args:
        plan: The study as its rules see it.

    Attributes:
        written: Files of an audit besides its page, with a wildcard.
    """

    def __init__(self, plan: Plan):
        self.plan, self.study = plan, plan.study
        self.written = [f"<results>/targets/{{target}}/{name}" for name in ("target.h5", *AUDITED)]

    def pages(self, scope: str = "") -> list[str]:
        """Returns the tables and page of each; in a scope, of those whose run is finished with every seed."""

        def finished(key: str) -> bool:
            every, there = (self.plan.chosen([key], every_seed=True, scope=of) for of in ("", scope))
            return there == every

        names = [name for name, target in self.study.targets.items() if finished(target.run)]
        return [f"{self.plan.results}/targets/{name}/{file}" for name in names for file in (*AUDITED, "audit.html")]

    def _key(self, wildcards: Any) -> tuple[str, int]:
        target = self.study.targets[wildcards.target]
        seed = self.study.seeds_of(target.run)[0] if target.seed is None else target.seed
        return target.run, seed

    def folder(self, wildcards: Any) -> str:
        """Returns the folder of the run whose shadow models attack it."""
        key, seed = self._key(wildcards)
        return f"{self.plan.results}/runs/{key}/seed{seed}"

    def shadows(self, wildcards: Any) -> str:
        """Returns the file of the shadow models."""
        return f"{self.folder(wildcards)}/shadows.h5"

    def scores(self, wildcards: Any) -> str:
        """Returns their scores as targets of each other."""
        return f"{self.folder(wildcards)}/scores.h5"

    def samples(self, wildcards: Any) -> list[str]:
        """Returns what every seed of the run's pool says of each record; nothing of models that never held one."""
        key, _ = self._key(wildcards)
        dataset = self.study.datasets.get(key.split("/")[0])
        if key in self.study.shown_runs and dataset is not None and dataset.draws_pool:
            return [f"{self.folder(wildcards)}/samples.csv"]
        return self.plan.files_of("samples.csv", [key] if key in self.study.shown_runs else [], every_seed=True)

    def predictions(self, wildcards: Any) -> str:
        """Returns the user's file with what it says of the pool."""
        return self.study.targets[wildcards.target].predictions

    def members(self, wildcards: Any) -> list[str]:
        """Returns the user's list of its members, if there is one."""
        return list(filter(None, [self.study.targets[wildcards.target].members]))

    def options(self, wildcards: Any) -> list[str]:
        """Returns its members, if they are known, what every seed says of each record, and δ, as options."""
        of_files = [*option("members", self.members(wildcards)), *option("samples", self.samples(wildcards))]
        return [*of_files, *option("delta", [self.study.delta])]

    @property
    def spec(self) -> Files:
        """The state of the user's files, the shadow models that attack it, and the seeds that are read."""

        def files(wildcards: Any) -> list[str]:
            return states([self.predictions(wildcards), *self.members(wildcards)])

        parts = {"files": files, "options": self.options}
        return self.plan.listing("targets/{w.target}", run=lambda wildcards: [self.folder(wildcards)], **parts)
