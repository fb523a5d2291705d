"""Names of phones in figures."""

from collections.abc import Sequence

from property_neurons.corpus.phones import PHONES


def phone_names(phones: Sequence[str]) -> list[str]:
    """ARPABET in small letters, as the paper has it. Of phones of a corpus's own, S may not be s: they stay."""
    own = not set(phones) <= set(PHONES)
    return [phone if own else phone.lower() for phone in phones]
