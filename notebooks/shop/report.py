"""What is bought together: a report on the orders of a day."""

import random
from collections import Counter
from itertools import combinations

ORDERS_A_DAY, PRODUCTS = 6_000, 1_000

_random = random.Random(1)
ORDERS = [_random.sample(range(PRODUCTS), 10) for _ in range(ORDERS_A_DAY)]


def bought_together(day):
    """The ten pairs of products that were ordered together most often."""
    pairs = Counter()
    for order in ORDERS[day % 7 :]:
        for pair in combinations(sorted(order), 2):
            pairs[pair] += 1
    return pairs.most_common(10)
