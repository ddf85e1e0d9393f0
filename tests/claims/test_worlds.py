"""Each claim on the handlers holds in the world as it was measured, and is refuted in a room in which it is false.

The rooms are queueing models (:mod:`tests.support.modelled`). A claim that was judged on one greedy client alone would
pass here for a room in which it is wrong, which is how the lab once recommended ``async_handlers=False`` to everybody.
"""

import pytest

from labkit.claims import DOES_NOT_HOLD, HOLDS, NOT_TESTABLE, inside
from labkit.claims.claim import BOTH, MANY, ONE
from labkit.claims.handlers import CLAIMS as ADVICE
from labkit.claims.judging import claim
from labkit.experiments.eight_cases import EightCases
from labkit.runs.comparison import Comparison
from tests.support import modelled, shop_day
from tests.support.modelled import B_SERIAL, FOUR, World

CLAIMS = {entry.slug: entry for entry in ADVICE}
EVERYTHING = (*FOUR, "thread-broadcast", "process-pool")

#: A world in which it is false. Where it is about computing work, that is what is done.
FALSE = {
    "one-alone": World(beside_ms=30),
    "connection-reads-on": World(reads_on=False),
    "neighbours-wait": World(gil=False),
    "serial-spares-neighbours": World(gil=False),
    "serial-spares-no-room": World(in_turn="server"),
    "serial-answers-a-room": World(in_turn="server"),
    "thread-helps-in-one-case": World(in_turn="server"),
    "waiting-flips-it": World(default_in_turn=True),
    "thread-returns-sooner": World(returns=False),
    "thread-answers-nobody-sooner": World(helps=3),
    "thread-spares-no-neighbour": World(gil=False),
    "thread-harms-a-serial-server": World(holds_pings=True),
    "thread-is-right-for-waiting": World(helps=0.2),
    "broadcast-reaches-strangers": World(broadcasts=False),
    "to-sid-repairs-it": World(to_sender=False),
    "processes-spare-neighbours": World(pool_spares=False),
    "ledger-is-closed": World(loses=True),
}

WAITS = {"waiting-flips-it", "thread-is-right-for-waiting", "serial-answers-a-room"}


def evidence(slug: str, world: World) -> Comparison | EightCases:
    """What the claim is judged on in a world: one greedy client, a room, or both."""
    if slug == "thread-helps-in-one-case":
        return modelled.eight_cases(world)
    if slug == "one-alone":
        return Comparison((modelled.run("inline", world, clients=1, events=1),))
    asked = {ONE: (1,), MANY: (10,), BOTH: (1, 10)}[CLAIMS[slug].who]
    found = Comparison(())
    for clients in asked:
        found += modelled.comparison(EVERYTHING, world, clients=clients, computes=slug not in WAITS)
    return found


def test_every_claim_has_a_world_in_which_it_is_false():
    assert set(FALSE) == set(CLAIMS)


@pytest.mark.parametrize("slug", FALSE)
def test_it_holds_in_the_world_as_measured(slug):
    verdict = claim(slug, evidence(slug, World()))
    assert verdict.status == HOLDS, verdict


@pytest.mark.parametrize("slug", FALSE)
def test_it_is_refuted_in_a_world_in_which_it_is_false(slug):
    verdict = claim(slug, evidence(slug, FALSE[slug]))
    assert verdict.status == DOES_NOT_HOLD, verdict


def test_what_protects_from_a_greedy_client_is_no_claim_on_a_room():
    """The mistake itself: as measured, a serial server spares the bystander of one client, and not that of ten."""
    room = modelled.comparison(EVERYTHING, World())
    assert claim("serial-spares-neighbours", room).status == NOT_TESTABLE
    assert room["inline-serial"].bystander.p50_ms > 4 * modelled.run("inline-serial", clients=1).bystander_ms.mean()


@pytest.mark.parametrize("slug", [slug for slug, entry in CLAIMS.items() if entry.who == BOTH and not entry.contrasts])
def test_a_claim_on_both_that_is_false_for_a_room_only_is_refuted(slug):
    one = evidence(slug, World()).sent_by(1)
    room = evidence(slug, FALSE[slug]).sent_by(10)
    assert claim(slug, one).status == HOLDS
    assert claim(slug, one + room).status == DOES_NOT_HOLD


def test_in_the_model_as_in_the_measurement_the_thread_helps_in_one_case_of_eight():
    (only,) = modelled.eight_cases().helps
    assert str(only) == "waits, async_handlers=False, one client"
    assert "B_SERIAL" not in str(only)
    assert B_SERIAL in modelled.eight_cases().waits.sent_by(1).strategies


#: Of each claim on what was seen inside an app: what is measured, and the same in a world in which it is false.
INSIDE = {
    "waiting-handler-holds-its-client": (shop_day.seen, lambda: shop_day.seen(others_wait=0.95)),
    "another-process-frees-the-gil": (
        lambda: (shop_day.seen(), shop_day.seen(report="elsewhere")),
        lambda: (shop_day.seen(), shop_day.seen(report="thread")),
    ),
    "to-answers-the-caller-alone": (
        lambda: (shop_day.seen(), shop_day.seen(to=True)),
        lambda: (shop_day.seen(), shop_day.seen(receivers=2)),
    ),
    "unread-piles-up-in-the-server": (
        lambda: (shop_day.seen(), shop_day.seen(unsent=2)),
        lambda: (shop_day.seen(), shop_day.seen(unsent=29)),
    ),
}


def test_every_claim_on_the_inside_has_a_world_in_which_it_is_false():
    assert set(INSIDE) == {entry.slug for entry in inside.CLAIMS}


@pytest.mark.parametrize("slug", INSIDE)
def test_a_claim_on_the_inside_is_refuted_where_it_is_false(slug):
    as_measured, otherwise = INSIDE[slug]
    assert claim(slug, as_measured()).status == HOLDS
    assert claim(slug, otherwise()).status == DOES_NOT_HOLD
