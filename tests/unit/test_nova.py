# SPDX-License-Identifier: Apache-2.0
"""The door to the cloud, against a small HTTP server that plays Keystone, Nova and Glance."""

import http.server
import json
import socket
import threading

import pytest

from nova_ha import config
from nova_ha.nova import Misconfigured, Nova, Refused, Unreachable
from tests.unit.worlds import instance

PARAMETERS = {"username": "u", "password": "sesame", "tenant_name": "t", "user_domain": "d", "project_domain": "d"}


class Cloud(http.server.ThreadingHTTPServer):
    """Answers GETs from ``pages`` and everything from ``answers``; remembers what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.pages = {"/v2.1/": {"version": {"id": "v2.1", "version": "2.100"}}}
        self.answers = {}  # (method, path) -> status, or "drop"
        self.asked = []

    def nova(self, **more):
        given = {"auth_url": f"{self.url}/v3", **PARAMETERS, **more}
        given["auth_url"] = given["auth_url"].format(url=self.url, port=self.server_port)
        conf = config.load(given)
        found = Nova(config.session(conf), conf.nova.valid_interfaces, conf.nova.region_name)
        found.connect()
        return found


class Handler(http.server.BaseHTTPRequestHandler):
    def _any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/elsewhere"):
            return self._answer(404, {})
        if self.path.endswith("/v3/auth/tokens"):
            return self._answer(*self._token(body))
        self.server.asked.append((self.command, self.path, self.headers.get("OpenStack-API-Version"), body))
        answer = self.server.answers.get((self.command, self.path), 200)
        if answer == "drop":
            self.connection.shutdown(socket.SHUT_RDWR)
            return None
        return self._answer(answer, self.server.pages.get(self.path, {}))

    do_GET = do_POST = do_PUT = _any

    def _token(self, body):
        if b"sesame" not in body:
            return 401, {"error": {"message": "wrong", "code": 401}}
        endpoints = [
            {
                "type": kind,
                "endpoints": [{"interface": "internal", "region_id": "R", "region": "R", "url": url, "id": kind}],
            }
            for kind, url in (("compute", f"{self.server.url}/v2.1"), ("image", self.server.url))
        ]
        token = {"methods": ["password"], "expires_at": "2999-01-01T00:00:00.000000Z", "catalog": endpoints}
        return 201, {"token": {**token, "user": {"id": "u", "name": "u", "domain": {"id": "d", "name": "d"}}}}

    def _answer(self, status, page):
        text = page if isinstance(page, bytes) else json.dumps(page).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Subject-Token", "a-token")
        self.send_header("x-openstack-request-id", "req-7")
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@pytest.fixture
def cloud():
    with Cloud() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("offered", "used"), [("2.100", "2.94"), ("2.93", "2.93"), ("2.60", "2.60")])
def test_no_microversion_that_changes_power_states_is_used(cloud, offered, used):
    cloud.pages["/v2.1/"]["version"]["version"] = offered
    cloud.pages["/v2.1/os-services?binary=nova-compute"] = {"services": []}
    cloud.nova().services()
    assert cloud.asked[-1][2] == f"compute {used}"


def test_a_nova_too_old_is_said_so(cloud):
    cloud.pages["/v2.1/"]["version"]["version"] = "2.53"
    with pytest.raises(Misconfigured, match="2.53; 2.59 is needed"):
        cloud.nova()


def test_lists_are_read_to_the_last_page(cloud):
    def page(number, link):
        record = {"id": number, "instance_uuid": "i", "status": "done", "source_compute": "a b", "dest_compute": None}
        links = [{"rel": "next", "href": f"http://elsewhere/v2.1/os-migrations?{link}"}] if link else []
        return {"migrations": [record], "migrations_links": links}

    first = "/v2.1/os-migrations?migration_type=evacuation&source_compute=a%20b"
    cloud.pages[first] = page(9, "marker=x")
    cloud.pages["/v2.1/os-migrations?marker=x"] = page(3, None)
    assert [record.id for record in cloud.nova().evacuations("a b")] == [3, 9]


def test_what_operators_marked_costs_three_requests(cloud):
    cloud.pages["/v2.1/flavors/detail?is_public=None"] = {
        "flavors": [{"extra_specs": {}}, {"extra_specs": {"evacuable": "true"}}]
    }
    cloud.pages["/v2/images?evacuable=true"] = {"images": [{"id": "a"}], "next": "/v2/images?marker=a"}
    cloud.pages["/v2/images?marker=a"] = {"images": [{"id": "b"}]}
    cloud.pages["/v2/images?tag=evacuable"] = {"images": [{"id": "c"}]}
    policy = cloud.nova().policy()
    assert (policy.flavors_tagged, policy.images) == (True, {"a", "b", "c"})


@pytest.mark.parametrize(
    ("answer", "error", "sent"),
    [
        (400, Refused, None),
        (403, Refused, None),
        (409, Refused, None),
        (429, Refused, None),
        (500, Unreachable, True),
        (502, Unreachable, True),
        (503, Unreachable, False),
        (504, Unreachable, True),
        ("drop", Unreachable, True),
    ],
)
def test_what_an_answer_says_of_the_request(cloud, answer, error, sent):
    nova = cloud.nova()
    cloud.answers[("POST", "/v2.1/servers/i1/action")] = answer
    with pytest.raises(error) as caught:
        nova.evacuate(instance())
    if sent is not None:
        assert caught.value.sent is sent
    # No layer below may repeat it.
    assert len([1 for method, *_ in cloud.asked if method == "POST"]) == 1


def test_a_request_that_never_left_is_known_not_to_have_happened(cloud):
    nova = cloud.nova()
    cloud.shutdown()
    cloud.server_close()
    with pytest.raises(Unreachable, match="Connection refused") as caught:
        nova.evacuate(instance())
    assert caught.value.sent is False


def test_the_request_id_is_what_an_operator_can_search_for(cloud):
    assert cloud.nova().evacuate(instance()) == "req-7"
    assert cloud.asked[-1][3] == b'{"evacuate": {}}'


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"password": "wrong-one"}, "credentials are refused"),
        ({"region_name": "Atlantis"}, "Atlantis"),
        ({"auth_url": "{url}/elsewhere"}, "auth_url is correct"),
        ({"auth_url": "{url}/elsewhere/v3"}, "auth_url is correct"),
        ({"auth_url": "https://127.0.0.1:{port}/v3"}, "SSL"),
        ({"endpoint_type": "adminURL"}, "admin"),
    ],
)
def test_what_only_an_operator_can_mend_is_said_without_the_password(cloud, more, text):
    with pytest.raises(Misconfigured, match=text) as caught:
        cloud.nova(**more)
    assert "wrong-one" not in str(caught.value)


def test_a_catalog_that_leads_elsewhere_is_an_operators_to_mend(cloud):
    cloud.answers[("GET", "/v2.1/")] = 404
    with pytest.raises(Misconfigured, match="Nova is not where Keystone says"):
        cloud.nova()


def test_what_is_not_openstack_is_waited_out(cloud):
    cloud.pages["/v2.1/"] = b"<html>maintenance</html>"
    with pytest.raises(Unreachable, match="not OpenStack"):
        cloud.nova()
