"""A fleet of boards that does not exist: what each would report at any time, from a seed.

Every figure is a function of the board and the time, so that a history agrees with what is live.
"""
import math
import random
import uuid

MODELS = [
    ("Raspberry Pi 5 Model B Rev 1.0", 4), ("Raspberry Pi 4 Model B Rev 1.4", 4), ("Raspberry Pi 3 Model B Plus Rev 1.3", 4),
    ("Raspberry Pi Zero 2 W Rev 1.0", 4), ("Raspberry Pi Zero W Rev 1.1", 1), ("Raspberry Pi Compute Module 4 Rev 1.1", 4),
    ("Radxa ROCK 5B", 8), ("Orange Pi Zero 3", 4), ("Hardkernel ODROID-N2Plus", 6), ("TI AM335x BeagleBone Black", 1),
]
GROUPS = [
    ("pi-garage", 1, "garage", 1), ("roof-cam", 6, "roof", 1), ("greenhouse", 8, "field", 3), ("barn-gw", 1, "field", 5),
    ("ferry-ais", 1, "field", 2), ("nas-attic", 1, "house", 6), ("nas-cellar", 1, "house", 8), ("lab", 16, "lab", 1),
    ("kiosk", 12, "kiosk", 2), ("pump", 6, "field", 7), ("weather", 4, "roof", 4), ("octopi", 3, "lab", 3),
    ("dock", 8, "field", 7), ("barn-cam", 3, "field", 3), ("ci-arm", 8, "build", 6), ("cluster", 8, "build", 0),
    ("door", 2, "house", 4), ("hifi", 3, "house", 3), ("adsb", 2, "roof", 2), ("dns", 2, "house", 2),
    ("bbb-plc", 3, "field", 9), ("gate", 1, "garage", 4),
]
# Boards that are not well: minutes ago, and the figures' means since then.
TROUBLE = {
    "pi-garage": (22, {"cpu": 38, "throttled.under_voltage": True, "throttled.throttled": True}),
    "roof-cam-2": (37, {"cpu": 54, "cpu_temp": 84, "throttled.under_voltage": True}),
    "greenhouse-3": (55, {"readonly./.readonly": True}),
    "nas-attic": (47, {"disk./srv.percent": 92}),
    "ci-arm-3": (13, {"mem": 93}),
    "roof-cam-5": (18, {"cpu_temp": 84, "cpu": 63}),
    "pump-5": (31, {"disk./.percent": 94}),
}
# Boards that fell silent: minutes ago.
SILENT = {"barn-gw": 45, "ferry-ais": 8}
# Boards that started again, after some minutes of silence: seconds ago.
REBOOTED = {"pi-garage": 36 * 60, "kiosk-04": 14 * 60, "pump-4": 50 * 60}
# Boards that kept their reports for a while, and send them once they are asked to: from, until, seconds ago.
KEPT = {"pi-garage": (1980, 1500), "lab-01": (840, 600)}


def noise(seed, x):
    """Smooth, from 0 to 1."""
    i = math.floor(x)
    f = x - i
    u = f * f * (3 - 2 * f)
    return _hash(seed, i) * (1 - u) + _hash(seed, i + 1) * u


def _hash(seed, i):
    x = ((i ^ (seed * 374761393)) * 668265263) & 0xFFFFFFFF
    x = ((x ^ (x >> 13)) * 1274126177) & 0xFFFFFFFF
    return ((x ^ (x >> 16)) & 0xFFFFFFFF) / 4294967296


