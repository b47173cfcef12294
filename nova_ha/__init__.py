# SPDX-License-Identifier: Apache-2.0
"""High availability for the instances of an OpenStack cloud, by Pacemaker.

The agents under ``ocf/`` and ``fence/`` are thin faces of what lives here. Two modules alone talk to the
outside: ``cluster`` (Pacemaker) and ``nova`` (the cloud). ``snapshot`` says what they can know, ``decide``
and ``policy`` answer purely with what to do about it, and ``engine`` reads, asks and does, again and again.

Importing the package itself costs nothing: a monitor that runs every ten seconds on every host imports it.
"""

__version__ = "0.1.0"
