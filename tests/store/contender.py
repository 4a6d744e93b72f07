"""A process that creates keys against others: waits for a line, tries each key, prints its wins.

Usage: contender.py URI ENDPOINT NAME KEY...   (ENDPOINT "-" for a folder)
"""

import json
import sys

from cycleqd.store import S3Settings, open_store


def main() -> None:
    uri, endpoint, name, *keys = sys.argv[1:]
    settings = None if endpoint == "-" else S3Settings(endpoint=endpoint, region="us-east-1")
    store = open_store(uri, settings)
    store.exists("warm/up")
    print("ready", flush=True)
    sys.stdin.readline()
    content = (name * 4000).encode()
    print(json.dumps([key for key in keys if store.create(key, content)]))


main()
