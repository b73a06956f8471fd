"""psistats-hub as a process with ports and a folder of its own, and a fleet that publishes to it."""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pika

from chrome import wait
from fleet import SILENT, Board, fleet

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
PROGRAM = os.environ.get("PSISTATS_HUB") or os.path.join(os.environ.get("CARGO_TARGET_DIR") or os.path.join(TOP, "target"), "debug/psistats-hub")
# Debian's. It gives the hub a wall clock that is set, so that hours pass in seconds; timers run as ever.
FAKETIME = f"/usr/lib/{os.uname().machine}-linux-gnu/faketime/libfaketime.so.1"

# Alerts without minutes of waiting; memory keeps its own, so that a board is not well before there is an alert.
ALERTS = "[alerts]\ngrace=0\n" + "".join(f"[alert:{name}]\nfor=0\n" for name in ["temperature", "disk", "lost"]) + "[alert:missing]\nenabled=no\n"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Hub:
    """`own`: this machine is a board, too. `ahead`: by so many seconds its clock is, which can be set from then on. `peers`: URLs of other hubs. `receivers`: sections of who is told of alerts."""

    def __init__(self, own=False, ahead=None, peers=(), receivers=""):
        self.folder = tempfile.mkdtemp(prefix="psistats-hub-")
        self.page, self.amqp = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.page}/"
        self.environment = dict(os.environ)
        self.clock = None
        if ahead is not None:
            self.clock = tempfile.mkdtemp(prefix="psistats-hub-", dir="/dev/shm")
            self.environment.update(LD_PRELOAD=FAKETIME, FAKETIME_TIMESTAMP_FILE=self.clock + "/now", FAKETIME_NO_CACHE="1", DONT_FAKE_MONOTONIC="1", NO_FAKE_STAT="1")
            self.set_clock(ahead)
        with open(self._path("psistats-hub.conf"), "w") as file:
            file.write(f"[hub]\nlisten=127.0.0.1:{self.page}\namqp=127.0.0.1:{self.amqp}\nchasar=no\nself={'yes' if own else 'no'}\ndata={self._path('data')}\npeers={','.join(peers)}\n{ALERTS}{receivers}")
        self.start()

    def _path(self, name):
        return os.path.join(self.folder, name)

    def set_clock(self, ahead):
        """By how many seconds it is ahead of this machine's."""
        with open(self.clock + "/next", "w") as file:
            file.write(f"{ahead:+.3f}\n")
        os.rename(self.clock + "/next", self.clock + "/now")

    def start(self):
        with open(self._path("log"), "a") as log:
            self.process = subprocess.Popen([PROGRAM, "--config", self._path("psistats-hub.conf")], env=self.environment, stdout=log, stderr=log)
        wait(self.answers, 60, f"the hub answers; it said: {self.log()}")

    def answers(self):
        try:
            return urllib.request.urlopen(self.url + "healthz", timeout=60).status == 200
        except urllib.error.URLError:
            return False

    def log(self):
        with open(self._path("log")) as log:
            return log.read()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        finally:
            self.kill()
            for folder in filter(None, [self.folder, self.clock]):
                shutil.rmtree(folder)

    def json(self, path):
        return json.load(urllib.request.urlopen(self.url + "api/v1/" + path, timeout=60))

    def host(self, name):
        """What the API says of a board; None where there is none."""
        try:
            return self.json("hosts/" + urllib.parse.quote(name, safe=""))
        except urllib.error.HTTPError:
            return None


class Publisher:
    """A connection to the hub's intake."""

    def __init__(self, port):
        parameters = pika.ConnectionParameters("127.0.0.1", port, heartbeat=0, credentials=pika.PlainCredentials("guest", "guest"))
        self.connection = pika.BlockingConnection(parameters)
        self.channel = self.connection.channel()

    def publish(self, body, message_id):
        properties = pika.BasicProperties(message_id=message_id, timestamp=int(body["ts"]))
        self.channel.basic_publish("", "psistats", json.dumps(body), properties)

    def settle(self):
        """Waits until what was published is taken: that is done before the hub reads what follows an answer."""
        for _ in range(2):
            self.channel.queue_declare("psistats")

    def close(self):
        self.connection.close()


class Fleet:
    """Boards that report once a second until `close`. While the hub is not there, what they report is lost."""

    # Boards whose charts are looked at: seconds of their past.
    CHARTED = {"pi-garage": 3600, "lab-01": 3600, "roof-cam-2": 86400}

    def __init__(self, hub, count):
        self.hub, self.lock, self.running = hub, threading.RLock(), True
        self.boards = {board.name: board for board in fleet(count, time.time())}
        self.kept = {}
        self.publisher = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def begin(self):
        self.thread.start()
        return self

    def live_through(self, seconds):
        """Lets the fleet and the hub live through the past, up to now: nothing arrives late but what is kept."""
        publisher, born = Publisher(self.hub.amqp), time.time()
        for name, minutes in SILENT.items():
            self.boards[name].silent_from = born - minutes * 60
        t, turn = born - seconds, 0
        while t < time.time():
            self.hub.set_clock(t - time.time())
            # The nearer, the denser; of boards without a chart every seventh report.
            every, past = (60, 86400) if t < born - 3600 else (4, 3600) if t < born - 10 else (1, 0)
            for board in self.boards.values():
                charted = self.CHARTED.get(board.name, 0) >= past
                if charted or past == 3600 and (board.index + turn) % 7 == 0:
                    self._report(publisher, board, t, not charted or t % 60 < every)
            publisher.settle()
            t, turn = t + every, turn + 1
        self.hub.set_clock(0)
        publisher.close()
        return self

    def deliver(self, name):
        """Has a board send what it kept."""
        publisher = Publisher(self.hub.amqp)
        for body, message_id in self.kept.pop(name):
            publisher.publish(body, message_id)
        publisher.settle()
        publisher.close()

    def say(self, name, **figures):
        """Has a board report these figures, by paths with __ for dots, instead of its own."""
        with self.lock:
            self.boards[name].said = {path.replace("__", "."): value for path, value in figures.items()}

    def silence(self, name):
        with self.lock:
            self.boards[name].silent_from = 0

    def wake(self, name):
        with self.lock:
            self.boards[name].silent_from = float("inf")

    def add(self, name, said=(), model=None, site="house"):
        import random
        with self.lock:
            board = Board(len(self.boards), name, site, 1, random.Random(name), time.time())
            board.said, board.model = dict(said), model or board.model
            self.boards[name] = board

    def close(self):
        self.running = False
        self.thread.join()

    def _report(self, publisher, board, t, whole):
        if board.is_silent(t):
            return
        report = board.report(t, whole)
        if board.is_kept(t):
            self.kept.setdefault(board.name, []).append(report)
        else:
            publisher.publish(*report)

    def _run(self):
        due, second, known = time.time(), 0, set()
        while self.running:
            time.sleep(max(0, due - time.time()))
            due, second = max(due + 1, time.time()), second + 1
            try:
                self.publisher = self.publisher or Publisher(self.hub.amqp)
                with self.lock:
                    for board in self.boards.values():
                        whole = board.name not in known or (board.index + second) % 60 == 0
                        known.add(board.name)
                        self._report(self.publisher, board, time.time(), whole)
                self.publisher.settle()
            except (pika.exceptions.AMQPError, OSError):
                self.publisher, known = None, set()
        if self.publisher:
            self.publisher.close()
