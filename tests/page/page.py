"""The page in Debian's Chromium, over the real hub and a fleet that is simulated."""
import atexit
import os
import re
import signal
import socket
import subprocess
import sys
import time
import unittest
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from chrome import Chrome, wait
from hub import PROGRAM, Fleet, Hub, Publisher

SHOTS = os.environ.get("SHOTS") or os.path.join(os.path.dirname(PROGRAM), "../page-shots")
DAY = 86400
HOUR = time.localtime().tm_hour
# One that hears, and is told nothing but tests except in an hour that is far from now; one that does not.
RECEIVERS = f"""[notify:phone]
type=command
command=/bin/true
quiet={(HOUR + 13) % 24}:00-{(HOUR + 12) % 24}:00
[notify:siren]
type=command
command=/bin/false
severity=critical
"""
TILES = "document.querySelectorAll('.tile a').length"
NAMES = "[...document.querySelectorAll('.tile .name')].map(n => n.textContent)"
FOCUSED = "document.activeElement.closest('.tile')?.querySelector('.name').textContent"


def tile(name):
    return f"[...document.querySelectorAll('.tile')].find(t => t.querySelector('.name')?.textContent === {name!r})"


class Case(unittest.TestCase):
    """Without a fleet of its own, a case has that of 100 boards, which all share: they have lived through a day."""

    count = None
    chrome = shared = None

    @classmethod
    def setUpClass(cls):
        if cls.count is None:
            if Case.shared is None:
                hub = Hub(ahead=-DAY, receivers=RECEIVERS)
                fleet = Fleet(hub, 100).live_through(DAY)
                fleet.deliver("pi-garage")
                Case.shared = hub, fleet.begin()
                atexit.register(close, *Case.shared)
            cls.hub, cls.fleet = Case.shared
        else:
            cls.hub = Hub()
            cls.fleet = Fleet(cls.hub, cls.count).begin()
            cls.addClassCleanup(close, cls.hub, cls.fleet)

    def setUp(self):
        self.noise = []  # parts of console messages that the case brings about itself

    def open(self, route="", **options):
        page = self.chrome.page(**options)
        self.addCleanup(page.close)
        self.addCleanup(lambda: self.quiet(page))
        page.call("Storage.clearDataForOrigin", origin=self.hub.url, storageTypes="local_storage")  # the theme that another case chose
        page.open(self.hub.url + route)
        return page

    def quiet(self, page):
        page.run("1")
        messages = [m for m in page.messages if not any(part in m for part in self.noise)]
        self.assertEqual(messages, [], "console")
        self.assertEqual([r for r in page.requests if not r.startswith((self.hub.url, "data:"))], [], "requests elsewhere")


def close(hub, fleet):
    fleet.close()
    hub.close()


