"""transformers, imported so that an unusable torchaudio does no harm.

The torchaudio wheel is a CUDA build. Beside a CPU-only torch its import fails, and transformers, which sees that
the package is installed, then fails with it. Nothing here needs torchaudio: one that cannot be imported is treated
as absent. Every module that uses transformers takes it from here, and its classes as attributes (they load lazily).
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

try:
    import torchaudio  # noqa: F401
except (ImportError, OSError):
    sys.modules["torchaudio"] = None

import transformers

# Not an attribute of transformers in every order of imports.
from transformers.initialization import no_init_weights  # noqa: F401

# Set when somebody imported transformers before this module: its answer "torchaudio is there" would stick.
transformers.utils.is_torchaudio_available.cache_clear()


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' warnings and progress bars off the screen."""
    verbosity = transformers.logging.get_verbosity()
    progress_bar = transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(verbosity)
        if progress_bar:
            transformers.logging.enable_progress_bar()
