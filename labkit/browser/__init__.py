"""The other end: what a real browser does with the events that a server sends."""
