"""Labels of alignments that no phone set knows, by utterance and summed over a corpus."""

import ast
import json
import re
from collections import Counter
from collections.abc import Iterable

_ONE = re.compile(r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*") \((\d+) times?\)""")
_MOST_LISTED = 200


def counted(labels: Counter[str]) -> str:
    """Labels and how often each occurs, in the order of the labels: "'QX' (2 times), 'ʔ' (1 time)"."""
    return ", ".join(f"{label!r} ({count} time{'s' * (count != 1)})" for label, count in sorted(labels.items()))


def read_counted(detail: str) -> Counter[str]:
    """The labels in a detail of the report, which holds after "found " what `counted` wrote."""
    found = _ONE.findall(detail.partition(", found ")[2])
    return Counter({ast.literal_eval(label): int(count) for label, count in found})


def in_whole_corpus(corpus: str, details: Iterable[str]) -> str:
    """All unknown labels of a corpus, the commonest first, and the line of the config that maps them; two lines."""
    labels = sum(map(read_counted, details), Counter())
    listed = labels.most_common(_MOST_LISTED)
    more = f" and {len(labels) - len(listed)} more" if len(labels) > len(listed) else ""
    often = ", ".join(counted(Counter({label: count})) for label, count in listed)
    mapped = ", ".join(f"{json.dumps(label, ensure_ascii=False)}: SPN" for label, _ in listed)
    return (
        f"  unknown labels: {often}{more}. Say what they stand for, a phone, SIL or SPN (spoken noise), as in\n"
        f"    corpora: {{{corpus}: {{phones: {{map: {{{mapped}}}}}}}}}"
    )
