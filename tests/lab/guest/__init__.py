# SPDX-License-Identifier: Apache-2.0
"""The lab's real guest, and what is read off its disk.

``guest.S`` is all that it runs: a boot sector that keeps a diary on its own disk and obeys commands. ``diary`` says
what lies where on the disk, and reads it; ``disk`` finds the disks of the lab's instances, and writes the commands.
"""
