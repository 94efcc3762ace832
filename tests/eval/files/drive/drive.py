"""Those who use a service: sessions one after another, each of some requests with time to think.

drive.py SERVICE --seed N --mix train|other --pace SECONDS"""

import argparse
import random
import sys
import time

import beside

MIXES = ("train", "other")


def users_of(service):
    module = __import__(f"users_{service}")
    return module


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("service")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--mix", choices=MIXES, required=True)
    parser.add_argument("--pace", type=float, required=True)
    args = parser.parse_args()
    users = users_of(args.service)
    beside.start(args.service)
    chance = random.Random(args.seed * 7919 + MIXES.index(args.mix))
    # Each action has a weight for each mix.
    actions = [action for action, *_ in users.ACTIONS]
    weights = [weight[MIXES.index(args.mix)] for _, *weight in users.ACTIONS]
    users.wait()
    print("ready", flush=True)
    while True:
        for _ in range(chance.randint(2, 8)):
            action = chance.choices(actions, weights)[0]
            try:
                action(chance)
            except Exception as error:  # a server that is being started anew
                print(f"{action.__name__}: {error!r}", file=sys.stderr, flush=True)
                time.sleep(1)
            time.sleep(chance.uniform(0.2, 1.8) * args.pace)


main()
