# SPDX-License-Identifier: Apache-2.0
"""What stands in Keystone: services, endpoints, projects, users; and a client small enough to put it there.

Everything is looked up before it is made, so that it can be run again.
"""

import contextlib
import http.client
import json
import urllib.parse

from tests.lab import settings as lab
from tests.lab.cloud import configuration, layout
from tests.lab.passwords import password
from tests.lab.shell import LabError

AGENT_USER = "nova-ha"
WORKLOAD_USER = WORKLOAD_PROJECT = "workload"


class Api:
    """JSON over HTTP to the cloud's APIs on their own ports, with one token.

    :param token: sent with each request when given
    """

    def __init__(self, token=None):
        self._headers = {"Content-Type": "application/json", **({"X-Auth-Token": token} if token else {})}

    def request(self, port, method, path, content=None, timeout=30):
        """One request.

        :return: (status, headers, parsed body or None); status None when nothing answers on the port
        """
        connection = http.client.HTTPConnection(lab.address(lab.CLOUD), port, timeout=timeout)
        try:
            connection.request(method, path, None if content is None else json.dumps(content), self._headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):
            return None, {}, None
        finally:
            connection.close()
        try:
            return answer.status, answer.headers, json.loads(body) if body else None
        except ValueError:
            return answer.status, answer.headers, None

    def keystone(self, method, path, content=None):
        """One request to Keystone that has to succeed.

        :raises LabError: it did not
        """
        status, _, body = self.request(layout.KEYSTONE_PORT, method, f"/v3{path}", content)
        if status is None or status >= 300:
            raise LabError(f"Keystone: {method} {path}: {status}: {body}; see {layout.LOGS / 'keystone.log'}")
        return body


def token(user, secret, project):
    """A token, or None while Keystone does not give one."""
    content = {
        "auth": {
            "identity": {
                "methods": ["password"],
                "password": {"user": {"name": user, "domain": {"id": "default"}, "password": secret}},
            },
            "scope": {"project": {"name": project, "domain": {"id": "default"}}},
        }
    }
    status, headers, _ = Api().request(layout.KEYSTONE_PORT, "POST", "/v3/auth/tokens", content)
    return headers["X-Subject-Token"] if status == 201 else None


def revoke_tokens(user):
    """Make all tokens worthless that a user was given, by giving him the password that he has.

    What a service has found to be valid in the last minutes it believes on, until it is restarted.

    :raises LabError: Keystone refused
    """
    api = Api(token("admin", password("openstack-admin"), "admin"))
    ident = api.keystone("GET", f"/users?name={user}")["users"][0]["id"]
    api.keystone("PATCH", f"/users/{ident}", {"user": {"password": password(f"openstack-{user}")}})


@contextlib.contextmanager
def application_credential(user, project, access_rules):
    """Give a user of a project a credential with all his roles there, for some requests only, as long as this lasts.

    :param access_rules: as Keystone's API takes them
    :return: options of keystoneauth, ``{name: value}``
    :raises LabError: Keystone refused
    """
    api = Api(token(user, password(f"openstack-{user}"), project))
    (found,) = Api(token("admin", password("openstack-admin"), "admin")).keystone("GET", f"/users?name={user}")["users"]
    credentials = f"/users/{found['id']}/application_credentials"
    asked = {"name": "limited", "secret": password("application-credential"), "access_rules": access_rules}
    made = api.keystone("POST", credentials, {"application_credential": asked})["application_credential"]
    try:
        yield {
            "auth_type": "v3applicationcredential",
            "auth_url": configuration.keystone_url(),
            "application_credential_id": made["id"],
            "application_credential_secret": asked["secret"],
        }
    finally:
        api.keystone("DELETE", f"{credentials}/{made['id']}")


def populate(api):
    """Make what ``keystone-manage bootstrap`` does not: services, endpoints, projects, users and their roles.

    :param api: ``Api`` with a token of the administrator
    :raises LabError: Keystone refused something
    """
    for service_type, name, url, direct_url in _catalog():
        service = _ensure(api, "services", {"type": service_type, "name": name}, {"type": service_type})
        for interface in ("public", "internal", "admin"):
            key = {"service_id": service, "interface": interface, "region_id": layout.REGION}
            # The agents' default is the internal one, which is therefore recorded.
            _ensure(api, "endpoints", {**key, "url": direct_url if interface == "admin" else url}, key)
    roles = {role["name"]: role["id"] for role in api.keystone("GET", "/roles")["roles"]}
    projects = {name: _ensure(api, "projects", {"name": name, "domain_id": "default"}, {"name": name})
                for name in ("service", WORKLOAD_PROJECT)}  # fmt: skip
    for name in configuration.SERVICE_USERS:
        _user(api, name, projects["service"], (roles["admin"], roles["service"]))
    _user(api, AGENT_USER, projects["service"], (roles["admin"],))
    _user(api, WORKLOAD_USER, projects[WORKLOAD_PROJECT], (roles["admin"],))


def _catalog():
    def url(port, path=""):
        return f"http://{lab.address(lab.CLOUD)}:{port}{path}"

    glance, placement, neutron = url(layout.GLANCE_PORT), url(layout.PLACEMENT_PORT), url(layout.NEUTRON_PORT)
    return (
        ("image", "glance", glance, glance),
        ("placement", "placement", placement, placement),
        ("network", "neutron", neutron, neutron),
        ("compute", "nova", url(layout.NOVA_PORT, "/v2.1"), url(layout.NOVA_DIRECT_PORT, "/v2.1")),
    )


def _ensure(api, collection, content, key):
    """The id of the thing that ``key`` selects, made from ``content`` when it is not there."""
    found = api.keystone("GET", f"/{collection}?{urllib.parse.urlencode(key)}")[collection]
    if found:
        return found[0]["id"]
    kind = collection[:-1]
    return api.keystone("POST", f"/{collection}", {kind: content})[kind]["id"]


def _user(api, name, project, roles):
    content = {"name": name, "domain_id": "default", "password": password(f"openstack-{name}")}
    user = _ensure(api, "users", content, {"name": name})
    for role in roles:
        api.keystone("PUT", f"/projects/{project}/users/{user}/roles/{role}")
