"""A browser's login at a real hub, in Debian's Chromium: login.py BASE TOKEN-COMMAND...

Each line of standard output is one thing that holds. Pictures go to $SHOTS, where that is set."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from chrome import Chrome

base, command = sys.argv[1], sys.argv[2:]
MAIN = "(document.getElementById('main')?.textContent ?? '')"
TILES = "document.querySelectorAll('.tile a').length"
LOGOUT = "document.getElementById('logout').getClientRects().length"
HOW = "psistats-hub token link NAME"


def link(*more):
    return subprocess.run([*command, "link", "chromium", *more], check=True, capture_output=True, text=True).stdout.strip()


def shot(page, name):
    if os.environ.get("SHOTS"):
        page.shot(os.path.join(os.environ["SHOTS"], name + ".png"))


def opened(chrome, url, **options):
    page = chrome.page(**options)
    page.open(url)
    return page


chrome = Chrome()
try:
    page = opened(chrome, base, width=1200, height=700)
    page.wait(f"{MAIN}.includes({HOW!r})", 30)
    assert page.run(TILES) == 0 and not page.run("document.getElementById('hublost').textContent")
    assert page.run("document.getElementById('strip').textContent") == ""
    assert page.run("document.getElementById('live').textContent") == "not logged in"
    assert page.run(LOGOUT) == 0
    shot(page, "login")
    print("without a login the page says what to do", flush=True)

    url = link()
    # Only what stands behind # differs, and the page is there already: as if the link was pasted.
    page.open(url)
    page.wait(f"{TILES} > 0", 30)
    assert page.run("location.href") == base + "/#/", page.run("location.href")
    assert page.run("document.cookie") == "", "a script can read the cookie"
    secret = url.rsplit("/", 1)[1]
    asked = [request for request in page.requests if secret in request.split("#")[0]]
    assert not asked, asked
    shot(page, "logged-in")
    print("a link lets the browser in, and its secret is in no URL that is asked for", flush=True)

    page.run("location.reload()")
    page.wait(f"{TILES} > 0", 30)
    assert page.run(LOGOUT) == 1
    print("after a reload the cookie is enough", flush=True)

    page.run("fetch('api/v1/hosts').then(answer => answer.json()).then(({hosts: [{name}]}) => { location.hash = '#/board/' + encodeURIComponent(name); })")
    page.wait("document.querySelectorAll('.chart canvas').length > 0", 30)
    assert not page.run(f"{MAIN}.includes({HOW!r})")
    print("a board has its charts", flush=True)

    acknowledged = "fetch('api/v1/alerts/0/acknowledge', {method: 'POST'}).then(answer => answer.status)"
    assert page.run(acknowledged) == 401
    page.run("document.getElementById('logout').click()")
    page.wait(f"{MAIN}.includes({HOW!r})", 30)
    assert page.run(LOGOUT) == 0
    print("whoever logs out is out, until there is another link", flush=True)

    page.open(link("--scope", "admin"))
    page.wait(f"{TILES} > 0", 30)
    assert page.run(acknowledged) == 404, "there is no such alert"
    print("a link for an admin lets the browser acknowledge alerts", flush=True)

    page.run("location.hash = '#/'")
    page.wait(f"{TILES} > 0", 30)
    subprocess.run([*command, "remove", "chromium"], check=True, capture_output=True)
    page.wait(f"{MAIN}.includes({HOW!r})", 30)
    print("once the login is removed, nothing is shown", flush=True)

    page.open("about:blank")
    used = opened(chrome, url, width=390, height=700, phone=True)
    used.wait(f"{MAIN}.includes('This link is used up')", 30)
    shot(used, "used-up")
    print("a link that is used up says so", flush=True)
finally:
    chrome.close()
