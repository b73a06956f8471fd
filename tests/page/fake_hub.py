#!/usr/bin/env python3
"""A hub that does not exist: the page's files and the API, over a simulated fleet.

    tests/page/fake_hub.py [BOARDS]      serves on 127.0.0.1:8667 until interrupted
"""
import http.server
import json
import os
import socket
import sys
import threading
import time
import urllib.parse

from fleet import Board, fleet

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/hub/web/page")
POLICY = ("default-src 'self'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript"}
TIERS = [("recent", 1, 3600), ("minute", 60, 14 * 86400), ("quarter", 900, 400 * 86400)]


def squeeze(text):
    """A file of the page as it is served: without indentation, comments that have lines of their own, and line breaks that mean nothing."""
    lines, comment = [], False
    for line in map(str.strip, text.split("\n")):
        start = comment or line.startswith("/*")
        if line and not start and not line.startswith("//"):
            lines.append(line)
        comment = start and "*/" not in line
    return "".join(line if line[-1] in "{;," and "//" not in line else line + "\n" for line in lines)


class Hub:
    def __init__(self, count=100, port=0):
        self.lock = threading.Condition()
        self.boards = {board.name: board for board in fleet(count, time.time())}
        self.changed, self.gone = set(), []
        self.frame, self.number = b"", 0
        self.server, self.port, self.running = None, port, True
        self.asked = []
        threading.Thread(target=self._tick, daemon=True).start()

    # What tests do to it.

    def start(self):
        self.server = Server(("127.0.0.1", self.port), Handler)
        self.server.hub, self.server.open = self, set()
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return f"http://127.0.0.1:{self.port}/"

    def stop(self):
        """As if it were killed: all connections end."""
        server, self.server = self.server, None
        server.shutdown()
        server.server_close()
        for connection in list(server.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def set(self, name, **changes):
        with self.lock:
            board = self.boards[name]
            for key, value in changes.items():
                setattr(board, key, value)
            self.changed.add(name)

    def add(self, name, **changes):
        import random
        with self.lock:
            board = self.boards[name] = Board(len(self.boards), name, "house", 1, random.Random(name), time.time())
            for key, value in changes.items():
                setattr(board, key, value)
            self.changed.add("+" + name)

    def remove(self, name):
        with self.lock:
            del self.boards[name]
            self.gone.append(name)

    # What it does.

    def _tick(self):
        due = time.time()
        while self.running:
            due += 1
            time.sleep(max(0, due - time.time()))
            with self.lock:
                now, hosts = time.time(), []
                for board in self.boards.values():
                    if not board.silent:
                        board.heard = round(now - (board.index % 10) / 20, 3)
                    if "+" + board.name in self.changed:
                        hosts.append(board.host(now))
                    elif board.name in self.changed:
                        hosts.append({key: value for key, value in board.host(now).items() if key not in ("source", "model", "tags")})
                    elif not board.silent:
                        hosts.append({"name": board.name, "heard": board.heard, "values": board.live(board.heard)})
                self.frame = json.dumps({"now": now, "hosts": hosts, "gone": self.gone}, separators=(",", ":")).encode()
                self.changed, self.gone = set(), []
                self.number += 1
                self.lock.notify_all()

    def hosts(self):
        now = time.time()
        return {"now": now, "hosts": [board.host(now) for board in self.boards.values()]}

    def host(self, name):
        board = self.boards.get(name)
        if board is None:
            return None
        now = time.time()
        return {**board.host(now), "address": "192.168.1.20:49152", "addresses": ["192.168.1.20"], "first_heard": now - 40 * 86400, "interval": 1.0,
                "reports": 2410000, "lost": 0, "duplicates": 2, "late": 421 if board.filled else 0, "conflict": None,
                "boots": [{"at": board.booted}], "restarts": [], "filled": [{"from": a, "to": b} for a, b in board.filled]}

    def history(self, name, series, start, end, points):
        board = self.boards.get(name)
        if board is None:
            return None
        tier, step, _ = next((tier for tier in TIERS if end - start <= tier[2] * 1.01), TIERS[-1])
        step = max(step, -(-(end - start) // points // step) * step)
        columns = {"t": [], "avg": [], "min": [], "max": []}
        t = start - start % step
        while t <= end:
            samples = [v for k in range(4 if step > 1 else 1) if (v := board.number(series, t + step * k / 4)) is not None]
            wide = 0 if step == 1 or series.startswith(("disk.", "throttled.", "cpu_temp", "mem")) else sum(samples) / len(samples) * 0.06 * (1 + _spread(board, t)) if samples else 0
            columns["t"].append(t)
            columns["avg"].append(round(sum(samples) / len(samples), 2) if samples else None)
            columns["min"].append(round(max(0, min(samples) - wide), 2) if samples else None)
            columns["max"].append(round(max(samples) + wide, 2) if samples else None)
            t += step
        return {"series": series, "tier": tier, "step": step, **columns}

    def series(self, name):
        hosts = []
        for board in self.boards.values():
            value = board.number(name, board.heard)
            if value is not None:
                hour = [v for k in range(20) if (v := board.number(name, board.heard - k * 180)) is not None]
                hosts.append({"name": board.name, "value": value, "min": min(hour), "max": max(hour)})
        return {"series": name, "hosts": hosts}


def _spread(board, t):
    return (hash((board.index, int(t))) % 100) / 100


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # a browser that went away


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.open.add(self.connection)

    def finish(self):
        self.server.open.discard(self.connection)
        super().finish()

    def log_message(self, *_):
        pass

    def do_GET(self):
        hub = self.server.hub
        hub.asked.append(self.path)
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        parts = [urllib.parse.unquote(part) for part in url.path.split("/")[1:]]
        if url.path == "/api/v1/events":
            return self.events(hub)
        if parts[:3] == ["api", "v1", "hosts"]:
            with hub.lock:
                if len(parts) == 3:
                    return self.json(hub.hosts())
                if len(parts) == 5 and parts[4] == "history":
                    return self.json(hub.history(parts[3], query["series"], float(query["from"]), float(query["to"]), int(query.get("points", 600))))
                return self.json(hub.host(parts[3]))
        if parts[:3] == ["api", "v1", "series"]:
            with hub.lock:
                return self.json(hub.series(parts[3]))
        name = parts[0] or "index.html"
        path = os.path.join(PAGE, os.path.basename(name))
        if len(parts) > 1 or not os.path.isfile(path):
            return self.json(None)
        with open(path, encoding="utf-8") as file:
            self.answer(200, TYPES[os.path.splitext(name)[1]], squeeze(file.read()).encode())

    def json(self, body):
        status = 200 if body is not None else 404
        self.answer(status, "application/json", json.dumps(body if body is not None else {"error": "no such thing"}).encode())

    def answer(self, status, kind, body):
        self.send_response(status)
        for name, value in [("Content-Type", kind), ("Content-Length", len(body)), ("Content-Security-Policy", POLICY), ("Cache-Control", "no-store"),
                            ("X-Content-Type-Options", "nosniff")]:
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def events(self, hub):
        self.close_connection = True
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        with hub.lock:
            snapshot, number = json.dumps(hub.hosts(), separators=(",", ":")).encode(), hub.number
        self.wfile.write(b"event: snapshot\ndata: " + snapshot + b"\n\n")
        while hub.running and hub.server is self.server:
            with hub.lock:
                hub.lock.wait_for(lambda: hub.number != number, 2)
                frame, number = hub.frame, hub.number
            self.wfile.write(b"event: changes\ndata: " + frame + b"\n\n")
            self.wfile.flush()


if __name__ == "__main__":
    print(Hub(int(sys.argv[1]) if len(sys.argv) > 1 else 100, 8667).start(), flush=True)
    threading.Event().wait()
