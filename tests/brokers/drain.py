"""Takes with pika what waits in a queue: drain.py PORT VHOST QUEUE

    drain.py PORT VHOST QUEUE declare            declares QUEUE first, and binds it to the exchange psistats
    drain.py PORT VHOST QUEUE delete-exchange    deletes that exchange

Prints the message ids, one a line, until none has come for 3 s.
"""
import sys

import pika

port, vhost, queue, *verb = sys.argv[1:]
login = pika.PlainCredentials("guest", "guest")
channel = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", int(port), vhost, login)).channel()
if verb == ["delete-exchange"]:
    channel.exchange_delete("psistats")
elif verb:
    channel.exchange_declare("psistats", exchange_type="topic", durable=True)
    channel.queue_declare(queue, durable=True)
    channel.queue_bind(queue, "psistats", "psistats.#")
else:
    channel.basic_qos(prefetch_count=500)
    arguments = {"x-stream-offset": "first"} if queue.endswith("stream") else {}
    for method, properties, _ in channel.consume(queue, inactivity_timeout=3, arguments=arguments):
        if method is None:
            break
        channel.basic_ack(method.delivery_tag)
        print(properties.message_id)
