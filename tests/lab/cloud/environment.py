# SPDX-License-Identifier: Apache-2.0
"""What the cloud's containers start from: the virtual environment with OpenStack, and freshly migrated databases.

Both are made in containers of the lab's images, so that they suit the Python and the MariaDB of the Debian release,
and are kept in the cache under a hash of their recipe.
"""

import hashlib
import os
import pathlib
import shutil
import urllib.parse

from tests.lab import images, runtime
from tests.lab import settings as lab
from tests.lab.cloud import configuration, layout
from tests.lab.shell import LabError

HERE = pathlib.Path(__file__).parent
REQUIREMENTS = HERE / "requirements.txt"
SCHEMA_SCRIPT = HERE / "schema.sh"
BUILD_LIMIT = 600  # seconds: most of it is pip's download
# The files of this directory that Nova loads as modules of its own, by where it looks for them.
MODULES = {
    "virt/lab.py": "driver.py",
    "virt/lab_guests.py": "guests.py",
    "scheduler/filters/lab_slow_filter.py": "slow_filter.py",
}

BUILD_SCRIPT = """\
set -e
python3 -m venv /opt/openstack
/opt/openstack/bin/pip install --quiet --no-compile --root-user-action=ignore "$@"
site=$(/opt/openstack/bin/python3 -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# The directory is mounted read-only later: what is not compiled now would be compiled at every start.
/opt/openstack/bin/python3 -m compileall -q -j 0 "$site" >/dev/null || true
/opt/openstack/bin/pip freeze >/opt/openstack/frozen.txt
"""


def venv(settings):
    """Directory of the virtual environment; it works only where it is mounted at ``layout.VENV``."""
    recipe = [REQUIREMENTS, *_constraints(settings)]
    return lab.CACHE / f"venv-{settings.release}-{_digest(BUILD_SCRIPT, str(MODULES), *recipe)}"


def snapshot(settings):
    """Directory of the databases' snapshot, ``databases.tar``."""
    digest = _digest(venv(settings).name, configuration.MARIADB, SCHEMA_SCRIPT)
    return lab.CACHE / f"databases-{settings.release}-{digest}"


def _constraints(settings):
    """The file of exact versions seen to work on a release, as a list: a new release begins without one."""
    path = HERE / f"constraints-{settings.release}.txt"
    return [path] if path.exists() else []


def _digest(*parts):
    content = b"\0".join(part.read_bytes() if isinstance(part, pathlib.Path) else part.encode() for part in parts)
    return hashlib.sha256(content).hexdigest()[:12]


def prepare(settings, progress):
    """Make what is not in the cache yet.

    :raises LabError: the build failed
    """
    if not venv(settings).exists():
        with progress.step("virtual environment with OpenStack"):
            _build_venv(settings)
    if not snapshot(settings).exists():
        with progress.step("databases at their newest schema"):
            _build_snapshot(settings)


def _build_venv(settings):
    target = venv(settings)
    draft = _fresh(target.with_suffix(".new"))
    volumes = [f"{draft}:{layout.VENV}", f"{HERE}:{layout.TOOLS}:ro"]
    variables, files = _pip_configuration()
    arguments = ["-r", f"{layout.TOOLS}/{REQUIREMENTS.name}"]
    for path in _constraints(settings):
        arguments += ["-c", f"{layout.TOOLS}/{path.name}"]
    runtime.podman(
        "run", "--rm", "--network", "host",
        *(word for volume in volumes + [f"{path}:{path}:ro" for path in files] for word in ("--volume", volume)),
        *(word for variable in variables for word in ("--env", variable)),
        images.name(settings, "compute"), "sh", "-c", BUILD_SCRIPT, "sh", *arguments,
        timeout=BUILD_LIMIT,
    )  # fmt: skip
    package = next(draft.glob("lib/python3*/site-packages/nova"))
    for link, name in MODULES.items():
        (package / link).symlink_to(layout.TOOLS / name)
    os.rename(draft, target)


def _build_snapshot(settings):
    target = snapshot(settings)
    draft = _fresh(target.with_suffix(".new"))
    etc = _fresh(target.with_suffix(".etc"))
    (etc / "mariadb.cnf").write_text(configuration.MARIADB)
    volumes = [
        f"{venv(settings)}:{layout.VENV}:ro", f"{HERE}:{layout.TOOLS}:ro", f"{draft}:/snapshot",
        f"{etc}:{layout.ETC_MOUNT}:ro",
    ]  # fmt: skip
    try:
        runtime.podman(
            "run", "--rm", "--network", "none",
            *(word for volume in volumes for word in ("--volume", volume)),
            images.name(settings, "cloud"), "sh", f"{layout.TOOLS}/{SCHEMA_SCRIPT.name}",
            timeout=BUILD_LIMIT,
        )  # fmt: skip
    except LabError as error:
        raise LabError(f"databases: {error}; see {draft}") from error
    shutil.rmtree(etc)
    os.rename(draft, target)


def _fresh(directory):
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def _pip_configuration():
    """How the machine's pip reaches its index: variables to set and paths to show inside the container."""
    prefixes = ("PIP_", "SSL_CERT", "REQUESTS_CA_BUNDLE")
    proxies = ("http_proxy", "https_proxy", "no_proxy")
    variables = [name for name in os.environ if name.startswith(prefixes) or name.lower() in proxies]
    paths = {"/etc/pip.conf", "/root/.config/pip", "/root/.pip", "/etc/ssl/certs"}
    words = [os.environ[name] for name in variables]
    for path in ("/etc/pip.conf", "/root/.config/pip/pip.conf", "/root/.pip/pip.conf"):
        if os.path.exists(path):
            words.append(pathlib.Path(path).read_text())
    for word in " ".join(words).split():
        path = pathlib.PurePath(urllib.parse.urlsplit(word).path if word.startswith("file:") else word)
        if path.is_absolute():
            # An index in files ("simple") refers to packages beside it.
            paths.add(str(path.parent if path.name == "simple" else path))
    return variables, sorted(path for path in paths if os.path.exists(path))
