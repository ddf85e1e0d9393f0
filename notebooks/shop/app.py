"""A small shop. Customers search, ask what is in stock and fill baskets; branches ask for a report and change prices.

python -m shop                 or        labkit run -m shop
"""

import time

from flask import Flask, request
from flask_socketio import SocketIO, emit

from shop.report import PRODUCTS, bought_together

app = Flask(__name__)
# The clicks of a customer are handled in their order.
socketio = SocketIO(app, async_mode="threading", async_handlers=False)

PRICES = {f"product {number}": 10 + number % 90 for number in range(PRODUCTS)}
BASKETS = {}  # of everybody who is here, by session


@app.get("/")
def index():
    return f"{len(BASKETS)} people are here"


@socketio.on("connect")
def come():
    BASKETS[request.sid] = []


@socketio.on("disconnect")
def leave(*_):
    BASKETS.pop(request.sid, None)


@socketio.on("search")
def search(text):
    """The first ten products with that in their name."""
    return [name for name in PRICES if text in name][:10]


def units_left(product):
    """Asks the warehouse, which takes its time. (The sleep stands for a query of its database.)"""
    time.sleep(0.2)
    return len(product)


@socketio.on("stock")
def stock(product):
    """How many are left of a product."""
    emit("stock", {"product": product, "left": units_left(product)})


@socketio.on("basket")
def basket(product):
    """Put a product into the basket."""
    BASKETS[request.sid].append(product)
    socketio.emit("basket", BASKETS[request.sid])


@socketio.on("report")
def report(day):
    """What was bought together on a day, for a branch of the shop."""
    emit("report", bought_together(day))


@socketio.on("price")
def price(product, euros):
    """A branch changes a price: everybody gets the new list."""
    PRICES[product] = euros
    socketio.emit("prices", PRICES)
