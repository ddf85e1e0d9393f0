"""The mended shop of notebooks 10 and 11: a report computes in another process, small answers leave at once.

python -m shop.mended [PORT]   or        labkit run -m shop.mended
"""

import sys
from collections import Counter

from flask import request
from flask_socketio import emit
from loky import get_reusable_executor  # never forks
from werkzeug.serving import WSGIRequestHandler

from shop.app import BASKETS, PRICES, app, socketio, units_left
from shop.report import bought_together

WSGIRequestHandler.disable_nagle_algorithm = True  # an answer does not wait until the one before was acknowledged
unread = Counter()


@socketio.on("report")
def report(day):
    """What was bought together on a day, for a branch of the shop."""
    sid = request.sid
    counted = get_reusable_executor(1, timeout=20).submit(bought_together, day)
    counted.add_done_callback(lambda done: socketio.emit("report", done.result(), to=sid))


@socketio.on("stock")
def stock(product):
    """How many are left of a product."""

    def ask(sid):
        socketio.emit("stock", {"product": product, "left": units_left(product)}, to=sid)

    socketio.start_background_task(ask, request.sid)


@socketio.on("basket")
def basket(product):
    """Put a product into the basket."""
    BASKETS[request.sid].append(product)
    emit("basket", BASKETS[request.sid])


@socketio.on("price")
def price(product, euros):
    """A branch changes a price: everybody gets the new list who has read the last ones."""
    PRICES[product] = euros
    for sid in [sid for sid in list(BASKETS) if unread[sid] < 3]:
        unread[sid] += 1
        socketio.emit("prices", PRICES, to=sid, callback=lambda sid=sid: unread.subtract([sid]))


if __name__ == "__main__":
    socketio.run(app, port=int(sys.argv[1]) if len(sys.argv) > 1 else 5000, allow_unsafe_werkzeug=True)
