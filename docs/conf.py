# SPDX-License-Identifier: Apache-2.0
"""How Sphinx makes the site and the manual pages of the Markdown in this directory: ``tox -e docs``.

Nothing is fetched while they are built. So there are no links into the documentation of Nova or Pacemaker by their
inventories (intersphinx), which would have to be.
"""

import logging
import pathlib
import sys

DOCS = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS / "_ext"), str(DOCS.parent)]

from nova_ha import __version__  # noqa: E402

project = "nova-ha"
author = copyright = "nova-ha developers"
version = release = __version__

extensions = ["openstackdocstheme", "myst_parser", "oslo_config.sphinxext", "agent_parameters", "local_only"]
source_suffix = {".md": "markdown"}
templates_path = ["_templates"]
exclude_patterns = ["_ext", "_static", "_templates", "requirements.txt"]
# Blocks without a language are commands, pictures and output: no language at all.
highlight_language = "none"

# Links to headings, as GitHub makes them of the headings' text.
myst_heading_anchors = 4

html_theme = "openstackdocs"
# Whoever reads the site is to load nothing from elsewhere: no analytics, no search at Google, no badge. local_only
# holds the build to that; _templates has what stands in the place of the theme's.
html_theme_options = {"analytics_tracking_code": "", "display_badge": False, "sidebar_search": True}
html_static_path = ["_static"]
html_css_files = ["nova-ha.css"]
# These would ask git and pbr, or lead to trackers that are not ours.
openstackdocs_auto_name = False
openstackdocs_auto_version = False
openstackdocs_pdf_link = False
openstackdocs_use_storyboard = False
html_last_updated_fmt = None
# Packages are built of the source distribution, where there is no git: that is no reason to fail.
logging.getLogger("sphinx.openstackdocstheme.ext").addFilter(lambda record: "cannot get gitsha" not in str(record.msg))

# Page, name, what it is, section.
MANUAL = [
    ("man/nova-ha.8", "nova-ha", "look at the recovery of compute hosts, and let held hosts go", 8),
    ("man/fence_compute.8", "fence_compute", "fence agent that proves compute hosts off and flags them", 8),
    ("man/ocf_openstack_NovaEvacuate.7", "ocf_openstack_NovaEvacuate", "the recovery engine, as a resource", 7),
    ("man/ocf_openstack_NovaCompute.7", "ocf_openstack_NovaCompute", "nova-compute, as a resource", 7),
    ("man/ocf_openstack_NovaInstances.7", "ocf_openstack_NovaInstances", "which instances of a host have failed", 7),
    (
        "man/ocf_openstack_nova-compute-wait.7",
        "ocf_openstack_nova-compute-wait",
        "hold nova-compute back while its host is recovered",
        7,
    ),
    ("man/nova-ha.conf.5", "nova-ha.conf", "configuration file of the recovery engine", 5),
]
man_pages = [(page, name, what, "", section) for page, name, what, section in MANUAL]
