#!/usr/bin/python3
"""What the original psistats does, in its own language: psutil samples, pika publishes.

psistats_like.py PORT PREFIX: every second hostname, cpu, mem and cpu_temp, every 30 seconds uptime
and ipaddr with them, mandatory and confirmed, to the default exchange and the queue PREFIX.hostname
of a broker on 127.0.0.1.
"""

import json
import signal
import socket
import sys
import time

import pika
import psutil

PRIMARY, SECONDARY = 1, 30
EXCHANGE = "psistats"


def connected(port, queue):
    channel = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port)).channel()
    channel.exchange_declare(EXCHANGE, "topic")
    channel.queue_declare(queue, exclusive=True, auto_delete=True, arguments={"x-message-ttl": 10000})
    channel.queue_bind(queue, EXCHANGE, queue)
    channel.confirm_delivery()
    return channel


def report(hostname, full):
    figures = {"hostname": hostname, "cpu": psutil.cpu_percent(), "mem": psutil.virtual_memory().percent}
    zones = psutil.sensors_temperatures()
    figures["cpu_temp"] = next(iter(zones.values()))[0].current if zones else None
    if full:
        figures["uptime"] = time.time() - psutil.boot_time()
        figures["ipaddr"] = [
            address.address
            for addresses in psutil.net_if_addrs().values()
            for address in addresses
            if address.family == socket.AF_INET and address.address != "127.0.0.1"
        ]
    return json.dumps(figures)


def main(port, prefix):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    hostname = socket.gethostname()
    queue = f"{prefix}.{hostname}"
    channel = connected(port, queue)
    properties = pika.BasicProperties(content_type="application/json", content_encoding="utf-8")
    psutil.cpu_percent()
    deadline = time.monotonic()
    tick = 0
    while True:
        deadline += PRIMARY
        channel.connection.sleep(max(0, deadline - time.monotonic()))
        body = report(hostname, tick % (SECONDARY // PRIMARY) == 0)
        channel.basic_publish(EXCHANGE, queue, body, properties, mandatory=True)
        tick += 1


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
