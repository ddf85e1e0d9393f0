"""simple-websocket's inbox, which stamps."""

from labkit.inside.seen_inbox import SeenInbox


def test_messages_come_out_as_they_came_in_with_two_stamps():
    stamps = iter([1, 2, 3, 4])
    inbox = SeenInbox(lambda: next(stamps), lambda: None)
    inbox.append("a")
    inbox.append("b")
    assert inbox.most == 2
    assert (inbox.pop(0), inbox.read_ns, inbox.dispatched_ns) == ("a", 1, 3)
    assert (inbox.pop(0), inbox.read_ns, inbox.dispatched_ns) == ("b", 2, 4)


def test_an_inbox_that_fails_is_a_list():
    failed = []
    stamps = iter([1, 2, 3])

    def now():
        if (found := next(stamps, None)) is None:
            raise RuntimeError("broken on purpose")
        return found

    inbox = SeenInbox(now, lambda: failed.append(True))
    for message in "abcde":
        inbox.append(message)
    assert [inbox.pop(0) for _ in range(5)] == list("abcde")
    assert failed == [True]
    assert inbox.read_ns == inbox.dispatched_ns == 0
