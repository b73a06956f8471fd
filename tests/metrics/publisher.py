"""publisher.py PORT: publishes each line of standard input to a hub as a report, once a second, by Debian's
python3-pika."""

import sys

import pika

reports = sys.stdin.read().splitlines()
credentials = pika.PlainCredentials("guest", "guest")
connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", int(sys.argv[1]), credentials=credentials))
channel = connection.channel()
channel.exchange_declare("psistats", "topic")
while True:
    for report in reports:
        channel.basic_publish("psistats", "psistats.x", report.encode())
    connection.sleep(1)