class Wall(Case):
    def test_tiles_appear_and_figures_change_in_place(self):
        page = self.open()
        page.wait(f"{TILES} >= 100")
        figures = "[...document.querySelectorAll('.fig b')].slice(0, 40).map(n => n.textContent).join()"
        before = page.run(figures)
        page.wait(f"{figures} !== {before!r}")
        page.wait(f"{NAMES}.slice(0, 3).join() === 'pi-garage,roof-cam-2,greenhouse-3'")
        self.assertEqual(page.run("[...document.querySelectorAll('.count b')].map(n => n.textContent)"), ["3", "2", "4", "91"])
        self.assertIn("Power: under-voltage on pi-garage since", page.run("document.getElementById('strip').textContent"))
        self.assertEqual(page.run(f"{tile('bbb-plc-1')}.querySelectorAll('.fig b')[2].textContent"), "–", "a missing sensor is not 0")

    def test_a_board_that_falls_silent_is_stale_then_lost_and_comes_back_even_if_it_was_forgotten(self):
        page = self.open()
        page.wait(f"{TILES} >= 100")
        page.wait("document.querySelectorAll('.count b')[1].textContent === '2'")
        page.wait(f"{tile('hifi-1')}.querySelector('.spark path').getAttribute('d').includes('L')")  # two reports: their interval is known
        self.addCleanup(self.fleet.wake, "hifi-1")
        self.fleet.silence("hifi-1")
        page.wait(f"{tile('hifi-1')}.classList.contains('stale') && {tile('hifi-1')}.dataset.state === 'well'")  # before the hub says so
        page.wait(f"{tile('hifi-1')}.dataset.state === 'lost'")
        page.wait("document.querySelectorAll('.count b')[1].textContent === '3'")
        self.assertIn("hifi-1 is now lost", page.run("document.getElementById('say').textContent"))
        page.wait(f"{tile('hifi-1')}.closest('.grid').classList.contains('large')")  # order is put right
        page.run("location.hash = '#/board/hifi-1'")
        page.wait("document.querySelector('.go button').checkVisibility()")
        page.shot(os.path.join(SHOTS, "board-lost-dark.png"))
        page.run("document.querySelector('.go button').click()")
        page.wait(f"location.hash === '#/' && {TILES} === 99")
        self.fleet.wake("hifi-1")
        page.wait(f"{tile('hifi-1')}?.dataset.state === 'well' && !{tile('hifi-1')}.classList.contains('stale')")

    def test_search_sort_and_filter(self):
        page = self.open()
        page.wait(f"{TILES} >= 100")
        page.run("document.getElementById('find').focus()")
        page.type("kiosk")
        page.wait(f"{NAMES}.length === 12 && {NAMES}.every(n => n.startsWith('kiosk'))")
        page.key("Escape")
        page.wait(f"{TILES} >= 100 && {NAMES}.length === 100")
        page.run("document.querySelector('[data-value=temp]').click()")
        page.wait(f"{NAMES}[0].startsWith('roof-cam')")
        page.run("document.querySelector('[data-value=name]').click()")
        page.wait(f"{NAMES}[0] === 'adsb-1' && {NAMES}[99] === 'weather-4'")
        page.run("document.querySelector('[data-value=readonly]').click()")
        page.wait(f"{NAMES}.join() === 'greenhouse-3'")
        page.key("Escape")
        page.run("document.querySelector('[data-value=\"site=garage\"]').click()")
        page.wait(f"{NAMES}.join() === 'gate,pi-garage'")
        page.run("document.querySelector('[data-state=warning].count').click()")
        page.wait("document.querySelector('.nothing').checkVisibility()")

    def test_every_key(self):
        page = self.open()
        page.wait(f"{TILES} >= 100")
        self.assertEqual(page.run("document.querySelectorAll('.grid a[tabindex=\"0\"]').length"), 1, "one tab stop for the field")
        page.key("/")
        self.assertEqual(page.run("document.activeElement.id"), "find")
        page.key("Escape")
        for key, state in zip("1234", ["critical", "lost", "warning", "well"]):
            page.key(key)
            page.wait(f"[...document.querySelectorAll('.tile')].every(t => t.dataset.state === '{state}')")
            page.key(key)
        page.wait(f"{NAMES}.length === 100")
        page.key("s")
        page.wait("document.querySelector('[data-value=name]').getAttribute('aria-pressed') === 'true'")
        for _ in range(5):
            page.key("s")
        page.wait(f"{NAMES}[0] === 'pi-garage'")
        page.run("document.querySelector('.grid a[tabindex=\"0\"]').focus()")
        moves = [("ArrowRight", "roof-cam-2"), ("ArrowLeft", "pi-garage"), ("ArrowDown", "pump-5"), ("ArrowUp", "pi-garage"), ("End", "weather-4"), ("Home", "pi-garage")]
        for key, name in moves:
            page.key(key)
            self.assertEqual(page.run(FOCUSED), name, key)
        page.key("Enter")
        page.wait("location.hash === '#/board/pi-garage' && document.querySelectorAll('.chart').length > 5")
        page.key("j")
        page.wait("document.querySelector('h1').textContent === 'pump-1'")
        page.key("k")
        page.wait("location.hash === '#/board/pi-garage' && document.querySelectorAll('.chart').length > 5")
        pressed = "document.querySelector('.ranges [aria-pressed=true]').textContent"
        page.key("]")
        page.wait(f"{pressed} === '24 h'")
        page.key("[")
        page.key("[")
        page.wait(f"{pressed} === '10 min' && document.querySelector('.means').textContent === 'every report'")
        page.key("ArrowLeft")
        page.key("ArrowLeft", shift=True)
        place = "new DOMMatrix(document.querySelector('.cursor').style.transform).e / document.querySelector('.lane').clientWidth"
        self.assertTrue(page.run("document.querySelector('.cursor').classList.contains('on')"))
        moved = 1 - page.run(place)
        page.key("ArrowRight")
        self.assertAlmostEqual(1 - page.run(place), moved * 20 / 21, delta=0.01)
        page.key("Escape")
        self.assertFalse(page.run("document.querySelector('.cursor').classList.contains('on')"))
        for key, route in [("w", "#/"), ("f", "#/figure/temperature"), ("a", "#/alerts"), ("?", "#/keys")]:
            page.key(key)
            page.wait(f"location.hash === '{route}'")
        page.key("Escape")
        page.wait("location.hash === '#/alerts'")
        page.key("t")
        self.assertEqual(page.run("document.documentElement.dataset.theme"), "light")
        page.key("t")
        self.assertEqual(page.run("document.documentElement.dataset.theme"), "dark")
        page.key("/")
        page.wait("document.activeElement.id === 'find'")

    def test_order_is_held_while_the_pointer_is_in_the_field(self):
        page = self.open()
        page.wait(f"{TILES} >= 100")
        page.mouse(300, 700)
        self.fleet.say("dns-1", throttled__under_voltage=True)
        page.wait("document.querySelector('.sec').textContent.includes('order held while you point at it')")
        time.sleep(6)
        self.assertFalse(page.run(f"{tile('dns-1')}.closest('.grid').classList.contains('large')"))
        page.mouse(300, 20)
        page.wait(f"{tile('dns-1')}.closest('.grid').classList.contains('large')")
        self.fleet.say("dns-1")
        page.wait(f"{tile('dns-1')}.dataset.state === 'well'")


