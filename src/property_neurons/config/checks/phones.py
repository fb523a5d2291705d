"""Check that the phones which sections name are phones of their corpora, where the config says which these have."""

from collections.abc import Iterator

from property_neurons.config.checks.references import has_paper_phones
from property_neurons.config.models import EditedModel, PrunedModel
from property_neurons.config.properties import PAPER_PROPERTIES, PhoneProperty
from property_neurons.config.pruning import GeneralPruning, TaskSpecificPruning
from property_neurons.config.root import Config
from property_neurons.corpus.phones import PHONES, group_problems


def problems(config: Config) -> list[str]:
    """Phones that are none of the 39, on corpora with the 39. A corpus with its own table is checked by its speech."""
    found = []
    for name, section in config.properties.items():
        if not isinstance(section, PhoneProperty) or isinstance(section.groups, str):
            continue
        wrong, used_on = group_problems(section.groups), list(dict.fromkeys(_used_on(config, name)))
        corpora = [one for one in used_on or config.corpora if has_paper_phones(config, one)]
        # What no section uses may be asked for on any corpus.
        if wrong and corpora and (used_on or len(corpora) == len(config.corpora)):
            found.append(
                f"properties.{name}.groups: expected named groups of ARPABET phones, those of the corpus "
                f"{' and '.join(corpora)}; found {wrong}"
            )
    phone = config.figures.probability_phone
    if phone not in PHONES and has_paper_phones(config, None):
        found.append(f"figures.probability_phone: expected one of the 39 ARPABET phones, found {phone!r}")
    return found


def _used_on(config: Config, name: str) -> Iterator[str]:
    """The corpora that some section uses a property on."""
    figures = config.figures
    uses = [(figures.corpus, [*(figures.properties or PAPER_PROPERTIES), *(figures.overlap or [])])]
    uses += [(study.corpus, [study.property]) for study in config.erasure.values()]
    for model in config.models.values():
        if isinstance(model, EditedModel):
            uses.append((model.corpus, [model.property]))
        if isinstance(model, PrunedModel):
            uses.append((model.corpus, model.properties))
    for study in config.pruning.by_name().values():
        names = study.properties if isinstance(study, GeneralPruning) else _of_tasks(study)
        uses.append((study.corpus, names))
    return (corpus or figures.corpus for corpus, names in uses if name in names)


def _of_tasks(study: TaskSpecificPruning) -> list[str]:
    return [name for task in study.tasks.values() for name in task.properties]
