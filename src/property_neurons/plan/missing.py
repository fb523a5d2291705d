"""What a configuration names on disk and is not there."""

from pathlib import Path

from property_neurons.config.corpora import (
    LibriSpeechCorpus,
    VoxCelebCorpus,
)
from property_neurons.config.models import (
    FolderModel,
    MelHubertReleaseModel,
)
from property_neurons.config.root import Config
from property_neurons.plan import corpora


def missing_sources(config: Config) -> list[str]:
    """What the configuration names on disk and is not there, each with its key and what to do."""
    lines = []
    for name, section in config.corpora.items():
        root = Path(corpora.root(config, name))
        if isinstance(section, LibriSpeechCorpus) and not root.is_dir():
            lines.append(
                f"corpora.{name}.root: expected a folder at {root}, found none; correct it, or data_root "
                f"({config.data_root!r})"
            )
        if isinstance(section, VoxCelebCorpus):
            lines += [
                f"corpora.{name}.{key}: expected something at {path}, found nothing; correct it, or data_root "
                f"({config.data_root!r})"
                for key, path in corpora.voxceleb_files(config, name).items()
                if not Path(path).exists()
            ]
    for name, section in config.models.items():
        if isinstance(section, MelHubertReleaseModel):
            lines += [
                f"models.{name}.{key}: expected a file at {path}, found none; correct it or fetch the file"
                for key, path in (("checkpoint", section.checkpoint), ("statistics", section.statistics))
                if not Path(path).is_file()
            ]
        if isinstance(section, FolderModel) and not (Path(section.path) / "config.json").is_file():
            lines.append(
                f"models.{name}.path: expected a from_pretrained folder at {section.path}, found no config.json"
            )
    return lines
