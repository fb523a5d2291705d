"""What all stages share: the validated config, and what rules ask of machines."""

import os
import re
import shlex
import sys
from itertools import chain

# A clone works without being installed, also in the environments of --sdm conda and on cluster nodes.
sys.path.insert(0, str(HERE / "src"))
os.environ.update(PYTHONPATH=os.pathsep.join(filter(None, [str(HERE / "src"), os.environ.get("PYTHONPATH")])))

if shlex.quote(sys.executable) != sys.executable:
    # Snakemake writes the path of its Python into shell commands without quotes, where a blank or a quote breaks it
    # (snakemake issues 85, 2981, 3235): there the same Python is found by its name.
    os.environ.update(PATH=os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", os.defpath)]))
    sys.executable = "python"

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from property_neurons import plan
from property_neurons.config.load import check_written, load_config
from property_neurons.corpus.shard_names import shard_names, subset_of
from property_neurons.errors import ConfigError, StoreError, printable, printable_lines
from property_neurons.jobs.fingerprint import forget_planned
from property_neurons.jobs.fingerprint import planned_fingerprint as code_fingerprint

if workflow.is_main_process:
    forget_planned()

try:
    check_written(workflow.configfiles)
    CONFIG = load_config(config, ", ".join(map(str, workflow.configfiles)) or "the configuration")
except (ConfigError, StoreError) as error:
    raise WorkflowError(printable_lines(error)) from None

if others := plan.other_sources.made_from_others(CONFIG):
    # Or what was made from another source would count as up to date.
    lines = [f"{other.key}: expected {other.expected}; found {other.found}. Please {other.remedy}." for other in others]
    raise WorkflowError(printable_lines("\n".join(lines)))

for line in plan.sources.missing(CONFIG):
    logger.warning(printable(f"Missing, so targets that need it cannot be made. {line}"))
if CONFIG.cache and not os.path.isdir(CONFIG.cache):
    logger.warning(
        printable(
            f"cache: expected a folder at {CONFIG.cache}, found none: nothing will be shared; mkdir -p, or correct it"
        )
    )


onstart:
    # Unless told otherwise, Snakemake starts at most 100 jobs a second. To look again after a second it sets a timer each time
    # that it has looked; the timers add up, and after some hundred jobs looking takes a third of a core and more.
    limit = workflow.scheduler.job_rate_limiter
    if limit is not None and (limit.max_jobs, limit.timespan) == (100, 1):
        workflow.scheduler.job_rate_limiter = None


onerror:
    # Snakemake notes the inputs of a job that failed as if it had made of them what it was to make. What was made earlier
    # of other inputs would then count as up to date.
    for job in workflow.dag.needrun_jobs(exclude_finished=True):
        for path in job.output:
            if not os.path.lexists(path):
                workflow.persistence.cleanup_metadata(path)


RESULTS = CONFIG.results
# For ancient(), which marks the very object that it is given: ancient(rules.check_corpus.output.checked) would hold for
# every rule that names that output.
CHECKED = f"{RESULTS}/corpora/{{corpus}}/checked.json"
# Resources that a profile, or the command line, gives to all rules and to some.
BY_PROFILE = [
    workflow.resource_settings.default_resources or {},
    *workflow.resource_settings.overwrite_resources.values(),
]
MODELS_ENVIRONMENT = f"../envs/{plan.models.environment(CONFIG, chain.from_iterable(BY_PROFILE))}.yaml"
# What rules that run a model ask for. Where no scheduler counts GPUs and there is none, they run on the CPU.
GPU = 0 if CONFIG.device == "cpu" else 1

PRUNED_MODELS, EDITED_MODELS = plan.pruning.models(CONFIG), plan.editing.models(CONFIG)
DISTILLED_MODELS = plan.pruning.distilled(CONFIG)
STUDIES = CONFIG.pruning.by_name()


wildcard_constraints:
    corpus="[^/]+",
    model="[^/]+",
    property="[^/.]+",
    subset="[^/]+",
    shard=r"[^/.]+-\d\d\d+",
    run="[^/.]+",
    stage=r"\d+",
    study="[^/]+",


def scaled(amount):
    """A resource that grows with every attempt: a job that ran out of memory or time gets more."""
    return lambda wildcards, attempt: amount * attempt


def by_shards(minutes, of_shard, corpora=lambda wildcards: [wildcards.corpus]):
    """As `scaled`, of the minutes that reading all ranks of a corpus, or of several, takes, by their shards."""
    return lambda wildcards, attempt: (
        int(minutes + of_shard * sum(len(plan.corpora.shards(CONFIG, corpus)) for corpus in corpora(wildcards)))
        * attempt
    )


def of_task(wildcards):
    """The corpora of a rule's task."""
    return plan.tasks.corpora_of(CONFIG, wildcards.task)


def one_of(names):
    """A wildcard's pattern: one of some names, or nothing at all where there are none."""
    return "|".join(map(re.escape, names)) or "(?!)"


def with_values(of_corpus):
    """What a comparison of selectors reads of each corpus whose activation values it has, by wildcards and corpus."""
    return lambda wildcards: [
        one
        for corpus in plan.selectors.corpora_of_values(
            CONFIG, wildcards.model, corpus=wildcards.get("corpus"), task=wildcards.get("task")
        )
        for one in of_corpus(wildcards, corpus)
    ]
