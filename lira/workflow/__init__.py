"""What the rules ask of a study: its runs, their files and what each job depends on; and which runs are compared."""

from lira.workflow.comparisons import Comparisons
from lira.workflow.plan import SO_FAR, Files, Plan, any_of, option, read_plan, run_key

__all__ = ["SO_FAR", "Comparisons", "Files", "Plan", "any_of", "option", "read_plan", "run_key"]
