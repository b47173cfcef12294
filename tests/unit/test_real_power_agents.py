# SPDX-License-Identifier: Apache-2.0
"""fence_compute with fence agents of the distribution as its power agent: the very programs, against small stand-ins.

fence_redfish asks a BMC on the loopback interface; fence_ipmilan runs an ipmitool that is scripted.
"""

import base64
import http.server
import json
import ssl
import subprocess
import threading

import pytest

from tests.unit.pacemaker import Pacemaker

SYSTEM = "/redfish/v1/Systems/1"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    key, file = (tmp_path_factory.mktemp("bmc") / name for name in ("key", "certificate"))
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", key, "-out", file, "-subj", "/CN=localhost", "-days", "2"]
    subprocess.run(command, check=True, capture_output=True)
    return file, key


class Bmc(http.server.ThreadingHTTPServer):
    """A Redfish service of one system.

    :ivar power: what it says of its power
    :ivar obeys: whether it does as it is told
    :ivar told: the resets that it was told
    """

    def __init__(self, certificate):
        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.power, self.obeys, self.told = "On", True, []

    def handle_error(self, request, client_address):
        pass  # a client that does not trust the certificate


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_arguments):
        pass

    def do_GET(self):
        reset = {"#ComputerSystem.Reset": {"target": f"{SYSTEM}/Actions/ComputerSystem.Reset"}}
        found = {
            "/redfish/v1": {"Systems": {"@odata.id": "/redfish/v1/Systems"}},
            "/redfish/v1/Systems": {"Members": [{"@odata.id": SYSTEM}]},
            SYSTEM: {"PowerState": self.server.power, "Actions": reset},
        }
        self._answer(found.get(self.path))

    def do_POST(self):
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["ResetType"]
        if self._known():
            self.server.told.append(told)
            if self.server.obeys:
                self.server.power = {"ForceOff": "Off", "On": "On"}[told]
        self._answer({})

    def _known(self):
        return self.headers.get("Authorization") == "Basic " + base64.b64encode(b"admin:bMc").decode()

    def _answer(self, body):
        text = json.dumps(body if self._known() else {"error": {"message": "unauthorized"}}).encode()
        self.send_response(200 if self._known() else 401)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


@pytest.fixture
def bmc(certificate):
    server = Bmc(certificate)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def redfish(bmc, *more):
    """The lines of a device that speaks to a BMC, with more of them or others; an empty value leaves one out."""
    lines = {"nodename": "compute-1", "plug": "compute-1", "power_agent": "fence_redfish", "ssl_insecure": "1"}
    lines |= {"ip": "127.0.0.1", "ipport": str(bmc.server_port), "username": "admin", "password": "bMc"}
    lines |= {"systems_uri": SYSTEM, "power_timeout": "2"}
    lines |= dict(line.split("=", 1) for line in more)
    return [f"{name}={value}" for name, value in lines.items() if value]


def test_redfish_powers_off_and_on_and_the_host_is_flagged(agent, bmc, capsys):
    pacemaker = Pacemaker({"compute-1": None})
    assert agent(pacemaker, "action=reboot", *redfish(bmc)) == 0
    assert bmc.told == ["ForceOff", "On"]
    assert pacemaker.flags == {"compute-1": "yes"}
    assert agent(pacemaker, "action=off", *redfish(bmc)) == 0
    assert agent(pacemaker, "action=status", *redfish(bmc)) == 2
    assert agent(pacemaker, "action=monitor", *redfish(bmc)) == 0
    assert capsys.readouterr().out == "Success: Rebooted\nSuccess: Powered OFF\nStatus: OFF\n"


