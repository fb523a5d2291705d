"""Alignments as TIMIT has them: a line for each phone, "first sample, last sample + 1, label", at 16 kHz."""

from pathlib import Path

import numpy as np

from property_neurons.corpus.alignments import ALIGN_AGAIN, Alignment, UnusableAlignment, checked_alignment
from property_neurons.corpus.audio import SAMPLE_RATE
from property_neurons.corpus.phone_tables import PhoneTable
from property_neurons.corpus.report import Trouble
from property_neurons.errors import StoreError
from property_neurons.stores.outside import read_text


def read_phn(path: str | Path, phones: PhoneTable) -> Alignment:
    """Read a .phn file.

    Raises:
        UnusableAlignment: lines of another form, or segments that contradict themselves.
    """
    starts, ends, texts = [], [], []
    try:
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            fields = line.split()
            if not fields:
                continue
            if len(fields) != 3 or not (fields[0].isdecimal() and fields[1].isdecimal()):
                raise ValueError(f"{line[:40]!r} in line {number}")
            starts.append(int(fields[0]))
            ends.append(int(fields[1]))
            texts.append(fields[2])
        if not texts:
            raise ValueError("nothing in it")
        starts_us, ends_us = np.array([starts, ends], dtype=np.int64) * 1_000_000 // SAMPLE_RATE
    except (StoreError, ValueError, OverflowError) as error:
        detail = f"expected 'first sample, last sample, label' in each line, found {error}; {ALIGN_AGAIN}"
        raise UnusableAlignment(str(path), (Trouble("unreadable_alignment", detail),)) from None
    return checked_alignment(str(path), starts_us, ends_us, texts, int(ends_us.max()), phones)