class Boards(Case):
    def test_history_with_a_gap_a_reboot_bars_and_a_stretch_that_arrived_late(self):
        page = self.open("#/board/pi-garage")
        page.wait("document.querySelectorAll('.chart').length >= 7")
        marks = page.wait("[...document.querySelectorAll('.marks li')].map(n => n.textContent)")
        for what in ["no reports, ", "reboot ", "arrived late, ", "under-voltage since ", "throttled since "]:
            self.assertTrue(any(mark.startswith(what) for mark in marks), f"{what}: {marks}")
        # The gap is not drawn over: the columns of the CPU's canvas within it hold no line of the data's colour.
        self.noise = ["Canvas2D"]  # of the readback here
        drawn = page.run("""(() => {
            const c = document.querySelector('.chart canvas'), g = c.getContext('2d'), gap = document.querySelector('.stack > .over .gap'), box = c.getBoundingClientRect(), at = gap.getBoundingClientRect();
            const bright = x => { const d = g.getImageData(Math.round(x - box.left), 0, 1, c.height).data; let n = 0; for (let i = 0; i < d.length; i += 4) if (d[i + 2] > 150 && d[i + 3] > 100) n++; return n; };
            return [bright(at.left + at.width / 2), bright(at.left - 20)]; })()""")
        self.assertEqual(drawn[0], 0)
        self.assertGreater(drawn[1], 0)
        # One cursor over all charts, readings in the margin, none within the gap.
        x, y, width = page.run("(() => { const b = document.querySelector('.stack > .over .gap').getBoundingClientRect(); return [b.left, b.top, b.width]; })()")
        page.mouse(x + width / 2, y + 40)
        self.assertIn("no reports", page.run("document.querySelector('.readings').textContent"))
        self.assertIn("–", page.run("document.querySelector('.gut').textContent"))
        page.mouse(x - 40, y + 40)
        self.assertRegex(page.run("document.querySelector('.gut').textContent"), r"CPU[\d.]+ %.*[\d.]+ to [\d.]+")

    def test_what_arrives_late_fills_its_gap(self):
        page = self.open("#/board/lab-01")
        page.wait("!!document.querySelector('.stack > .over .gap')")
        self.fleet.deliver("lab-01")
        page.wait("!document.querySelector('.stack > .over .gap') && !!document.querySelector('.stack > .over .late')")

    def test_any_figure_has_a_chart_and_an_unknown_board_is_said(self):
        page = self.open("#/board/hifi-1")
        page.wait("document.querySelectorAll('.chart').length >= 6")
        page.run("[...document.querySelectorAll('.pairs button')].find(b => b.textContent === 'net.eth0.rx').click()")
        page.wait("[...document.querySelectorAll('.gut h2')].some(n => n.textContent === 'net.eth0.rx')")
        page.run("location.hash = '#/board/nobody'")
        page.wait("document.querySelector('h1').textContent === 'No such board'")

    def test_one_figure_of_all_boards(self):
        page = self.open("#/figure/temperature")
        page.wait("document.querySelectorAll('.rows .row').length >= 97")
        self.assertIn("3 boards have no such figure", page.run("document.querySelector('.rank .nothing').textContent"))
        page.wait("document.querySelectorAll('.rows .row:nth-child(2) .spark path[d]').length === 1 && document.querySelectorAll('.rows .row .mid')[0].textContent !== ''")
        page.run("location.hash = '#/figure/net.eth0.rx'")
        page.wait("document.querySelector('h1').textContent === 'net.eth0.rx, all boards' && document.querySelectorAll('.rows .row').length >= 100")

    def test_alerts_are_listed_acknowledged_and_over(self):
        page = self.open("#/alerts", width=1440, height=900, scheme="light")
        part = lambda title: f"[...([...document.querySelectorAll('.sheet')].find(n => n.querySelector('h2').textContent.startsWith({title!r}))?.querySelectorAll('.alert') ?? [])].map(n => n.textContent)"
        has = lambda title, text: f"{part(title)}.some(text => text.includes({text!r}))"
        page.wait(has("Active", "Power: under-voltage on pi-garagesince "))
        page.wait(has("Active", "Lost: barn-gw not heard"))
        page.wait(has("Not well", "ci-arm-3: memory is 9"))
        self.assertFalse(page.run(has("Not well", "pi-garage")), "a board with an alert is there once")
        self.fleet.say("dns-2", cpu_temp=81)
        page.wait(has("Active", "dns-2: CPU is at 81 °C"))
        page.wait(has("Last changes", "Warningdns-2: CPU is at 81 °C"))
        page.run("[...document.querySelectorAll('.alert')].find(n => n.textContent.includes('dns-2')).querySelector('button').click()")
        page.wait(has("Acknowledged", "dns-2: CPU is at 81 °C"))
        self.assertFalse(page.run(has("Active", "dns-2")))
        page.shot(os.path.join(SHOTS, "alerts-acknowledged-light.png"))
        [alert] = [alert for alert in self.hub.json("alerts")["alerts"] if alert["board"] == "dns-2"]
        self.assertGreater(alert["acknowledged"], alert["since"])
        self.fleet.say("dns-2")
        page.wait(has("Last changes", "Welldns-2: CPU is at 81 °C: over after "))
        self.assertFalse(page.run(has("Acknowledged", "dns-2")))
        # A limit that the hub has reached is told in the same place.
        self.fleet.say("hifi-3", **{f"more__n{n}": n for n in range(600)})
        page.wait(has("Active", "The hub: has reached its limit of figures"))
        self.fleet.say("hifi-3")

    def test_who_is_told_of_alerts_is_listed_and_tested_by_a_button(self):
        page = self.open("#/alerts", width=1440, height=900, scheme="dark")
        line = lambda name: f"document.getElementById('notify-{name}')"
        page.wait(f"/^commandphone: .*messages? held/.test({line('phone')}?.textContent)")
        page.wait(f"{line('siren')}?.textContent.startsWith('commandsiren: did not take the last message: /bin/false ended with exit status: 1; ')")
        for name, said in [("phone", "heard"), ("siren", "failed")]:
            page.run(f"{line(name)}.querySelector('button').click()")
            page.wait(f"{line(name)}.querySelector('.dim.num').textContent === {said!r}")
        page.wait(f"{line('phone')}.textContent.includes('took the last message')")
        self.assertIn("failed", page.run(f"{line('siren')}.textContent"))
        self.noise.append("502")
        page.run(f"{line('siren')}.scrollIntoView()")
        page.shot(os.path.join(SHOTS, "alerts-receivers-dark.png"))


