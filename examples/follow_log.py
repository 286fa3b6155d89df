#!/usr/bin/env python3
"""Follows the log of one user, with nothing but Python's standard library.

    SYNCLOG_KEY=... python3 examples/follow_log.py http://127.0.0.1:4000 USER_ID [CURSOR]

Prints each event once, as a line of JSON, and goes on after whatever interrupts it: a restart of the server, a network
that was gone, an end for having read too slowly. With a cursor, it begins after that one; without, with the oldest event.
"""

import http.client
import json
import os
import sys
import time
import urllib.error
import urllib.request

QUERY = """
subscription ($userId: UUID!, $after: SyncCursor) {
  syncEvents(userId: $userId, after: $after) {
    cursor
    events { cursor provider runId stage status message }
    reset { reason }
  }
}
"""
# The server says something every 15 seconds. What is silent for longer is gone.
SILENCE_SECONDS = 45


def results(server: str, user_id: str, after: str):
    """Yields what the server says on one connection."""
    body = {"query": QUERY, "variables": {"userId": user_id, "after": after}}
    request = urllib.request.Request(
        f"{server}/graphql",
        data=json.dumps(body).encode(),
        headers={
            "accept": "text/event-stream",
            "content-type": "application/json",
            "x-api-key": os.environ["SYNCLOG_KEY"],
        },
    )
    with urllib.request.urlopen(request, timeout=SILENCE_SECONDS) as response:
        for line in response:
            if line.startswith(b"data: {"):
                yield json.loads(line[len(b"data: ") :])


def main(server: str, user_id: str, cursor: str = "0") -> None:
    pause = 0.2
    while True:
        try:
            for result in results(server, user_id, cursor):
                for error in result.get("errors", []):
                    print(error["message"], file=sys.stderr)
                    if error["extensions"]["code"] in ("UNAUTHENTICATED", "FORBIDDEN", "NOT_FOUND", "BAD_USER_INPUT"):
                        sys.exit(1)
                payload = (result.get("data") or {}).get("syncEvents")
                if not payload:
                    continue
                if payload["reset"]:
                    print(f"reset: {payload['reset']['reason']}", file=sys.stderr)
                for event in payload["events"]:
                    print(json.dumps(event), flush=True)
                cursor = payload["cursor"]
                pause = 0.2
        except urllib.error.HTTPError as error:
            print(f"{error.code} {error.reason}", file=sys.stderr)
            if error.code not in (408, 429, 500, 502, 503, 504):
                sys.exit(1)
        except (OSError, http.client.HTTPException) as error:
            print(error, file=sys.stderr)
        time.sleep(pause)
        pause = min(2 * pause, 10)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or "SYNCLOG_KEY" not in os.environ:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        pass
