"""Debian's Chromium, driven over its DevTools protocol."""
import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request

import websocket


class Chrome:
    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="chromium-")
        self.process = subprocess.Popen(
            ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
             "--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0", "--remote-allow-origins=*",
             f"--user-data-dir={self.home}", "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.port = int(wait(lambda: self._port(), 30, "chromium's port").split()[0])

    def _port(self):
        try:
            with open(os.path.join(self.home, "DevToolsActivePort")) as file:
                return file.read()
        except OSError:
            return None

    def page(self, **options):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/json/new?about:blank", method="PUT")
        with urllib.request.urlopen(request) as answer:
            return Page(json.load(answer)["webSocketDebuggerUrl"], **options)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        shutil.rmtree(self.home, ignore_errors=True)


class Page:
    """A tab. `messages`: console messages and errors; `requests`: addresses asked for."""

    def __init__(self, url, width=1920, height=1080, scheme="dark", phone=False, before=None):
        self.socket = websocket.create_connection(url, timeout=60, suppress_origin=True)
        self.number, self.messages, self.requests = 0, [], []
        for domain in ["Page", "Runtime", "Network", "Log"]:
            self.call(domain + ".enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        self.scheme(scheme)
        if before:
            self.call("Page.addScriptToEvaluateOnNewDocument", source=before)

    def call(self, method, **params):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.number:
                if "error" in message:
                    raise AssertionError(f"{method}: {message['error']}")
                return message["result"]
            self.note(message)

    def note(self, message):
        params = message.get("params", {})
        if message["method"] == "Runtime.consoleAPICalled":
            self.messages.append(" ".join(str(a.get("value", a.get("description"))) for a in params["args"]))
        elif message["method"] == "Runtime.exceptionThrown":
            self.messages.append(params["exceptionDetails"].get("exception", {}).get("description") or params["exceptionDetails"]["text"])
        elif message["method"] == "Log.entryAdded":
            self.messages.append(params["entry"]["text"] + " " + params["entry"].get("url", ""))
        elif message["method"] == "Tracing.dataCollected":
            self.traced.extend(params["value"])
        elif message["method"] == "Tracing.tracingComplete":
            self.traced = None
        elif message["method"] == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def scheme(self, scheme):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def size(self, width, height, phone=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)

    def open(self, url):
        self.call("Page.navigate", url=url)

    def run(self, script):
        """The value of an expression; a promise's where it is one."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise AssertionError(f"{script}: {result['exceptionDetails'].get('exception', {}).get('description')}")
        return result["result"].get("value")

    def wait(self, script, seconds=60):
        return wait(lambda: self.run(script), seconds, script)

    def key(self, key, shift=False):
        names = {"Escape": 27, "Enter": 13, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Home": 36, "End": 35, "Tab": 9}
        text = "\r" if key == "Enter" else key if len(key) == 1 else ""
        params = {"key": key, "code": key, "modifiers": 8 if shift else 0, "windowsVirtualKeyCode": names.get(key, ord(key[0].upper()))}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **params)
        self.call("Input.dispatchKeyEvent", type="keyUp", **params)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def mouse(self, x, y, kind="mouseMoved", button="none"):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=int(kind != "mouseMoved"))

    def shot(self, path, whole=False):
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def trace(self, seconds):
        """Milliseconds of processor time of script and style of each frame, of each second's changes, and of each longer task."""
        self.call("Tracing.start", categories="devtools.timeline,disabled-by-default-devtools.timeline,toplevel", transferMode="ReportEvents")
        end, events = time.time() + seconds, []
        while time.time() < end:
            self.run("1")
            time.sleep(0.2)
        self.traced = events
        self.call("Tracing.end")
        while self.traced is not None:
            self.note(json.loads(self.socket.recv()))
        thread = next(e["tid"] for e in events if e["name"] == "FireAnimationFrame")
        events = [e for e in events if e["tid"] == thread and e["ph"] == "X"]
        ms = lambda e: e.get("tdur", e.get("dur", 0)) / 1000
        of = lambda wanted: [ms(e) for e in events if wanted(e)] or [0]
        tasks = [e for e in events if e["name"].endswith("RunTask") and e.get("dur", 0) > 1000]
        within = lambda task: [e for e in events if e["name"] in ("FireAnimationFrame", "UpdateLayoutTree") and task["ts"] <= e["ts"] < task["ts"] + task["dur"]]
        return {
            "script and style of a frame": [sum(map(ms, within(task))) for task in tasks if within(task)],
            "script of a second's changes": of(lambda e: e["name"] == "FunctionCall" and e["args"]["data"].get("url", "").endswith("/data.js")),
            "tasks of the main thread over 1 ms": [ms(task) for task in tasks],
        }

    def close(self):
        try:
            self.call("Page.close")
        finally:
            self.socket.close()


def wait(condition, seconds, what):
    end = time.time() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.time() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)