class Hostile(Case):
    count = 3
    NAMES = ['<img src=x onerror="document.title=1">', "a/b?c#d%e &amp;", "‮gnp.exe", "n" * 255, "__proto__", "constructor", "é 漢字 🍓"]

    def test_names_keys_and_values_are_text(self):
        script = "<script>alert(1)</script><img src=x onerror=alert(1)>"
        for name in self.NAMES:
            self.fleet.add(name, model=script, site=script, said={
                script: script, "__proto__": 1, "constructor": 2, "toString": "x", "long": "v" * 4000, "rtl": "‮abc", "disk.__proto__.percent": 7.0, "os": script,
                "javascript:alert(1)": 5, f"disk.{script}.percent": 95})
        page = self.open()
        page.wait(f"{TILES} >= 10")
        self.check(page)
        names = page.run(NAMES)
        self.assertIn(self.NAMES[0], names)
        self.assertIn("\ufffdgnp.exe", names, "a mark that reorders text is shown")
        self.assertTrue(all(len(name) <= 161 for name in names))
        for name in self.NAMES:
            page.run(f"location.hash = '#/board/' + encodeURIComponent({name!r})")
            page.wait("document.querySelectorAll('.chart').length >= 5")
            self.check(page)
            self.assertIn(script, page.run("[...document.querySelectorAll('.pairs dt')].map(n => n.textContent)"))
        for route in ["#/alerts", "#/figure/" + "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E", "#/board/%E0%A4%A", "#/__proto__", "#/add"]:
            page.run(f"location.hash = {route!r}")
            time.sleep(0.3)
            self.check(page)
        page.run("location.hash = '#/'")
        page.wait(f"{TILES} >= 10")
        page.key("/")
        page.type("<img")
        page.wait(f"{NAMES}.length === 7", 5)  # the model, the sentence or the name of each of them has it

    def check(self, page):
        self.assertEqual(page.run("document.querySelectorAll('main img, main script, #strip img, #strip script, [onerror]').length"), 0)
        self.assertLessEqual(page.run("document.documentElement.scrollWidth"), 1920, "wider than the window")


