# SPDX-License-Identifier: Apache-2.0
"""What the engine asks the cloud for, by kind of request: to recover a host, and in an hour in which nothing is wrong.

    /usr/bin/python3 -m tests.benchmarks.apiload [--instances N ...]

The engine runs as in ``scale``, in a cloud of 21 hosts. Counted is from the engine's start, connection included, until
the flag is ``no``; tokens are not (one for as long as Keystone lets it live). The hour is run in fast motion.
"""

import argparse
import collections
import sys

from tests.benchmarks import engineprocess, fakecloud
from tests.benchmarks.printing import heading, table

INSTANCES = (20, 60, 200)
IDLE = "idle hour"


def main(arguments=None):
    """Count and print; returns the exit code: 0 if all instances were recovered."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", type=int, nargs="+", default=INSTANCES, metavar="N", help="on the failed host")
    chosen = parser.parse_args(arguments)
    asked, left = {}, 0
    for count in chosen.instances:
        asked[count], more = counted(count, lambda cloud: engineprocess.recovery(cloud, 1))
        left += more
    asked[IDLE], _ = counted(1, engineprocess.idle_hour)
    print(heading("requests of a recovery, by instances on the failed host, and of an idle hour"))
    print("\n".join(rows(asked)))
    return 0 if left == 0 else 1


def counted(instances, work):
    """What a cloud is asked for while something is done with it, and how many instances are left on its first host."""
    cloud = fakecloud.FakeCloud(instances)
    work(cloud)
    left = cloud.left(1)
    cloud.close()
    return cloud.asked, left


def rows(asked):
    """The table, as lines; the most frequent kinds first.

    :param asked: ``{instances, or IDLE: Counter of kinds of request}``
    """
    kinds = [kind for kind, _ in sum(asked.values(), collections.Counter()).most_common()]
    found = [[kind, *(counter[kind] for counter in asked.values())] for kind in kinds]
    found.append(["all", *(sum(counter.values()) for counter in asked.values())])
    each = [sum(counter.values()) / count if count != IDLE else "" for count, counter in asked.items()]
    return table(["request", *map(str, asked)], [*found, ["all, per instance", *each]])


if __name__ == "__main__":
    sys.exit(main())
