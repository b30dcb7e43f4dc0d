#!/usr/bin/env python3
"""A service for Forebay with nothing but Python's standard library.

It receives one record a request and answers 200 when the record is done. Anything else, or no
answer in time, and the record comes again; the idempotency key tells a repeat from a new one.

    python3 examples/python/service.py --port 8000
    forebay run --kafka localhost:9092 --topic payments --to http://localhost:8000/records
"""

import argparse
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

REMEMBERED = 100_000


class Done:
    """The idempotency keys of the last records that were done. A real service keeps them in the
    same transaction as its effect, so that they survive its own crash."""

    def __init__(self):
        self.lock = threading.Lock()
        self.keys = {}

    def first_time(self, key):
        with self.lock:
            if key in self.keys:
                return False
            if len(self.keys) >= REMEMBERED:
                del self.keys[next(iter(self.keys))]
            self.keys[key] = True
            return True


DONE = Done()


class Records(BaseHTTPRequestHandler):
    # Without this, each record would need a connection of its own.
    protocol_version = "HTTP/1.1"
    # Headers and body leave in one packet.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self):
        value = self.rfile.read(int(self.headers.get("content-length", 0)))
        if DONE.first_time(self.headers["idempotency-key"]):
            self.process(value)
        self.answer(200)

    def process(self, value):
        key = self.headers.get("forebay-key")
        record = {
            "topic": self.headers["forebay-topic"],
            "partition": int(self.headers["forebay-partition"]),
            "offset": int(self.headers["forebay-offset"]),
            "key": None if key is None else unquote(key),
            "value": value.decode("utf-8", "replace"),
        }
        sys.stdout.write(json.dumps(record) + "\n")
        sys.stdout.flush()

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    server = Server(("127.0.0.1", parser.parse_args().port), Records)
    print(f"listening on http://127.0.0.1:{server.server_port}/records", file=sys.stderr, flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
