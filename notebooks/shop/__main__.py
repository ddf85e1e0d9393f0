"""Serve the shop: python -m shop [PORT]."""

import sys

from shop.app import app, socketio

socketio.run(app, port=int(sys.argv[1]) if len(sys.argv) > 1 else 5000, allow_unsafe_werkzeug=True)
