"""What the rules that compare runs ask: the runs of each comparison, and their files."""

from typing import Any

from lira.workflow.plan import Files, Plan, option, run_key


class Comparisons:
    """The comparisons of runs of a study: seeds of a reference run, and the first seed of each of its variants.

    Args:
        plan: The study as its rules see it.
    """

    def __init__(self, plan: Plan):
        self.plan, self.study = plan, plan.study

    def references(self, scope: str = "") -> list[str]:
        """The reference runs that are compared: those with two seeds or more, the first among them."""
        there = {key: self.plan.chosen([key], every_seed=True, scope=scope) for key in self.study.agreement}
        return [key for key, runs in there.items() if len(runs) > 1 and self.plan.chosen([key], scope=scope)]

    def reference_files(self, name: str) -> Files:
        """A file of every seed of a comparison's reference run."""
        return lambda wildcards: self.plan.files_of(name, [run_key(wildcards)], every_seed=True, scope=wildcards.scope)

    def variant_files(self, name: str) -> Files:
        """A file of the first seed of each of a comparison's variants."""
        agreement, files_of = self.study.agreement, self.plan.files_of
        return lambda wildcards: files_of(name, agreement[run_key(wildcards)], scope=wildcards.scope)

    def files(self, name: str) -> Files:
        """A file of every run of a comparison."""
        return lambda wildcards: self.files_of(name, run_key(wildcards), wildcards.scope)

    def files_of(self, name: str, key: str, scope: str = "") -> list[str]:
        """A file of every seed of a reference run, and of the first seed of each of its variants."""
        reference = self.plan.files_of(name, [key], every_seed=True, scope=scope)
        return [*reference, *self.plan.files_of(name, self.study.agreement[key], scope=scope)]

    def variant_options(self, name: str) -> Files:
        """The file of each variant, and its name, as options."""
        files = self.variant_files(name)

        def words(wildcards: Any) -> list[str]:
            chosen = self.plan.chosen(self.study.agreement[run_key(wildcards)], scope=wildcards.scope)
            return [
                *option("variant", files(wildcards)),
                *option("label", [self.study.label(key) for key, _ in chosen]),
            ]

        return words

    @property
    def spec(self) -> Files:
        """Which runs a comparison is of, with their names."""
        parts = {"reference": self.reference_files("samples.csv"), "variants": self.variant_options("samples.csv")}
        return self.plan.listing("{w.scope}agreement/{w.dataset}/{w.architecture}/{w.regime}", **parts)

    @property
    def ranked_spec(self) -> Files:
        """Which runs are ranked, by which attacks and on which samples."""
        parts: dict[str, Files] = {"reference": self.reference_files("scores.h5")}
        parts["samples"] = lambda _: option("samples", self.study.ranked)
        if self.study.vulnerability:
            parts["by"] = lambda _: option("attack", self.study.vulnerability or [])
        return self.plan.listing("{w.scope}ranks/{w.dataset}/{w.architecture}/{w.regime}", **parts)
