"""Reads an exchange with pika: consume.py PORT VHOST EXCHANGE KEY

Prints one JSON object a line: first {"ready": true} once the queue is bound, then one a message.
"""
import json
import sys

import pika

port, vhost, exchange, key = sys.argv[1:]
connection = pika.BlockingConnection(
    pika.ConnectionParameters("127.0.0.1", int(port), vhost, pika.PlainCredentials("guest", "guest"))
)
channel = connection.channel()
channel.exchange_declare(exchange, exchange_type="topic")
queue = channel.queue_declare("", exclusive=True).method.queue
channel.queue_bind(queue, exchange, key)


def on_message(channel, method, properties, body):
    message = {name: value for name, value in vars(properties).items() if value is not None}
    message["routing_key"] = method.routing_key
    message["body"] = body.decode()
    print(json.dumps(message), flush=True)


channel.basic_consume(queue, on_message, auto_ack=True)
print(json.dumps({"ready": True}), flush=True)
channel.start_consuming()
