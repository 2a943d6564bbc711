"""Take every request, write it down as a JSON line, answer as Slack would. Standard library only.

    python receiver.py PORT FILE

Runs inside the sandbox's network namespace; ends when its standard input is closed.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs


class Handler(BaseHTTPRequestHandler):
    """Any path, any body."""

    file: Path

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        form = "urlencoded" in self.headers.get("Content-Type", "")
        entry = {
            "path": self.path,
            "authorization": self.headers.get("Authorization", ""),
            "body": parse_qs(body) if form else json.loads(body),
        }
        with self.file.open("a") as stream:
            stream.write(json.dumps(entry) + "\n")
        answer = json.dumps({"ok": True, "channel": "C1", "ts": "1.0"}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        """Nothing on the test's output."""


def main() -> None:
    Handler.file = Path(sys.argv[2])
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
