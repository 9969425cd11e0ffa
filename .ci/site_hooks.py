"""What the pages have for readers of the repository, as the site wants it."""

import logging
import posixpath
import re
from pathlib import Path

log = logging.getLogger("mkdocs.plugins.parley")

FENCE = re.compile(r"^```(\w+) (.+)$", re.M)
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config):
    """A page that mkdocs.yml has no place for stands at the end."""
    named = set(re.findall(r"'([^']+\.md)'", str(config["nav"])))
    pages = Path(config["docs_dir"]).rglob("*.md")
    more = sorted(p.relative_to(config["docs_dir"]).as_posix() for p in pages)
    more = [page for page in more if page not in named]
    if more:
        config["nav"].append({"More": more})
    return config


def on_page_markdown(markdown, page, config, files):
    def fence(m):
        language, rest = m.groups()
        return f"```{language}" if language == "console" else f'```{language} title="{rest}"'

    def link(m):
        target, anchor = m.group(1), m.group(2) or ""
        if "://" in target or target.startswith("/"):
            return m.group(0)
        # As in the repository, where the pages lie in docs/.
        path = posixpath.normpath(posixpath.join("docs", posixpath.dirname(page.file.src_uri), target))
        if path.startswith("docs/") and files.get_file_from_path(path[len("docs/") :]):
            return m.group(0)
        top = Path(config["config_file_path"]).parent
        if not (top / path).exists():
            log.warning("%s: there is no %s", page.file.src_uri, target)
        kind = "tree" if (top / path).is_dir() else "blob"
        return f"]({config['repo_url']}/{kind}/main/{path}{anchor})"

    return LINK.sub(link, FENCE.sub(fence, markdown))
