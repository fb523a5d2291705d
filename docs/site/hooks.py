"""What the site adds to the pages of docs/: texts from elsewhere in the project, notebooks, the Python reference.

A link between files of the project becomes a link between pages where the file is a page, and the file's path in plain
code where it is not, so that the same Markdown reads well in an editor, on a code host and on the site.
"""

import ast
import json
import posixpath
import re
from functools import cache
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src/property_neurons"

PAGES = {
    "README.md": "index.md",
    "config/README.md": "configuration.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "notebooks/tutorial.ipynb": "tutorial.md",
    "notebooks/erase_a_group.ipynb": "erase_a_group.md",
}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
SOURCE = re.compile(r'(srcset|src)="([^":]+)"')


def on_config(config):
    """Put the pages of the Python reference where the navigation says Python."""
    reference = next(section["Reference"] for section in config.nav if "Reference" in section)
    entry = next(entry for entry in reference if "Python" in entry)
    entry["Python"] = [{name: page} for name, page, _ in python_reference()]
    return config


def on_files(files, config):
    """Add the pages whose text lies elsewhere, and those that list the public modules of the library."""
    for path, page in PAGES.items():
        text = (ROOT / path).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=notebook_text(text) if path.endswith(".ipynb") else text))
    for _, page, content in python_reference():
        files.append(File.generated(config, page, content=content))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turn links between files of the project into links between pages."""
    source = next((path for path, name in PAGES.items() if name == page.file.src_uri), f"docs/{page.file.src_uri}")
    folder, here = posixpath.dirname(source), posixpath.dirname(page.file.src_uri)

    def target(link):
        """The page or picture that a link of the source leads to; None where the site has none."""
        path, hash_mark, anchor = link.partition("#")
        if not path or re.match(r"[a-z]+:", path):
            return link
        path = posixpath.normpath(posixpath.join(folder, path))
        inside = PAGES.get(path, path.removeprefix("docs/") if path.startswith("docs/") else None)
        if inside is None:
            if not (ROOT / path).exists():
                raise ValueError(f"{source} links to {path}, which the project does not have")
            return None
        return posixpath.relpath(inside, here or ".") + hash_mark + anchor

    def rewrite(match):
        image, text, link = match.groups()
        found = target(link)
        if found is None:
            return text if "`" in text or "/" in text else f"{text} (`{link}`)"
        return f"{image}[{text}]({found})"

    def rewrite_source(match):
        return f'{match[1]}="{target(match[2])}"'

    return SOURCE.sub(rewrite_source, LINK.sub(rewrite, markdown))


def notebook_text(notebook):
    """A notebook's cells as Markdown, with the text and pictures that its last run left."""
    parts = []
    for cell in json.loads(notebook)["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(text)
            continue
        parts.append(f"```python\n{text}\n```")
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                picture = "".join(data["image/png"].split())
                parts.append(f'<img alt="what this cell draws" src="data:image/png;base64,{picture}">')
            elif "text/plain" in data or "text" in output:
                shown = "".join(data.get("text/plain", output.get("text", "")))
                parts.append(f"```text\n{shown.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


@cache  # asked for by the navigation and by the pages
def python_reference():
    """Title, name and text of a page for each folder of the library: its modules that have something public."""
    pages = []
    for folder in [PACKAGE, *sorted(path for path in PACKAGE.iterdir() if path.is_dir())]:
        name = "property_neurons" if folder == PACKAGE else f"property_neurons.{folder.name}"
        found = folder.glob("*.py") if folder == PACKAGE else folder.rglob("*.py")
        modules = [path.relative_to(PACKAGE.parent) for path in sorted(found) if has_public_docstring(path)]
        if modules:
            dotted = (".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in modules)
            text = "\n\n".join([f"# {name}", *(f"::: {module}" for module in dotted)])
            pages.append((name, f"python/{folder.name}.md", f"{text}\n"))
    return pages


def has_public_docstring(path):
    """Whether a module holds a class or function that is public and says what it is."""
    return path.stem != "__main__" and any(
        isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_") and ast.get_docstring(node)
        for node in ast.parse(path.read_text(encoding="utf-8")).body
    )
