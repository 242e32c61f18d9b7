"""Binds the rules to the study: what they need to know of it, they ask lira.workflow and lira.pages."""

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from lira.core.errors import LiraError
from lira.cost import Rehearsals
from lira.pages import COMMANDS, Pages, rule_name
from lira.report.catalogue import SUFFIXES, entries
from lira.status import describe_stop
from lira.workflow import SO_FAR, Comparisons, Targets, option, read_plan

try:
    plan = read_plan(
        workflow.overwrite_configfiles,
        config,
        typed=workflow.config_settings.config,
        told=workflow.remote_exec,
        writes=workflow.is_main_process,
        source=workflow.basedir,
    )
    compared, pages, rehearsals = Comparisons(plan), Pages(plan), Rehearsals(plan)
    targets = Targets(plan)
    for line in plan.ask():
        logger.info(line)
    config |= {"description": pages.description(), "captions": pages.captions}
except LiraError as error:
    raise WorkflowError(str(error)) from None

study = plan.study
# Resources, not parameters: what only schedules is no reason to run a job again.
DEVICE = dict(device=rehearsals.device, jobs_per_gpu=study.jobs_per_gpu)


def growing(amount):
    """Memory or time that grows with every attempt of a job."""
    return lambda wildcards, attempt: amount * attempt


def files_shown(entry, name, caption="entry"):
    """The files of a table or figure; the report shows the last of them."""
    *others, shown = (
        f"<results>/{{scope}}paper/{entry.kind}/{name}{suffix}"
        for suffix in SUFFIXES[entry.kind]
    )
    place = dict(category=pages.category(entry.category), labels=pages.labels(entry))
    return [*others, report(shown, caption=f"captions/{caption}.rst", **place)]


def finished_pages(wildcards):
    """The tables and figures of the runs that are finished so far, and the audits by them."""
    return [
        *pages.pages("tables", SO_FAR),
        *pages.pages("figures", SO_FAR),
        *targets.pages(SO_FAR),
    ]
