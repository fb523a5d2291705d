"""Find, show, edit and prune around the property neurons of speech Transformers (arXiv 2409.05910)."""

__version__ = "0.1.0"
