"""The application that the worker runs and that the checks call: two apps, one per result backend.

CELERY_BROKERS: the nodes' URIs, with ; between. CELERY_FOLDER: where results of the second app and the order of tasks are written.
"""

import os
import time

from celery import Celery
from kombu import Queue

BROKERS = os.environ["CELERY_BROKERS"]
FOLDER = os.environ["CELERY_FOLDER"]
NAME = os.environ["CELERY_NAME"]

app = Celery(NAME, broker=BROKERS, backend=os.environ["CELERY_BACKEND"])
app.conf.update(
    task_default_queue=NAME,
    task_default_exchange=NAME,
    task_default_routing_key=NAME,
    task_queues=[Queue(NAME, routing_key=NAME, queue_arguments={"x-max-priority": 10})],
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=3,
    result_expires=120,
    task_publish_retry_policy={"max_retries": 1},
)


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=3)
def works_the_third_time(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0.3)
    return self.request.retries


@app.task
def now():
    return time.time()


@app.task
def hold(seconds):
    time.sleep(seconds)


@app.task
def note(word):
    with open(os.path.join(FOLDER, "order"), "a") as file:
        file.write(word + "\n")


@app.task(bind=True)
def redelivered(self):
    return self.request.delivery_info["redelivered"]
