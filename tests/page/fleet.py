"""A fleet of boards that does not exist: what each would report at any time, from a seed.

Everything is a function of the board and the time, so that a history agrees with what was live.
"""
import math
import random

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
# name: state, why, minutes ago, overrides of the figures' means.
TROUBLE = {
    "pi-garage": ("critical", "Power: under-voltage", 22, {"cpu": 38}),
    "roof-cam-2": ("critical", "Power: under-voltage", 37, {"cpu": 54, "cpu_temp": 84}),
    "greenhouse-3": ("critical", "Storage: / is read-only", 190, {}),
    "barn-gw": ("lost", "not heard", 45, {}),
    "ferry-ais": ("lost", "not heard", 8, {}),
    "nas-attic": ("warning", "/srv is 92 % full", 227, {"disk": 92}),
    "ci-arm-3": ("warning", "Memory: 93 % in use", 13, {"mem": 93}),
    "roof-cam-5": ("warning", "Heat: 82 °C", 18, {"cpu_temp": 82, "cpu": 63}),
    "pump-5": ("warning", "/ is 94 % full", 1700, {"disk": 94}),
}
UNDER_VOLTAGE = {"pi-garage", "roof-cam-2"}
READ_ONLY = {"greenhouse-3"}
REBOOTED = {"pi-garage": 36 * 60, "kiosk-04": 14 * 60, "pump-4": 50 * 60}


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
    def __init__(self, index, name, site, model, rng, born):
        self.index, self.name, self.site, self.born = index, name, site, born
        self.model, self.cores = MODELS[model]
        self.state, self.why, self.since = "well", "", born - rng.random() * 5e5
        self.mean = {"cpu": 3 + rng.random() ** 2 * 50, "mem": 18 + rng.random() * 52, "disk": 14 + rng.random() ** 2 * 66}
        self.mean["cpu_temp"] = 38 + rng.random() * 12 + self.mean["cpu"] * 0.15
        self.booted = born - (rng.random() ** 2 * 80 + 0.2) * 86400
        self.heard = born
        self.silent = False  # reports no more
        self.gaps = []       # (from, to): nothing was reported, nor later
        self.filled = []     # (from, to): arrived late
        self.extra = {}      # further values
        self.source = "amqp"
        if name in TROUBLE:
            self.state, self.why, minutes, means = TROUBLE[name]
            self.since = born - minutes * 60
            self.mean.update(means)
            if self.state == "lost":
                self.silent, self.heard = True, self.since
        if name in REBOOTED:
            self.booted = born - REBOOTED[name]
            self.gaps.append((self.booted - 175, self.booted + 5))
        if name == "pi-garage":
            self.filled.append((born - 1320, born - 900))

    def number(self, key, t):
        """The value of a numeric series at a time; None where it has none."""
        for start, end in self.gaps:
            if start < t < end:
                return None
        if self.silent and t > self.heard:
            return None
        s, i = self.mean, self.index
        if key == "cpu":
            return round(min(100, max(0, s["cpu"] * (0.55 + 0.5 * noise(i + 1, t / 420) + 0.3 * noise(i + 2, t / 7)) + 4 * noise(i + 3, t / 2))), 1)
        if key.startswith("percpu."):
            core = int(key[7:])
            return round(min(100, s["cpu"] * (0.4 + 0.2 * (core % 4)) * (0.5 + noise(i * 3 + core, t / 140))), 1)
        if key == "mem":
            return round(min(99, s["mem"] + 2 * noise(i + 4, t / 900) - 1), 1)
        if key == "cpu_temp":
            return None if "BeagleBone" in self.model else round(s["cpu_temp"] - 2 + 4 * noise(i + 1, t / 420) + noise(i + 6, t / 20), 1)
        if key.endswith(".percent"):
            return round(s["disk"] * {"disk./.percent": 1, "disk./srv.percent": 0.7}.get(key, 0.2), 1)
        if key.startswith("net."):
            return round(1e3 * (30 + 260 * noise(i + 7, t / 90) ** 3 + 1900 * noise(i + 8 + len(key), t / 33) ** 14))
        if key.startswith("diskio."):
            return round(1e3 * (4 + 1700 * noise(i + 11 + len(key), t / 40) ** 11))
        if key.startswith("pressure."):
            return round(26 * noise(i + len(key), t / 55) ** 5, 2)
        if key == "throttled.under_voltage":
            return 1 if self.name in UNDER_VOLTAGE and (t > self.since or self.since - 1800 < t < self.since - 1650) else 0
        if key == "throttled.throttled":
            return 1 if self.name == "pi-garage" and t > self.since + 60 else 0
        value = self.extra.get(key)
        return value if isinstance(value, (int, float)) else None

    LIVE = ["cpu", "mem", "cpu_temp", "net.eth0.rx", "net.eth0.tx", "diskio.mmcblk0.read", "diskio.mmcblk0.write", "pressure.cpu.some",
            "pressure.io.some", "pressure.memory.some"]

    def live(self, t):
        """The cells that change each second."""
        values = {key: self.number(key, t) for key in self.LIVE}
        values.update({f"percpu.{core}": self.number(f"percpu.{core}", t) for core in range(self.cores)})
        return values

    def values(self, t):
        """All cells."""
        values = self.live(t)
        for mount, size in [("/", 31e9), ("/srv", 119e9), ("/boot/firmware", 5e8)]:
            percent = self.number(f"disk.{mount}.percent", t) or self.mean["disk"]
            values.update({f"disk.{mount}.percent": percent, f"disk.{mount}.total": int(size), f"disk.{mount}.free": int(size * (1 - percent / 100))})
            values[f"readonly.{mount}.readonly"] = self.name in READ_ONLY and mount == "/"
        values.update({
            "throttled.under_voltage": self.name in UNDER_VOLTAGE, "throttled.throttled": self.name == "pi-garage",
            "uptime": round(t - self.booted, 2), "os": "Debian GNU/Linux 12 (bookworm)", "ipaddr.0": f"192.168.1.{20 + self.index % 200}",
            "clock.synchronised": self.name != "lab-07", "wifi.wlan0.level": -67,
            "sensors.cpu_thermal-virtual-0.temp1.label": "temp1", "sensors.cpu_thermal-virtual-0.temp1.value": values["cpu_temp"],
            "sensors.cpu_thermal-virtual-0.temp1.unit": "c", "sensors.rpi_volt-isa-0000.in0.label": "in0",
            "sensors.rpi_volt-isa-0000.in0.value": 4.61 if self.name in UNDER_VOLTAGE else 5.09, "sensors.rpi_volt-isa-0000.in0.unit": "V",
        })
        values.update(self.extra)
        return values

    def host(self, t):
        return {"name": self.name, "state": self.state, "since": self.since, "why": self.why, "heard": self.heard, "source": self.source,
                "model": self.model, "tags": {"site": self.site}, "values": self.values(self.heard)}


def fleet(count, now, seed=41):
    rng = random.Random(seed)
    names = [(base if n == 1 else f"{base}-{k:0{2 if n > 9 else 1}}", site, model) for base, n, site, model in GROUPS for k in range(1, n + 1)]
    boards = []
    for i in range(count):
        name, site, model = names[i % len(names)]
        boards.append(Board(i, name if i < len(names) else f"{name}-r{i // len(names)}", site, model, rng, now))
    return boards