class Lost(Case):
    count = 30

    def test_a_hub_that_is_killed_is_said_and_comes_back_with_a_new_snapshot(self):
        self.noise = ["net::"]
        page = self.open()
        page.wait(f"{TILES} >= 30")
        self.hub.kill()
        banner = "document.getElementById('hublost').textContent"
        page.wait(f"{banner} !== ''")
        self.assertRegex(page.run(banner), r"^Hub not reached since \d\d:\d\d:\d\d\. Figures are as of then; trying again\.Try now$")
        page.shot(os.path.join(SHOTS, "wall-hub-lost-dark.png"))
        clock = page.run("document.getElementById('clock').textContent")
        time.sleep(2.5)
        self.assertEqual(page.run("document.getElementById('clock').textContent"), clock, "figures and clock are as of then")
        self.assertEqual(page.run(TILES), 30)
        self.fleet.add("while-away")
        self.hub.start()
        page.run("document.querySelector('#hublost .btn')?.click()")
        page.wait(f"{banner} === '' && !!({tile('while-away')})")
        page.wait("document.getElementById('live').textContent === '31 boards, live'")
        self.fleet.add("new-board")
        page.wait(f"!!({tile('new-board')})")
        page.run("location.hash = '#/board/pi-garage'")
        page.wait("document.querySelectorAll('.chart').length >= 6")
        self.hub.kill()
        page.wait("document.documentElement.classList.contains('gone')")
        page.wait("document.querySelector('.readings').textContent.includes('last known')")
        self.hub.start()
        page.wait("!document.documentElement.classList.contains('gone') && document.querySelectorAll('.chart').length >= 6")  # by itself

    def test_a_page_that_hears_nothing_of_a_hub_that_hangs_says_so(self):
        page = self.open()
        page.wait(f"{TILES} >= 30")
        self.hub.process.send_signal(signal.SIGSTOP)
        try:
            page.wait("document.documentElement.classList.contains('gone')")
        finally:
            self.hub.process.send_signal(signal.SIGCONT)
        page.wait("!document.documentElement.classList.contains('gone')")


