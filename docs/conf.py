"""Settings of the documentation: `make docs`, or `sphinx-build -W --keep-going docs out/docs`."""

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE / "_ext"), str(ROOT)]

project = "crisp_ik"
author = "The crisp_ik authors"
project_copyright = author
release = re.search(r"<version>(.+?)</version>", (ROOT / "package.xml").read_text(encoding="utf-8"))[1]

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "command_reference",
    "mathml",
    "plain_docstrings",
    "ros_reference",
]
exclude_patterns = ["_ext", "_static", "pictures"]
suppress_warnings = ["toc.empty_glob"]
# Names of our own that nothing is known of are mistakes; what other libraries have is not looked up: there may be no
# network.
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!crisp_ik_ros\.).*"),
    # Modules inside, which the reference names as types without having a page for them.
    ("py:.*", r"crisp_ik_ros\.(?:\w+\.)+\w+"),
]

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
# A line such as `<!-- run -->` tells the tests what to do with the block below it.
myst_dmath_double_inline = True

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings have types with shapes and units
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_param = True
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"crisp_ik {release}"
html_static_path = ["_static"]
html_css_files = ["crisp_ik.css"]
html_math_renderer = "mathml"
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1a5fb4", "color-brand-content": "#1a5fb4"},
    "dark_css_variables": {"color-brand-primary": "#8ab8f5", "color-brand-content": "#8ab8f5"},
}
smartquotes = False  # two dashes before an option stay two
pygments_style = "friendly"
pygments_dark_style = "monokai"
