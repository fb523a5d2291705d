"""What can happen to a file: each of these functions does it to one."""

from pathlib import Path


def truncated(file: Path) -> None:
    """The last third is lost."""
    content = file.read_bytes()
    file.write_bytes(content[: 2 * len(content) // 3])


def removed(file: Path) -> None:
    file.unlink()


def one_byte_changed(file: Path) -> None:
    """A byte in the middle, to another of the same kind, so that JSON and tables still parse where they can."""
    content = bytearray(file.read_bytes())
    digits = [place for place, byte in enumerate(content) if chr(byte).isdigit()]
    text = len(digits) and all(byte < 128 for byte in content)
    place = digits[len(digits) // 2] if text else len(content) // 2
    content[place] = ord("1") + (content[place] - ord("0")) % 9 if text else content[place] ^ 0x10
    file.write_bytes(bytes(content))


DAMAGES = (truncated, removed, one_byte_changed)


def manifest_edits(content: dict) -> dict[str, dict]:
    """A manifest's content after an edit by hand, by what was done: an entry gone, another digest or value."""
    name = sorted(content["files"])[0]
    size, digest = content["files"][name]
    other = "0" * len(digest)
    edits = {
        "an entry removed": content | {"files": {key: value for key, value in content["files"].items() if key != name}},
        "no entries left": content | {"files": {}},
        "a digest changed": content | {"files": content["files"] | {name: [size, other]}},
        "a size changed": content | {"files": content["files"] | {name: [size + 1, digest]}},
        "the digest of all changed": content | {"digest": other},
    }
    further = sorted(content.keys() - {"files", "digest", "checksum"})
    return edits | {f"{key} changed": content | {key: [content[key]]} for key in further}
