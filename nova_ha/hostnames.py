# SPDX-License-Identifier: Apache-2.0
"""One host, several names: the cluster may know it by its short name and Nova by its full one, or the reverse."""


class AmbiguousName(ValueError):
    """More than one host could be meant."""


def resolve(name, known, domain=None):
    """Which of the ``known`` names means the host ``name``, or None if none does.

    An exact match wins; then ``name`` with ``domain`` appended; then the one known name whose first label is the same,
    unless both are full names (two hosts of different domains may share a first label).

    :raises AmbiguousName: several would do
    """
    known = set(known)
    if name in known:
        return name
    short = name.partition(".")[0]
    if domain and f"{short}.{domain}" in known:
        return f"{short}.{domain}"
    alike = sorted(other for other in known if other.partition(".")[0] == short and not ("." in other and "." in name))
    if len(alike) > 1:
        raise AmbiguousName(f"{name} may mean {' or '.join(alike)}: set the parameter domain")
    return alike[0] if alike else None
