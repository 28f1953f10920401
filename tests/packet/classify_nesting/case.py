# SPDX-License-Identifier: BSD-3-Clause
"""ESP in ESP is opened five times; then somebody plays with us."""
from lab import *

DEEPEST = 5


def packets(lab):
    sa = lab.sa(IN)
    numbers = iter(range(1, 64))

    def nested(depth):
        """The layers of ESP around a packet, innermost first."""
        layers = [raw(incoming())]
        for _ in range(depth):
            layers.append(sa.seal(layers[-1], next(numbers)))
        return layers

    inner, *sealed = nested(DEEPEST)
    lab.receive("wan", sealed[-1])
    for layer in sealed[:-1]:
        lab.carries(IN, layer)
    lab.opens(IN, inner)

    _, *sealed = nested(DEEPEST + 1)
    lab.receive("wan", sealed[-1])
    for layer in sealed[:-1]:
        lab.carries(IN, layer)
    lab.drops("classify_nesting")
