"""What the rules ask of a study: its runs, their files and what jobs depend on; comparisons of runs; given models."""

from lira.workflow.comparisons import Comparisons
from lira.workflow.plan import SO_FAR, Files, Plan, any_of, option, read_plan, run_key
from lira.workflow.targets import Targets

__all__ = ["SO_FAR", "Comparisons", "Files", "Plan", "Targets", "any_of", "option", "read_plan", "run_key"]
