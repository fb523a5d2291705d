"""NIST SPHERE: a header in words, and samples."""

import re

from property_neurons.corpus.containers.outcome import UncheckedContainer, cut, endless
from property_neurons.errors import printable


def sphere_samples(content: bytes) -> int:
    """Samples of each channel of a SPHERE file; errors as of `announced.announced`."""
    size = re.match(rb"NIST_1A\n *(\d{1,6})\n", content)
    lines = content[: int(size[1])].split(b"\n") if size else []
    fields = {}
    for line in lines[2:]:
        words = line.decode("ascii", "replace").split(None, 2)
        if words[:1] == ["end_head"]:
            break
        if len(words) == 3:
            fields[words[0]] = words[2].strip()
    else:
        raise cut("a SPHERE header that ends with 'end_head'", "none")
    coding = fields.get("sample_coding", "pcm")
    if coding not in ("pcm", "ulaw", "alaw"):
        raise UncheckedContainer(
            "unsupported_container",
            f"expected a SPHERE file with plain samples, found sample_coding {printable(coding)!r}; unpack it, as with "
            "sph2pipe -f wav OLD NEW.wav",
        )
    try:
        count, channels = int(fields["sample_count"]), int(fields["channel_count"])
        width = int(fields["sample_n_bytes"])
    except (KeyError, ValueError):
        raise endless(
            "a SPHERE header with whole numbers for sample_count, channel_count and sample_n_bytes",
            f"{printable(', '.join(sorted(fields)))!r}",
        ) from None
    found = max(0, len(content) - int(size[1]))
    if found != count * channels * width:
        raise cut(f"{count} samples of {channels * width} bytes, as its SPHERE header says", f"{found} bytes of them")
    return count
