"""How Sphinx makes the site of the Markdown pages in this folder: ``make docs``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

project = "influxdb3, in Python"
author = "the authors of influxdb3, in Python"
project_copyright = author
html_title = project

extensions = ["myst_parser", "docs.generator.site"]
myst_heading_anchors = 4
exclude_patterns = ["generator"]
smartquotes = False  # `--option` shall stay as it is
suppress_warnings = ["misc.highlighting_failure"]  # output of commands is not always of the language it stands for

html_theme = "furo"
html_theme_options = {"top_of_page_buttons": []}
html_use_index = False
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
