# SPDX-License-Identifier: Apache-2.0
"""Pacemaker's programs on a cluster in memory: what stands behind the one door to it."""

import re
from xml.etree import ElementTree

LEVEL = '<fencing-level target="compute-1" index="1" devices="fence_ipmilan-1,fence_compute"/>'


class Pacemaker:
    """A runner with a CIB of a few nodes behind it.

    :param flags: ``{host: flag or None}``
    :param deaf: a word of the command that is refused
    :param forgetful: writes are answered with success, and lost
    :param levels: the fencing topology's levels, as XML; devices are named after their agents, but for ``unknown``;
        those without an index get one each
    :param devices: the parameters of the fencing devices that are of our agent, each as ``{name: value}``
    """

    def __init__(self, flags, deaf=None, forgetful=False, levels=LEVEL, devices=()):
        self.flags, self.deaf, self.forgetful, self.levels = flags, deaf, forgetful, levels
        self.devices = devices
        self.written = []

    def __call__(self, command, timeout):
        if self.deaf in command:
            return 102, "", "Connection to the CIB manager failed: Transport endpoint is not connected"
        if command[0] == "crm_attribute":
            host, value = command[command.index("--node") + 1], command[-1]
            assert command[command.index("--lifetime") + 1] == "forever"
            self.written.append((host, value))
            if not self.forgetful:
                self.flags[host] = value
            return 0, "", ""
        assert command[:3] == ["cibadmin", "--query", "--xpath"]
        if "fencing-level" in command[3]:
            return self._answer(self._numbered_levels())
        if '@type="fence_compute"' in command[3]:
            return self._answer([self._device(parameters) for parameters in self.devices])
        if "primitive" in command[3]:
            devices = re.findall('@id="((fence_[a-z_]+)[^"]*)"', command[3])
            primitive = '<primitive id="{}" class="stonith" type="{}"/>'
            return self._answer([primitive.format(*each) for each in devices])
        if command[3].endswith("/nvpair"):
            host = re.search('@uname="([^"]+)"', command[3])[1]
            value = self.flags.get(host)
            return self._answer([f'<nvpair name="evacuate" value="{value}"/>'] if value else [])
        only_flagged = "nvpair" in command[3]
        nodes = [self._node(host, value) for host, value in self.flags.items() if value or not only_flagged]
        return self._answer(nodes)

    def _numbered_levels(self):
        levels = list(ElementTree.fromstring(f"<all>{self.levels}</all>"))
        for number, level in enumerate(levels, start=1):
            level.set("id", f"level-{number}")
            level.set("index", level.get("index", str(number)))
        return [ElementTree.tostring(level, encoding="unicode") for level in levels]

    @staticmethod
    def _answer(found):
        return (0, f"<xpath-query>{''.join(found)}</xpath-query>", "") if found else (105, "", "No such device")

    @staticmethod
    def _device(parameters):
        pairs = "".join(f'<nvpair name="{name}" value="{value}"/>' for name, value in parameters.items())
        return f"<primitive><instance_attributes>{pairs}</instance_attributes></primitive>"

    @staticmethod
    def _node(host, value):
        pair = f'<nvpair id="x" name="evacuate" value="{value}"/>' if value else ""
        return f'<node uname="{host}" type="remote"><instance_attributes>{pair}</instance_attributes></node>'