@pytest.mark.parametrize(
    ("more", "obeys", "text"),
    [
        ((), False, "fence_redfish off: Timed out waiting to power OFF"),
        (("password=wr0ng",), True, "fence_redfish off: Unable to get PowerState"),
        (("ssl_insecure=",), True, "fence_redfish off: send_get_request: "),
        (("systems_uri=/nosuch",), True, "fence_redfish off: Unable to get PowerState"),
        (("ipport=1",), True, "fence_redfish off: send_get_request: "),
    ],
    ids=["disobeys", "password", "certificate", "no-such-system", "nobody-there"],
)
def test_redfish_that_fails_is_a_failed_fence(agent, bmc, capsys, more, obeys, text):
    pacemaker, bmc.obeys = Pacemaker({"compute-1": None}), obeys
    assert agent(pacemaker, "action=off", *redfish(bmc, *more)) == 1
    assert (pacemaker.written, bmc.power) == ([], "On")
    told = capsys.readouterr().err
    assert f"compute-1 is not proved to be off, and is not flagged: {text}" in told
    assert "wr0ng" not in told
    assert "bMc" not in told


# An ipmitool with a BMC for each address that it is given.
IPMITOOL = """#!/bin/sh
address=""
for word in "$@"; do
    [ "$previous" = -H ] && address=$word
    previous=$word
done
power={directory}/power-$address
[ -e "$power" ] || echo on >"$power"
echo "$address: $*" >>{directory}/calls
case "$*" in
    *"power off"*) echo off >"$power" ;;
    *"power on"*) echo on >"$power" ;;
esac
echo "Chassis Power is $(cat "$power")"
"""


@pytest.fixture
def ipmitool(tmp_path):
    program = tmp_path / "ipmitool"
    program.write_text(IPMITOOL.format(directory=tmp_path))
    program.chmod(0o755)
    return program


def ipmilan(program, *more):
    common = ("username=admin", "password=bMc", "lanplus=1", "cipher=3", "power_wait=0")
    return (*common, f"power_options=ipmitool_path={program}", *more)


def powered(program):
    return {path.name.partition("-")[2]: path.read_text().strip() for path in program.parent.glob("power-*")}


@pytest.mark.parametrize(
    "more",
    [
        ("plug=compute-2", "ip=192.0.2.2"),
        ("plug=192.0.2.2", "port_as_ip=1"),
    ],
    ids=["one-device-for-a-host", "one-device-for-all"],
)
def test_ipmilan_powers_off_the_host_that_is_flagged_and_no_other(agent, ipmitool, more):
    pacemaker = Pacemaker({"compute-1": None, "compute-2": None})
    assert agent(pacemaker, "action=off", "nodename=compute-2", *ipmilan(ipmitool, *more)) == 0
    assert powered(ipmitool) == {"192.0.2.2": "off"}
    assert pacemaker.flags == {"compute-1": None, "compute-2": "yes"}
    calls = (ipmitool.parent / "calls").read_text()
    assert "-C 3" in calls
    assert "lanplus" in calls


@pytest.mark.parametrize(
    ("device", "more"),
    [
        ({"ip": "192.0.2.2", "pcmk_host_list": "compute-1 compute-2"}, ("plug=compute-1", "ip=192.0.2.2")),
        ({"ip": "192.0.2.2", "pcmk_host_map": "compute-1:a;compute-2:b"}, ("plug=a", "ip=192.0.2.2")),
        (
            {"port_as_ip": "1", "pcmk_host_map": "compute-1:192.0.2.2;compute-2:192.0.2.2"},
            ("plug=192.0.2.2", "port_as_ip=1"),
        ),
    ],
    ids=["list", "plugs-that-it-does-not-look-at", "one-address-twice"],
)
def test_ipmilan_does_not_power_one_host_off_for_another(agent, ipmitool, capsys, device, more):
    options = f"ipmitool_path={ipmitool}"
    devices = [{**device, "power_options": options}]
    pacemaker = Pacemaker({"compute-1": None, "compute-2": None}, devices=devices)
    assert agent(pacemaker, "action=off", "nodename=compute-1", *ipmilan(ipmitool, *more)) == 1
    assert powered(ipmitool) == {}
    assert pacemaker.written == []
    assert "compute-1 is not powered off: by the devices' parameters its power is that of compute-2" in (
        capsys.readouterr().err
    )
