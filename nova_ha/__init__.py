# SPDX-License-Identifier: Apache-2.0
"""High availability for the instances of an OpenStack cloud, by Pacemaker.

The agents under ``ocf/`` and ``fence/`` are thin faces of what lives here. Each thing outside has one door:
``cluster`` (Pacemaker), ``cloud`` (OpenStack), ``compute`` (nova-compute on this host), ``fencing`` (other fence
agents). ``recovery`` is the engine: it observes, decides (by pure functions) and acts. ``model`` says what it can
know, ``policy`` what the operator wants.

Importing the package itself costs nothing: a monitor that runs every ten seconds on every host imports it.
"""

__version__ = "0.1.0"
