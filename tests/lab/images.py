# SPDX-License-Identifier: Apache-2.0
"""Images of the hosts, built from Debian's packages and kept until their recipe changes.

``recipes/`` holds what goes into them: a base that mmdebstrap makes, and on it one layer for each kind of host.
"""

import concurrent.futures
import hashlib
import os
import pathlib
import tempfile

from tests.lab import locks, runtime, settings
from tests.lab.shell import LabError, run

KINDS = ("control", "compute", "cloud")
# Where packages are built, for the tests that want some.
BUILD = "build"
# A compute host with libvirt and QEMU: a layer on the image of one without, for the labs that want it.
LIBVIRT = "libvirt"
# On which image a kind's is built, if not on the base.
_BUILT_ON = {LIBVIRT: "compute"}
RECIPES = pathlib.Path(__file__).parent / "recipes"
REPOSITORY = "localhost/nova-ha-lab"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
BASE_PACKAGES = "systemd,systemd-sysv,dbus,iproute2,iputils-ping,procps,python3"
# Package lists stay in the base, so that the layers need not fetch them again.
MMDEBSTRAP = (
    *("mmdebstrap", "--mode=root", "--variant=minbase", "--format=tar", "--skip=cleanup/apt/lists"),
    *("--aptopt=APT::Install-Recommends \"false\"", "--aptopt=Acquire::Languages \"none\""),
    *("--dpkgopt=force-unsafe-io", "--dpkgopt=path-exclude=/usr/share/man/*"),
    *("--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/locale/*"),
    f"--include={BASE_PACKAGES}",
)
# The containers' processes, more than the disk, set the pace: two at a time, the longest first.
LANES = (("control",), ("compute", LIBVIRT, "cloud"), (BUILD,))


def name(chosen, kind):
    """The image of a kind of host: ``localhost/nova-ha-lab/KIND:RELEASE-HASH``, the hash being its recipe's."""
    recipe = hashlib.sha256(_recipe(kind).encode()).hexdigest()
    return f"{REPOSITORY}/{kind}:{chosen.release}-{recipe[:12]}"


def _recipe(kind: str) -> str:
    """All that goes into a kind's image, that on which it is built included."""
    if kind == "base":
        return "\n".join(MMDEBSTRAP) + (RECIPES / "base.sh").read_text()
    own = "".join(file.read_text() for file in sorted(RECIPES.glob(f"{kind}*")))
    return _recipe(_BUILT_ON.get(kind, "base")) + own


def of_computes(chosen: settings.Settings) -> str:
    """The kind of image that a lab's compute hosts have."""
    return LIBVIRT if chosen.real_guests else "compute"


def exists(image):
    """Is the image there?"""
    return runtime.podman("image", "exists", image, check=False).returncode == 0


def of_lab(chosen: settings.Settings) -> tuple[str, ...]:
    """The kinds of images that a lab needs: the cloud's virtual environment is built in that of plain compute hosts."""
    return (*KINDS, LIBVIRT) if chosen.real_guests else KINDS


def build(chosen, progress, kinds):
    """Build the images that are missing, and remove those of former recipes.

    Of several programs that want an image at once, one builds it and the others wait.

    :param kinds: of hosts, those that are wanted
    :raises LabError: a build failed; the text names its log
    """
    if all(exists(name(chosen, kind)) for kind in kinds):
        return
    settings.CACHE.mkdir(parents=True, exist_ok=True)
    _ensure(chosen, "base", f"base of Debian {chosen.release}", progress)

    def build_lane(lane):
        for kind in lane:
            if kind in kinds:
                _ensure(chosen, kind, kind, progress)

    with concurrent.futures.ThreadPoolExecutor(len(LANES)) as lanes:
        list(lanes.map(build_lane, LANES))
    current = {name(chosen, kind) for kind in ("base", *KINDS, BUILD, LIBVIRT)}
    _remove({image for image in _all() if f":{chosen.release}-" in image} - current)


def remove_all():
    """Remove every image of the lab, of any recipe and release."""
    _remove(_all())


def logs():
    """The log files of the last builds."""
    return sorted(settings.CACHE.glob("image-*.log"))


def archive(index_targets, release):
    """The sources of a Debian release in the archive that a machine is configured for.

    :param index_targets: one line an index: URI, origin, label and component, separated by blanks
    :returns: the text of a sources.list
    :raises LabError: the machine knows no Debian archive
    """
    uris = {}
    for line in index_targets.splitlines():
        uri, origin, label, component = line.split()
        if origin == "Debian" and component == "main":
            uris.setdefault(label, uri)
    if "Debian" not in uris:
        raise LabError("apt knows no Debian archive: see that /etc/apt has one, and run apt-get update")
    suites = [(uris["Debian"], release), (uris["Debian"], f"{release}-updates")]
    if "Debian-Security" in uris:
        suites.append((uris["Debian-Security"], f"{release}-security"))
    return "".join(f"deb [signed-by={KEYRING}] {uri} {suite} main\n" for uri, suite in suites)


def _ensure(chosen, kind, title, progress):
    with locks.held(f"image-{kind}"):
        if exists(name(chosen, kind)):
            return
        with progress.step(f"image: {title}"):
            if kind == "base":
                _build_base(chosen)
            else:
                _build_kind(chosen, kind)


def _build_base(chosen):
    form = "$(REPO_URI) $(ORIGIN) $(LABEL) $(COMPONENT)"
    targets = run("apt-get", "indextargets", "--format", form, "Identifier: Packages").stdout
    with tempfile.TemporaryDirectory(dir=settings.CACHE) as scratch:
        sources = pathlib.Path(scratch, "lab.list")
        sources.write_text(archive(targets, chosen.release))
        acquire = pathlib.Path(scratch, "acquire")  # proxies and the like, as this machine has them
        acquire.write_text(run("apt-config", "dump", "Acquire").stdout)
        tar = pathlib.Path(scratch, "base.tar")
        _logged(
            "base",
            *MMDEBSTRAP,
            f"--aptopt={acquire}",
            f"--customize-hook={RECIPES / 'base.sh'} \"$1\"",
            *(chosen.release, tar, sources),
        )
        _logged("base", "podman", "import", tar, name(chosen, "base"))


def _build_kind(chosen, kind):
    _logged(
        kind,
        *("podman", "build", "--isolation=chroot", "--network=host", "--layers=false"),
        f"--build-arg=BASE={name(chosen, _BUILT_ON.get(kind, 'base'))}",
        *(f"--file={RECIPES / kind}.containerfile", f"--tag={name(chosen, kind)}", RECIPES),
    )


def _logged(kind, *command):
    log = settings.CACHE / f"image-{kind}.log"
    done = run(*command, timeout=900, check=False, env={**os.environ, **runtime.ENVIRONMENT})
    log.write_text(done.stdout + done.stderr)
    if done.returncode != 0:
        raise LabError(f"building the image of {kind} failed (exit code {done.returncode}); see {log}")


def _all():
    form = "{{.Repository}}:{{.Tag}}"
    listed = runtime.podman("images", "--format", form, "--filter", f"reference={REPOSITORY}/*").stdout
    return set(listed.split())


def _remove(images):
    for image in images:
        # One that a container still uses goes with a later build.
        runtime.podman("rmi", image, check=False)
