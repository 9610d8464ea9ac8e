# SPDX-License-Identifier: GPL-2.0
"""Sphinx: these pages as HTML. tools/lab/docs calls it, and puts beside them what is made of headers and manual pages."""

import re
from pathlib import Path

project = "netgpu"
copyright = "its authors. The pages are under GPL-2.0, the library's interface under LGPL-2.1 or MIT"     # pylint: disable=redefined-builtin
version = release = re.search(r"^VERSION := (\S+)", (Path(__file__).parent.parent / "tools/Makefile").read_text(encoding="utf-8"), re.M)[1]

needs_sphinx = "5.0"
html_theme = "alabaster"
html_theme_options = {"page_width": "1100px", "fixed_sidebar": True}
html_show_sourcelink = False
html_extra_path = ["extra"] if (Path(__file__).parent / "extra").is_dir() else []
highlight_language = "none"
smartquotes = False     # they make dashes of --options
exclude_patterns = ["extra"]

# As in the kernel, a page is named by its file: Documentation/networking/netgpu.rst. One that is here becomes a link.
NAMED = re.compile(r"(?<![`\w/])Documentation/([\w/-]+)\.rst")


def link(app, _, source):
    def page(match):
        return f":doc:`/{match[1]}`" if match[1] in app.env.found_docs else f"``{match[0]}``"
    source[0] = NAMED.sub(page, source[0])


def setup(app):
    app.connect("source-read", link)
    return {"parallel_read_safe": True}
