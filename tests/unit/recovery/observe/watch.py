# SPDX-License-Identifier: Apache-2.0
"""An observer of a fake cloud, and its clock."""

from nova_ha.recovery.observe.observer import Observer
from tests.unit.doubles import FakeCloud
from tests.unit.worlds import OURS, instance, living, record, service

BOTH = {"compute-1": OURS, "compute-3": OURS}


class Watch:
    """An observer of a fake cloud, and its clock."""

    def __init__(self, *services, **options):
        self.cloud = FakeCloud(*(services or (service(), living("compute-2"))))
        self.now = 1000.0
        self.observer = Observer(self.cloud, None, lambda: self.now, **options)

    def look(self, after=0.0, flags=None, **more):
        self.now += after
        self.cloud.asked.clear()
        return self.observer.look(flags or {"compute-1": OURS}, **more)

    def glance(self, after=0.0, flags=None):
        self.now += after
        self.cloud.asked.clear()
        return self.observer.glance(flags or {"compute-1": OURS})

    def host(self, *more, **keys):
        return self.look(*more, **keys).hosts[0]


def away(watch, *hosts):
    """Take the database of these hosts' cell away."""
    for name in hosts:
        watch.cloud.known.pop(name, None)
    watch.cloud.away = hosts


def two_cells():
    """An observer that has looked at a dead host in each of two cells."""
    watch = Watch(service(), service("compute-3"), living("compute-2"))
    for number, name in ((1, "compute-1"), (3, "compute-3")):
        watch.cloud.on[name] = [instance(number, host=name)]
        watch.cloud.records.append(record(number, "accepted", f"i{number}", source=name))
    watch.look(flags=BOTH)
    return watch


def returned(watch, after=1.0, report="t0", value="no", **more):
    watch.cloud.known["compute-1"] = service(report=report, **more)
    return watch.host(after, flags={"compute-1": value})
