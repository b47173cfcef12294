# SPDX-License-Identifier: Apache-2.0
"""The recording proxy: which rule applies, what is written down, and what client and Nova see of each effect."""

import http.client
import http.server
import json
import pathlib
import tempfile
import threading
import unittest

from tests.lab.cloud import proxy

INSTANCE = "11111111-2222-3333-4444-555555555555"
ACTION = f"/v2.1/servers/{INSTANCE}/action"


class RuleTest(unittest.TestCase):
    def matches(self, **fields):
        return proxy.Rule(name="r", status=503, **fields).matches("POST", ACTION + "?x=1", "evacuate")

    def test_what_is_not_said_matches_everything(self):
        self.assertTrue(self.matches())

    def test_every_condition_must_hold(self):
        table = (
            ({"method": "POST"}, True),
            ({"method": "GET"}, False),
            ({"path": "/servers/[^/]+/action"}, True),
            ({"path": "os-services"}, False),
            ({"action": "evacuate"}, True),
            ({"action": "os-stop"}, False),
            ({"method": "POST", "action": "os-stop"}, False),
        )
        for fields, expected in table:
            with self.subTest(fields):
                self.assertEqual(self.matches(**fields), expected)

    def test_a_rule_without_a_clear_effect_is_refused(self):
        table = (
            {},
            {"status": 500, "refuse": True},
            {"refuse": True, "drop_reply": True},
            {"status": 500, "path": "("},
            {"drop_reply": True, "late": True},
            {"refuse": True, "retry_after": 3},
        )
        for fields in table:
            with self.subTest(fields), self.assertRaises(ValueError):
                proxy.Rule(name="r", **fields)


class RulesTest(unittest.TestCase):
    def test_count_is_used_up(self):
        rules = proxy.Rules()
        rules.replace([{"name": "twice", "status": 503, "count": 2}])
        chosen = [rules.choose("GET", "/", None) for _ in range(3)]
        self.assertEqual([rule and rule.name for rule in chosen], ["twice", "twice", None])

    def test_share_leaves_the_others_to_the_next_rule(self):
        chances = iter((0.2, 0.7))
        rules = proxy.Rules(chance=lambda: next(chances))
        rules.replace([{"name": "half", "status": 503, "share": 0.5}])
        self.assertEqual(rules.choose("GET", "/", None).name, "half")
        self.assertIsNone(rules.choose("GET", "/", None))

    def test_wrong_rules_leave_the_former_ones_in_force(self):
        rules = proxy.Rules()
        rules.replace([{"name": "old", "refuse": True}])
        for wrong in ([{"name": "new", "nonsense": 1}], [{"name": "new"}]):
            with self.assertRaises(ValueError):
                rules.replace(wrong)
        self.assertEqual([rule["name"] for rule in rules.current()], ["old"])


class DescribeTest(unittest.TestCase):
    def test_table(self):
        service = "/v2.1/os-services/6e6f7661-0000-0000-0000-000000000001"
        nothing = {"action": None, "instance": None, "service": None}
        table = (
            ("POST", ACTION, b'{"evacuate": {}}', {**nothing, "action": "evacuate", "instance": INSTANCE}),
            ("POST", ACTION, b"not json", {**nothing, "instance": INSTANCE}),
            ("PUT", service, b'{"forced_down": true}', {**nothing, "service": {"forced_down": True}}),
            ("GET", "/v2.1/os-services?binary=nova-compute", b"", nothing),
            ("GET", f"/v2.1/servers/{INSTANCE}", b"", nothing),
            ("POST", "/v2.1/servers", b'{"server": {}}', nothing),
        )
        for method, path, body, expected in table:
            with self.subTest(path=path, body=body):
                self.assertEqual(proxy.describe(method, path, body), expected)


