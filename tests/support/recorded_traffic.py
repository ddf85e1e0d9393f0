"""Traffic as browsers record it, made by hand."""

import base64
import json

#: An instant of 2023, in seconds since 1970.
BEGAN_S = 1_700_000_000.0


def sent(at_s, data, **more):
    """A frame that the page sent, as Chrome has it: in seconds."""
    opcode = 2 if isinstance(data, bytes) else 1
    text = base64.b64encode(data).decode() if opcode == 2 else data
    return {"type": "send", "time": BEGAN_S + at_s, "opcode": opcode, "data": text, **more}


def received(at_s, data):
    """One that came to it."""
    return {**sent(at_s, data), "type": "receive"}


def socket(*frames, query="", url="ws://127.0.0.1/socket.io/?EIO=4&transport=websocket"):
    """An entry of a websocket; Chrome has frames before the address."""
    return {
        "_resourceType": "websocket",
        "_webSocketMessages": list(frames),
        "request": {"method": "GET", "url": url + query, "headers": []},
        "response": {"status": 101, "content": {"size": 0}},
    }


def post(at, body, sid="S1"):
    """An entry of polling: what the page posted."""
    return {
        "startedDateTime": at,
        "request": {
            "method": "POST",
            "url": f"http://127.0.0.1/socket.io/?EIO=4&transport=polling&sid={sid}",
            "postData": {"mimeType": "text/plain", "text": body},
        },
        "response": {"status": 200, "content": {"text": "ok"}},
    }


def har(path, *entries, creator="WebInspector"):
    """Such a file."""
    path.write_text(json.dumps({"log": {"version": "1.2", "creator": {"name": creator}, "entries": list(entries)}}))
    return path
