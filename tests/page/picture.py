"""Writes the README's picture: the wall of the simulated fleet, dark."""
import os
import time

from chrome import Chrome
from hub import TOP, Fleet, Hub

PICTURE = os.path.normpath(os.path.join(TOP, "docs/wall.png"))

if __name__ == "__main__":
    hub, chrome = Hub(ahead=-3600), Chrome()
    fleet = Fleet(hub, 100).live_through(3600).begin()
    page = chrome.page(width=1280, height=760)
    page.open(hub.url)
    page.wait("document.querySelectorAll('.tile .name').length >= 100")
    time.sleep(62)  # until the lines of the tiles are whole
    os.makedirs(os.path.dirname(PICTURE), exist_ok=True)
    page.shot(PICTURE)
    page.close()
    chrome.close()
    fleet.close()
    hub.close()
    print(f"{PICTURE}: {os.path.getsize(PICTURE)} bytes")
