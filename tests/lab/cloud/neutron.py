#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A stub of Neutron: every collection is empty.

Instances are booted without networks, but Nova asks for the ports of each all the same and fails without an answer.
"""

import http.server
import json
import sys
import urllib.parse


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers ``GET /v2.0/ports`` with ``{"ports": []}``, and every other collection alike."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = 300

    def log_message(self, *args):
        """Nothing here is worth a log."""

    def do_GET(self):  # noqa: N802 (the name http.server calls)
        """An empty collection, named after the last part of the path."""
        collection = urllib.parse.urlsplit(self.path).path.rstrip("/").rpartition("/")[2].replace(".json", "")
        body = json.dumps({collection: []}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
