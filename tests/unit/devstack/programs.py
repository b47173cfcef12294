#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""The programs that the DevStack plugin calls, all in this file: which one it is its name says.

Each writes down its call. sudo runs a few programs with the paths of a root of the test's own; pcs keeps a
configuration, one line an element. A test starts thousands of them: they import next to nothing.
"""

import os
import sys

ROOT = os.environ["FAKE_ROOT"]
CIB = f"{ROOT}/cib"
COROSYNC = f"{ROOT}/etc/corosync/corosync.conf"
# What sudo runs of the real system; all else that it is given is in this file, or only written down.
REAL = ("cat", "grep", "rm", "sed", "sh", "test", "timeout", "/usr/bin/python3")


def main():
    name, words = os.path.basename(sys.argv[0]), sys.argv[1:]
    line = " ".join([name, *words])
    with open(f"{ROOT}/calls", "a") as log:
        log.write(line + "\n")
    if name == "chpasswd" or words[:2] == ["host", "auth"]:
        with open(f"{ROOT}/stdin", "a") as log:
            log.write(sys.stdin.read())
    # What a test says of a program: its exit code, and what it prints.
    for told in read(f"{ROOT}/told"):
        begin, code, text = told.split("\t")
        if line.startswith(begin):
            print(text)
            return int(code)
    known = {"sudo": sudo, "pcs": pcs, "cibadmin": cibadmin, "crm_resource": crm_resource}
    return known.get(name, lambda words: 0)(words)


def read(file):
    with open(file) as opened:
        return opened.read().splitlines()


def write(file, lines):
    with open(file, "w") as opened:
        opened.writelines(f"{line}\n" for line in lines)


def sudo(words):
    for top in ("/etc/", "/var/", "/run/"):
        words = [word.replace(top, ROOT + top) for word in words]
    if words[0] in REAL or os.path.exists(f"{ROOT}/bin/{words[0]}"):
        os.execvp(words[0], words)
    if not words[0].startswith("/"):
        sys.exit(f"sudo: {words[0]} is not faked")
    return 0


def cibadmin(words):
    if not os.path.exists(COROSYNC):
        return 102
    if words[-1] == "crm_config":
        return 0
    wanted = {"[@type='remote']": 'type="remote"', "target-role": 'name="target-role"', "'evacuate'": 'name="evacuate"'}
    (part,) = [part for key, part in wanted.items() if key in words[-1]] or [f' id="{words[-1].split(chr(39))[1]}" ']
    lines = [line for line in read(CIB) if part in line]
    print("\n".join(lines))
    return 0 if lines else 105


def crm_resource(words):
    """All that is configured runs on all nodes that may run it; a host whose connection is stopped is in no cluster."""
    if "target-role" in words:
        os.unlink(COROSYNC)
        return 0
    if os.path.exists(COROSYNC) and any(f' id="{words[1]}"' in line for line in read(CIB)):
        hosts = [line.split('"')[1] for line in read(CIB) if 'type="remote"' in line]
        for host in (*(hosts if words[1] == "nova-compute" else ()), "controller"):
            print(f"resource {words[1]} is running on: {host}")
    return 0


def pcs(words):
    command = words[:2]
    if words[0] == "-f":
        write(words[1], edited(read(words[1]), words[2:]))
    elif command == ["cluster", "cib"]:
        write(words[2], read(CIB))
    elif command == ["cluster", "cib-push"]:
        write(CIB, read(words[2]))
    elif command == ["cluster", "setup"]:
        os.makedirs(os.path.dirname(COROSYNC), exist_ok=True)
        write(COROSYNC, ["totem {", f"    cluster_name: {words[2]}", "}"])
        write(CIB, [])
    elif command == ["cluster", "destroy"]:
        os.unlink(COROSYNC)
    elif words[:3] == ["cluster", "node", "add-remote"]:
        write(CIB, [*read(CIB), f'<primitive id="{words[3]}" class="ocf" type="remote">'])
    elif words[:3] == ["cluster", "node", "remove-remote"]:
        write(CIB, without(read(CIB), words[3]))
    return 0


def edited(lines, words):
    """The lines of a configuration after a command of pcs."""
    if words[1] == "create":
        return [*lines, f'<primitive id="{words[2]}" {" ".join(words[3:])} >']
    if words[1] == "update":
        return [f'{line[:-2]} {" ".join(words[3:])} >' if f' id="{words[2]}"' in line else line for line in lines]
    if words[1] in ("delete", "remove"):
        return without(lines, words[2])
    if words[:2] == ["constraint", "location"]:
        (ident,) = [word.partition("=")[2] for word in words if word.startswith("constraint-id=")]
        return [*lines, f'<rsc_location id="{ident}" rsc="{words[2]}" {" ".join(words[3:])}/>']
    if words[:3] == ["stonith", "level", "add"]:
        return [*lines, f'<fencing-level target="{words[4]}" devices="{",".join(words[5:])}"/>']
    if words[:4] == ["stonith", "level", "clear", "target"]:
        return [line for line in lines if f'target="{words[4]}"' not in line]
    return lines


def without(lines, ident):
    """The lines without an element, and without the rules about it."""
    return [line for line in lines if f' id="{ident}"' not in line and f' rsc="{ident}' not in line]


if __name__ == "__main__":
    sys.exit(main())
