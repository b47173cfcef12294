# SPDX-License-Identifier: Apache-2.0
"""A small HTTP server that plays Keystone, Nova and Glance."""

import contextlib
import http.server
import json
import socket
import ssl
import threading

from nova_ha.config import loader

PARAMETERS = {"username": "u", "password": "sesame", "tenant_name": "t", "user_domain": "d", "project_domain": "d"}
SERVICES = "/v2.1/os-services"
TOKENS = ("POST", "/v3/auth/tokens")


class Cloud(http.server.ThreadingHTTPServer):
    """Answers GETs from ``pages`` (by path, with or without query) and everything from ``answers``.

    It remembers what it was asked.

    :param certificate: files of a certificate and its key, for HTTPS
    """

    daemon_threads = True

    def __init__(self, port=0, certificate=None):
        super().__init__(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.url = self.url.replace("http", "https")
        self.pages = {"/v2.1/": {"version": {"id": "v2.1", "version": "2.100"}}, SERVICES: {"services": []}}
        # (method, path) -> status, or (status, headers), or "drop", or "hang" until the test is over
        self.answers = {}
        self.headers = {"x-openstack-request-id": "req-7"}
        self.asked = []
        self.catalog = {"compute": f"{self.url}/v2.1", "image": self.url}
        self.tokens = []  # those that Keystone gave out
        self.expire_at = "2999-01-01T00:00:00.000000Z"  # all of them
        self.revoked = set()
        self.refused = 0  # requests with one of these
        self.asked_for_tokens = 0
        self.password = PARAMETERS["password"]
        self.waiting = 0  # requests that hang
        self.over = threading.Event()

    def conf(self, **more):
        given = {"auth_url": f"{self.url}/v3", **PARAMETERS, **more}
        given["auth_url"] = given["auth_url"].format(url=self.url, port=self.server_port)
        return loader.load(given)

    def session(self, **more):
        conf = self.conf(**more)
        return loader.session(conf), conf.nova.valid_interfaces, conf.nova.region_name

    def reader(self, **more):
        found = loader.reader(self.conf(**more))
        found.connect()
        return found

    def nova(self, **more):
        found = loader.cloud(self.conf(**more))
        found.connect()
        return found

    def revoke(self):
        self.revoked.update(self.tokens)

    def posts(self):
        return [body for method, _, _, body in self.asked if method == "POST"]


class Handler(http.server.BaseHTTPRequestHandler):
    def _any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/elsewhere"):
            return self._answer(404, {})
        if self.path == TOKENS[1]:
            self.server.asked_for_tokens += 1
            status, page = self._token(body)
        elif self.headers.get("X-Auth-Token") in self.server.revoked:
            self.server.refused += 1
            return self._answer(401, {})
        else:
            self.server.asked.append((self.command, self.path, self.headers.get("OpenStack-API-Version"), body))
            status, page = 200, self._page()
        answer = self.server.answers.get((self.command, self.path), status)
        if answer == "hang":
            self.server.waiting += 1
            self.server.over.wait()
            answer = "drop"
        if answer == "drop":
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return None
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        return self._answer(status, page, headers)

    do_GET = do_POST = do_PUT = do_DELETE = _any

    def _page(self):
        pages = self.server.pages
        return pages.get(self.path, pages.get(self.path.partition("?")[0], {}))

    def _token(self, body):
        if json.dumps(self.server.password).encode() not in body:
            return 401, {"error": {"message": "wrong", "code": 401}}
        endpoints = [
            {
                "type": kind,
                "endpoints": [{"interface": "internal", "region_id": "R", "region": "R", "url": url, "id": kind}],
            }
            for kind, url in self.server.catalog.items()
        ]
        token = {"methods": ["password"], "expires_at": self.server.expire_at, "catalog": endpoints}
        self.server.tokens.append(f"token-{len(self.server.tokens)}")
        return 201, {"token": {**token, "user": {"id": "u", "name": "u", "domain": {"id": "d", "name": "d"}}}}

    def _answer(self, status, page, headers=None):
        text = page if isinstance(page, bytes) else json.dumps(page).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Content-Type", "application/json")
        if self.path == TOKENS[1] and status == 201:
            self.send_header("X-Subject-Token", self.server.tokens[-1])
        for name, value in {**self.server.headers, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def running(port=0, certificate=None):
    with Cloud(port, certificate) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()
