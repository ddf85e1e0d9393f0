"""A small shop, as an ordinary Flask-SocketIO app, and the people who use it. Notebook 10 looks into it."""