class Outage(Case):
    count = 0

    def test_what_a_board_kept_while_the_hub_was_away_leaves_no_gap(self):
        self.noise = ["net::"]
        config, name = os.path.join(self.hub.folder, "psistats.conf"), socket.gethostname()
        with open(config, "w") as file:
            file.write(f"[server]\nhost=127.0.0.1\nport={self.hub.amqp}\n[app]\nprimary_timer=1\nretry_timer=1\n")
        agent = subprocess.Popen([os.path.join(os.path.dirname(PROGRAM), "psistats"), "start-local", "--config", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(agent.wait)
        self.addCleanup(agent.terminate)
        page = self.open("#/board/" + name)
        page.wait("document.querySelectorAll('.chart').length >= 2")
        page.key("[")  # 10 minutes
        gap, late = "document.querySelector('.over .gap')", "document.querySelector('.over .late')"
        wait(lambda: self.hub.host(name)["reports"] >= 5, 60, "five reports")
        self.assertIsNone(page.run(late))
        self.hub.kill()
        page.wait("document.documentElement.classList.contains('gone')")
        time.sleep(13)  # reports that come more than ten seconds late are told
        self.hub.start()
        page.wait(f"!document.documentElement.classList.contains('gone') && {late} !== null && {gap} === null")
        marks = page.run("[...document.querySelectorAll('.marks li')].map(n => n.textContent)")
        self.assertTrue(any(mark.startswith("arrived late, ") for mark in marks), marks)
        self.assertEqual(self.hub.host(name)["lost"], 0)
        t = self.hub.json(f"hosts/{name}/history?series=mem&points=2000")["t"]
        self.assertLess(max(b - a for a, b in zip(t, t[1:])), 2.5, "a gap in the history")


class Peers(Case):
    count = 30

    @classmethod
    def setUpClass(cls):
        # It is asked by the other, and asks it.
        here = Hub()
        cls.hub, cls.other = Hub(peers=[here.url, here.url.replace("127.0.0.1", "localhost")]), here
        cls.fleet, cls.far = Fleet(cls.hub, cls.count).begin(), Fleet(here, 40).begin()
        cls.addClassCleanup(close, cls.hub, cls.fleet)
        cls.addClassCleanup(close, here, cls.far)

    def test_other_hubs_are_named_with_their_worst_boards_and_one_that_is_killed_is_said(self):
        evil = "<img src=x onerror=alert(1)>\u202e"
        self.far.add(evil, {"throttled.under_voltage": True})
        page = self.open()
        page.wait(f"{TILES} >= 30")
        lines = "[...document.querySelectorAll('main .strip a span')].map(n => n.textContent)"
        name = self.other.url.split("/")[2]
        page.wait(f"{lines}.some(text => text.startsWith('Power: under-voltage') && text.includes(' on <img src=x onerror=alert(1)>\ufffd since '))")
        texts = page.run(lines)
        self.assertRegex(texts[0], f"^{name}: 41 boards, .*critical")
        self.assertTrue(any(text.startswith("localhost") for text in texts), texts)
        links = page.run("[...document.querySelectorAll('main .strip a')].map(n => n.href)")
        self.assertEqual(links[0], self.other.url)
        self.assertIn(self.other.url + "#/board/%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E%E2%80%AE", links)
        self.assertEqual(page.run("document.querySelectorAll('main img').length"), 0)
        for theme, width, phone in [("dark", 1920, False), ("light", 1280, False), ("dark", 390, True)]:
            page.size(width, 1080, phone)
            page.scheme(theme)
            page.wait("[...document.querySelectorAll('main .strip')].every(row => row.scrollWidth <= row.clientWidth)", 10)
            self.assertLessEqual(page.run("document.documentElement.scrollWidth"), width, "wider than the window")
            page.shot(os.path.join(SHOTS, f"wall-peers-{theme}-{width}.png"), whole=phone)
        page.size(1920, 1080)
        self.other.kill()
        page.wait(f"{lines}.some(text => text.startsWith('Lost: {name} does not answer: connection refused'))")
        self.assertEqual(len(page.run(lines)), 2, "boards of a hub that is gone")
        page.shot(os.path.join(SHOTS, "wall-peers-lost.png"))
        self.other.start()
        page.wait(f"{lines}[0].startsWith('{name}: ')")


class FirstRun(Case):
    """From nothing: this machine is the first board."""

    count = 0

    @classmethod
    def setUpClass(cls):
        pass

    def test_it_says_how_to_add_a_board_until_there_is_one(self):
        page = self.chrome.page(width=1440, height=900, scheme="light")
        self.addCleanup(page.close)
        began = time.time()
        self.hub = Hub(own=True)
        self.addCleanup(self.hub.close)
        page.open(self.hub.url)
        page.wait("!!document.querySelector('.add .tile .name')")
        print(f"from the start of the hub to the first tile: {time.time() - began:.2f} s ... ", end="", flush=True)
        self.assertEqual(page.run("document.querySelector('h1').textContent"), "Listening.")
        self.assertEqual(page.run("document.querySelector('.code pre').textContent"), "[server]\nhost=THIS-HOST")
        self.assertEqual(page.run("document.querySelector('.add .tile .name').textContent"), socket.gethostname())
        page.wait("document.querySelector('.add .tile .fig b').textContent !== '–'")
        page.shot(os.path.join(SHOTS, "first-run-light.png"))
        page.run("document.querySelector('.code .btn').click()")
        page.wait("/Copied|Selected/.test(document.querySelector('.code .btn').textContent)")
        publisher = Publisher(self.hub.amqp)
        publisher.publish({"hostname": "second", "ts": time.time(), "cpu": 1}, "")
        page.wait(f"!!({tile('second')})")
        publisher.close()
        page.run("location.hash = '#/alerts'")
        page.wait("document.querySelector('main').textContent.includes('Nobody is told of alerts: add a section [notify:NAME]')")
        self.quiet(page)


AXE = r"""(() => {
  const wrong = [], seen = n => n.checkVisibility({ checkVisibilityCSS: true, opacityProperty: true }) && n.getClientRects().length;
  const name = n => (n.getAttribute('aria-label') || n.textContent || n.placeholder || n.title || '').trim();
  for (const n of document.querySelectorAll('a, button, input, canvas[role=img], [role=group], nav')) if (seen(n) && n.closest('[aria-hidden=true]') === null && !name(n)) wrong.push('no name: ' + n.outerHTML.slice(0, 120));
  if (document.querySelectorAll('h1').length !== 1) wrong.push('h1: ' + document.querySelectorAll('h1').length);
  for (const mark of ['header', 'nav', 'main']) if (document.querySelectorAll(mark).length !== 1) wrong.push('landmark ' + mark);
  if (!document.documentElement.lang) wrong.push('no lang');
  const ids = [...document.querySelectorAll('[id]')].map(n => n.id); if (new Set(ids).size !== ids.length) wrong.push('an id twice');
  for (const n of document.querySelectorAll('[role=list] > *')) if (n.tagName !== 'LI' && n.getAttribute('role') !== 'listitem') wrong.push('list of ' + n.outerHTML.slice(0, 60));
  for (const n of document.querySelectorAll('button[aria-pressed]')) if (!/^(true|false)$/.test(n.getAttribute('aria-pressed'))) wrong.push('aria-pressed');
  let level = 0; for (const h of document.querySelectorAll('h1, h2, h3')) { if (+h.tagName[1] > level + 1) wrong.push('heading level ' + h.textContent); level = +h.tagName[1]; }
  const rgb = c => { const m = c.match(/[\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] ?? 1]; };
  const ground = n => { let layers = []; for (; n; n = n.parentElement) { const c = rgb(getComputedStyle(n).backgroundColor); if (c[3] > 0) { layers.push(c); if (c[3] === 1) break; } } return layers.reverse().reduce((a, c) => a.map((v, i) => v + (c[i] - v) * c[3]), [255, 255, 255]); };
  const lum = c => { const [r, g, b] = c.map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
  let least = 99;
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let t; t = walk.nextNode();) { const n = t.parentElement; if (!t.data.trim() || !seen(n) || n.closest('.hidden, noscript, .skip, .marks')) continue;
    const style = getComputedStyle(n), a = lum(rgb(style.color).slice(0, 3)), b = lum(ground(n)), ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < least) least = ratio; if (ratio < 4.5) wrong.push(ratio.toFixed(2) + ': ' + t.data.slice(0, 40) + ' ' + n.className);
    if (parseFloat(style.fontSize) < 11 && parseFloat(style.fontSize) > 0) wrong.push(style.fontSize + ': ' + t.data.slice(0, 40)); }
  return { wrong: [...new Set(wrong)].slice(0, 12), least };
})()"""


class Access(Case):
    def test_names_landmarks_headings_and_contrast_of_every_view_and_theme(self):
        for scheme in ["dark", "light"]:
            for width, height, phone in [(1920, 1080, False), (390, 844, True)]:
                page = self.open(width=width, height=height, scheme=scheme, phone=phone)
                page.wait(f"{TILES} >= 100")
                self.assertEqual(page.run("getComputedStyle(document.body).backgroundColor"), GROUND[scheme])
                for view, route, ready in VIEWS:
                    page.run(f"location.hash = '{route}'")
                    page.wait(ready)
                    time.sleep(0.4)
                    found = page.run(AXE)
                    self.assertEqual(found["wrong"], [], f"{view}, {scheme}, {width}")
                    self.assertGreaterEqual(found["least"], 4.5)
                    self.assertLessEqual(page.run("document.documentElement.scrollWidth"), width, f"{view} is wider than {width}")

    def test_the_head_fits_every_width_with_the_counts_of_thousands_of_boards_after_a_login(self):
        page = self.open()
        page.wait(f"{TILES} >= 100")
        page.run("document.getElementById('logout').hidden = false")
        for width in [1920, 1601, 1440, 1381, 1280, 1141, 1024, 1021, 800, 601, 390]:
            page.size(width, 800)
            found = page.run("""(() => {
                document.querySelectorAll('.count b').forEach((count, i) => count.textContent = ['320', '120', '450', '9990'][i]);
                document.getElementById('trouble').textContent = '890';
                return [...document.querySelectorAll('.top :is(nav a, button, time)')].filter(n => n.getClientRects().length)
                    .map(n => [n.textContent, n.getBoundingClientRect()]).filter(([, b]) => b.right > innerWidth || b.height > 60).map(([text, b]) => [text, b.right, b.height]); })()""")
            self.assertEqual(found, [], f"at {width}")
            self.assertLessEqual(page.run("document.documentElement.scrollWidth"), width)

    def test_text_tokens_have_contrast_on_every_ground(self):
        page = self.open()
        page.wait(f"{TILES} >= 100")
        for scheme in ["dark", "light"]:
            page.scheme(scheme)
            found = page.run("""(() => { const of = t => { const n = document.body.appendChild(document.createElement('i')); n.style.color = `var(--${t})`; const c = getComputedStyle(n).color.match(/[\\d.]+/g).map(Number); n.remove(); return c; };
                const lum = c => { const [r, g, b] = c.slice(0, 3).map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; }; const out = {};
                for (const t of ['ink', 'ink2', 'ink3', 'warn', 'crit', 'lost']) for (const g of ['bg', 'tile', 'raise', 'sel']) { const [a, b] = [lum(of(t)), lum(of(g))].sort((x, y) => y - x); out[t + ' on ' + g] = (a + .05) / (b + .05); } return out; })()""")
            low = {pair: round(ratio, 2) for pair, ratio in found.items() if ratio < 4.5}
            self.assertEqual(low, {}, scheme)

    def test_focus_is_visible_wherever_tab_goes(self):
        page = self.open()
        page.wait(f"{TILES} >= 100")
        seen = set()
        for _ in range(35):
            page.key("Tab")
            tag, width, style = page.run("(() => { const s = getComputedStyle(document.activeElement); return [document.activeElement.tagName + document.activeElement.textContent.slice(0, 12), parseFloat(s.outlineWidth), s.outlineStyle]; })()")
            if tag.startswith("BODY"):
                break
            seen.add(tag)
            self.assertGreaterEqual(width, 2, tag)
            self.assertNotEqual(style, "none", tag)
        self.assertGreater(len(seen), 20)


GROUND = {"dark": "rgb(14, 17, 19)", "light": "rgb(242, 241, 237)"}
VIEWS = [
    ("wall", "#/", "document.querySelectorAll('.tile .name').length >= 100"),
    ("board", "#/board/pi-garage", "document.querySelectorAll('.chart').length >= 7 && document.querySelectorAll('.ylabels span').length > 10"),
    ("board-lost", "#/board/barn-gw", "document.querySelectorAll('.chart').length >= 6 && document.querySelectorAll('.ylabels span').length > 10"),
    ("figure", "#/figure/temperature", "document.querySelectorAll('.rows .row').length >= 97"),
    ("alerts", "#/alerts", "document.querySelectorAll('.alert').length >= 9"),
    ("add", "#/add", "!!document.querySelector('.code')"),
    ("keys", "#/keys", "!!document.querySelector('.keys kbd')"),
]


class Shots(Case):
    def test_every_view_dark_light_and_on_a_phone(self):
        for scheme in ["dark", "light"]:
            page = self.open(scheme=scheme)
            page.wait(f"{TILES} >= 100")
            self.assertEqual(page.run("getComputedStyle(document.body).backgroundColor"), GROUND[scheme])
            time.sleep(12 if scheme == "dark" else 3)  # the lines of tiles grow
            for view, route, ready in VIEWS:
                page.size(1440 if "board" in view or view in ("alerts", "add", "keys") else 1920, 1600 if "board" in view else 900 if view in ("alerts", "add", "keys") else 1080)
                page.run(f"location.hash = '{route}'")
                page.wait(ready)
                if view == "board":
                    page.mouse(1000, 700)
                time.sleep(4 if view == "figure" else 1)
                page.shot(os.path.join(SHOTS, f"{view}-{scheme}.png"))
                page.size(390, 844, phone=True)
                time.sleep(0.7)
                page.shot(os.path.join(SHOTS, f"{view}-phone-{scheme}.png"))
            page.size(1440, 1600)
            page.run("location.hash = '#/board/roof-cam-2'")
            page.wait("document.querySelectorAll('.chart').length >= 6")
            page.key("]")
            page.wait("document.querySelector('.means').textContent.includes('2 min') || document.querySelector('.means').textContent.includes('mean of')")
            time.sleep(2)
            page.shot(os.path.join(SHOTS, f"board-24h-{scheme}.png"))


class Thousand(Case):
    count = 1000

    def test_a_frame_of_1000_boards_is_under_16_ms(self):
        page = self.open()
        page.wait(f"{NAMES}.length === 1000")
        time.sleep(12)
        # Of the main thread's tasks, the time on the processor: other programs on this machine do not count.
        tasks = page.trace(15)
        for what, times in tasks.items():
            print(f"\n    1,000 boards, {what}: {len(times)}, ms median {quantile(times, .5):.1f}, p95 {quantile(times, .95):.1f}, p99 {quantile(times, .99):.1f}, most {max(times):.1f}", end="")
        print(f"\n    1,000 boards, a second's changes: {frame_bytes(self.hub) / 1000:.0f} bytes a board ... ", end="", flush=True)
        self.assertLess(quantile(tasks["script and style of a frame"], .95), 16)
        self.assertLess(quantile(tasks["script of a second's changes"], .95), 16)
        page.run("document.querySelector('[data-value=temp]').click()")
        time.sleep(2)
        page.shot(os.path.join(SHOTS, "wall-1000-dark.png"))


def frame_bytes(hub):
    """The median size of an event of changes."""
    with urllib.request.urlopen(hub.url + "api/v1/events", timeout=60) as events:
        sizes = []
        while len(sizes) < 5:
            if events.readline() == b"event: changes\n":
                sizes.append(len(events.readline()))
    return quantile(sizes, .5)


def quantile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def run(names):
    """How many tests of these names ran, and the names of those that failed."""
    result = unittest.main(argv=["page", *names], exit=False, verbosity=2).result
    return result.testsRun, [case.id().removeprefix("__main__.") for case, _ in result.failures + result.errors]


def main(names):
    """Runs these tests. All of them: in two processes, since they wait most of their time; those with the shared fleet are one half."""
    os.makedirs(SHOTS, exist_ok=True)
    other = None
    if not names:
        cases = Case.__subclasses__()
        names = [case.__name__ for case in cases if case.count is None]
        others = [case.__name__ for case in cases if case.count is not None]
        other = subprocess.Popen([sys.executable, __file__, *others], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    Case.chrome = Chrome()
    count, failures = run(names)
    # A few that failed once more, alone, as tests/run does it: the machine's load may have been the reason.
    if failures and len(failures) <= 3 and all(re.fullmatch(r"\w+\.\w+", name) for name in failures):
        tried, failures = failures, run(failures)[1]
        print(*(f"passed at the second try, alone: {name}" for name in tried if name not in failures), sep="\n")
    Case.chrome.close()
    failed, passed = len(failures), count - len(failures)
    if other:
        text = other.communicate()[0]
        print(text)
        sums = re.search(r"(\d+) passed; (\d+) failed", text) or ["", 0, 1]
        passed, failed = passed + int(sums[1]), failed + int(sums[2])
    print(f"pictures: {os.path.normpath(SHOTS)}\ntest result: {'FAILED' if failed else 'ok'}. {passed} passed; {failed} failed")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main(sys.argv[1:])