class Board:
    """What it reports is its own; `said` overrides it. Times are Unix seconds."""

    def __init__(self, index, name, site, model, rng, born):
        self.index, self.name, self.site = index, name, site
        self.model, self.cores = MODELS[model]
        self.mean = {"cpu": 3 + rng.random() ** 2 * 50, "mem": 18 + rng.random() * 52, "disk": 14 + rng.random() ** 2 * 66}
        self.mean["cpu_temp"] = 38 + rng.random() * 12 + self.mean["cpu"] * 0.15
        self.booted = born - (REBOOTED[name] if name in REBOOTED else (rng.random() ** 2 * 80 + 2) * 86400)
        self.silent_from = math.inf
        self.kept_from, self.kept_to = (born - seconds for seconds in KEPT.get(name, (0, 0)))
        minutes, self.trouble = TROUBLE.get(name, (0, {}))
        self.since = born - minutes * 60
        self.said = {}
        self.runs = [uuid.UUID(int=rng.getrandbits(128)) for _ in range(2)]
        self.numbers = [0, 0]

    def is_silent(self, t):
        return t > self.silent_from or self.booted - 175 < t < self.booted

    def is_kept(self, t):
        return self.kept_from < t < self.kept_to

    def value(self, key, t):
        """Of a figure that changes, at a time; None where the board has none."""
        i, trouble = self.index, self.trouble if t > self.since else {}
        mean = lambda key: trouble.get(key, self.mean.get(key))
        if key == "cpu":
            return round(min(100, max(0, mean("cpu") * (0.55 + 0.5 * noise(i + 1, t / 420) + 0.3 * noise(i + 2, t / 7)) + 4 * noise(i + 3, t / 2))), 1)
        if key.startswith("percpu."):
            core = int(key[7:])
            return round(min(100, mean("cpu") * (0.4 + 0.2 * (core % 4)) * (0.5 + noise(i * 3 + core, t / 140))), 1)
        if key == "mem":
            return round(min(99, mean("mem") + 2 * noise(i + 4, t / 900) - 1), 1)
        if key == "cpu_temp":
            return None if "BeagleBone" in self.model else round(mean("cpu_temp") - 2 + 4 * noise(i + 1, t / 420) + noise(i + 6, t / 20), 1)
        if key.startswith("net."):
            return round(1e3 * (30 + 260 * noise(i + 7, t / 90) ** 3 + 1900 * noise(i + sum(key.encode()), t / 33) ** 14))
        if key.startswith("diskio."):
            return round(1e3 * (4 + 1700 * noise(i + 11 + len(key), t / 40) ** 11))
        if key.startswith("pressure."):
            return round(26 * noise(i + len(key), t / 55) ** 5, 2)
        if key.startswith("throttled."):
            earlier = "under" in key and key in self.trouble and self.since - 1800 < t < self.since - 1650
            return earlier or trouble.get(key, False)
        raise KeyError(key)

    LIVE = ["cpu", "mem", "cpu_temp", "net.eth0.rx", "net.eth0.tx", "diskio.mmcblk0.read", "diskio.mmcblk0.write", "pressure.cpu.some",
            "pressure.io.some", "pressure.memory.some", "throttled.under_voltage", "throttled.throttled"]

    def live(self, t):
        """The figures of every report."""
        values = {key: self.value(key, t) for key in self.LIVE}
        values.update({f"percpu.{core}": self.value(f"percpu.{core}", t) for core in range(self.cores)})
        values["uptime"] = round(t - self.booted if t > self.booted else t - self.booted + 40 * 86400, 2)
        return {**values, **self.said}

    def rest(self, t):
        """Those that come once a minute."""
        values, trouble = {}, self.trouble if t > self.since else {}
        for mount, size, share in [("/", 31e9, 1), ("/srv", 119e9, 0.7), ("/boot/firmware", 5e8, 0.2)]:
            percent = round(trouble.get(f"disk.{mount}.percent", self.mean["disk"] * share), 1)
            values.update({f"disk.{mount}.percent": percent, f"disk.{mount}.total": int(size), f"disk.{mount}.free": int(size * (1 - percent / 100))})
            values[f"readonly.{mount}.readonly"] = trouble.get(f"readonly.{mount}.readonly", False)
        sensors = [("cpu_thermal-virtual-0", "temp1", self.value("cpu_temp", t), "c"), ("rpi_volt-isa-0000", "in0", 4.61 if "throttled.under_voltage" in trouble else 5.09, "V")]
        for chip, label, value, unit in sensors:
            values.update({f"sensors.{chip}.{label}.label": label, f"sensors.{chip}.{label}.value": value, f"sensors.{chip}.{label}.unit": unit})
        return {
            **values, "os": "Debian GNU/Linux 12 (bookworm)", "ipaddr.0": f"192.168.1.{20 + self.index % 200}", "clock.synchronised": self.name != "lab-07",
            "wifi.wlan0.level": -67, "board.model": self.model, "tags.site": self.site, **self.said,
        }

    def report(self, t, whole):
        """The body and the message id of the next report."""
        run = int(t > self.booted)
        self.numbers[run] += 1
        values = {**self.live(t), **self.rest(t)} if whole else self.live(t)
        return {"hostname": self.name, "ts": round(t, 3), **nested(values)}, f"{self.runs[run]}-1f-{self.numbers[run]}"


def nested(values):
    """By paths, as an object of objects."""
    whole = {}
    for path, value in values.items():
        *keys, last = path.split(".")
        part = whole
        for key in keys:
            part = part.setdefault(key, {})
        part[last] = value
    return whole


def fleet(count, now, seed=41):
    rng = random.Random(seed)
    names = [(base if n == 1 else f"{base}-{k:0{2 if n > 9 else 1}}", site, model) for base, n, site, model in GROUPS for k in range(1, n + 1)]
    boards = []
    for i in range(count):
        name, site, model = names[i % len(names)]
        boards.append(Board(i, name if i < len(names) else f"{name}-r{i // len(names)}", site, model, rng, now))
    return boards