class Nova(http.server.BaseHTTPRequestHandler):
    """Stands in for nova-api: remembers requests, answers with the Host it was asked for."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, body))
        reply = self.headers["Host"].encode() if self.command == "GET" else b""
        self.send_response(200 if reply else 202)
        self.send_header("x-openstack-request-id", "req-1")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    do_GET = do_POST = handle_any


class PassingOnTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.log = pathlib.Path(directory.name, "requests.jsonl")
        self.nova = self.serve(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nova))
        self.nova.seen = []
        self.rules = proxy.Rules()
        upstream = ("127.0.0.1", self.nova.server_port)
        server = self.serve(proxy.Server(0, proxy.ProxyHandler, self.rules, proxy.Journal(self.log), upstream))
        self.connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        self.addCleanup(self.connection.close)

    def serve(self, server):
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def ask(self, method="GET", path="/v2.1/servers", body=None):
        headers = {"User-Agent": "engine", "OpenStack-API-Version": "compute 2.90", "Host": "cloud:8774"}
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        return answer.status, answer.read()

    def evacuate(self):
        return self.ask("POST", ACTION, b'{"evacuate": {}}')

    def line(self):
        # The line follows the answer: close, so that the handler has come to its end.
        self.connection.close()
        deadline = threading.Event()
        for _ in range(500):
            if self.log.read_text():
                return json.loads(self.log.read_text().splitlines()[-1])
            deadline.wait(0.01)
        self.fail("nothing was written down")

    def test_passes_on_unchanged_and_writes_it_down(self):
        self.assertEqual(self.ask(path="/v2.1/servers?limit=1"), (200, b"cloud:8774"))
        line = self.line()
        told = {key: line[key] for key in line if key not in ("time", "duration")}
        self.assertEqual(told, {
            "method": "GET", "path": "/v2.1/servers?limit=1", "action": None, "instance": None, "service": None,
            "microversion": "compute 2.90", "status": 200, "request_id": "req-1", "client": "engine", "injected": None,
        })  # fmt: skip

    def test_keeps_the_connection(self):
        self.ask()
        socket = self.connection.sock
        self.ask("POST", ACTION, b'{"evacuate": {}}')
        self.ask()
        self.assertIs(self.connection.sock, socket)

    def test_status_does_not_reach_nova(self):
        self.rules.replace([{"name": "busy", "status": 503}])
        self.assertEqual(self.evacuate()[0], 503)
        self.assertEqual(self.nova.seen, [])
        self.assertEqual((self.line()["status"], self.line()["injected"]), (503, "busy"))

    def test_a_busy_answer_says_when_to_ask_again(self):
        self.rules.replace([{"name": "busy", "status": 429, "retry_after": 3}])
        self.connection.request("GET", "/v2.1/servers")
        answer = self.connection.getresponse()
        answer.read()
        self.assertEqual((answer.status, answer.headers["Retry-After"]), (429, "3"))

    def test_a_late_status_hides_what_nova_did(self):
        self.rules.replace([{"name": "gateway", "status": 502, "late": True}])
        self.assertEqual(self.evacuate()[0], 502)
        self.assertEqual(len(self.nova.seen), 1)
        line = self.line()
        self.assertEqual((line["status"], line["injected"], line["request_id"]), (502, "gateway", "req-1"))

    def test_refusal_does_not_reach_nova(self):
        self.rules.replace([{"name": "gone", "refuse": True}])
        with self.assertRaises(http.client.RemoteDisconnected):
            self.evacuate()
        self.assertEqual(self.nova.seen, [])
        self.assertIsNone(self.line()["status"])

    def test_a_dropped_reply_is_done_by_nova_once(self):
        self.rules.replace([{"name": "lost", "drop_reply": True}])
        with self.assertRaises(http.client.RemoteDisconnected):
            self.evacuate()
        self.assertEqual(len(self.nova.seen), 1)
        line = self.line()
        self.assertEqual((line["status"], line["action"], line["request_id"]), (None, "evacuate", "req-1"))

    def test_latency_comes_before_nova(self):
        self.rules.replace([{"name": "slow", "latency": 0.2}])
        self.assertEqual(self.evacuate()[0], 202)
        self.assertGreaterEqual(self.line()["duration"], 0.2)

    def test_what_is_held_back_reaches_nova_though_its_client_has_gone(self):
        self.rules.replace([{"name": "held back", "latency": 0.2}])
        self.connection.request("POST", ACTION, b'{"evacuate": {}}')
        self.connection.close()
        line = self.line()
        self.assertEqual(len(self.nova.seen), 1)
        self.assertEqual((line["injected"], line["request_id"]), ("held back", "req-1"))

    def test_a_dead_nova_is_a_503(self):
        self.nova.shutdown()
        self.nova.server_close()
        self.assertEqual(self.evacuate()[0], 503)
        self.assertIsNone(self.line()["injected"])


if __name__ == "__main__":
    unittest.main()
