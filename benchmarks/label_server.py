"""Load a label server as a busy panel would, kill it on the way, and count what was lost: one JSON line.

Annotators who answer all at once, over loopback: each asks for its picture, thinks for a moment, answers, and tries
again with the same key where there is no reply, as the page does. The server is killed (SIGKILL) at equal shares of the
answers and started again. In the end the database is compared with what was acknowledged.

    python benchmarks/label_server.py --annotators 50 --answers 10000 --kills 3
    python benchmarks/label_server.py --annotators 50 --answers 10000 --kills 3 --nginx

With `--nginx` they come through nginx with docs/label-server.nginx.conf: over TLS, each from an address of their own.
50 annotators, 2,500 answers and 3 kills on two cores that had four times as much to do: none lost, none doubled, and
76 ms to an acknowledgement (median; 349 ms at p99). Without nginx, just after that: none, none, 110 ms and 353 ms.
`answer_ms` is from sending an answer to its acknowledgement, of answers that were acknowledged at the first try;
`lost` are acknowledged answers that the database lacks or has otherwise, `doubled` are answers that it has twice.
"""

import argparse
import asyncio
import json
import random
import secrets
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import httpx2
import pandas as pd
from PIL import Image

from semsim.labelling.making import make_campaign
from semsim.labelling.material import Material
from semsim.labelling.results import read_answers
from semsim.labelling.store import Store
from semsim.progress import progress_bar

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from label_proxy import proxied  # noqa: E402

CLASSES = {"pictures": [f"class {number}" for number in range(100)]}
THINKING = (0.1, 0.3)  # seconds: many times faster than people
PATIENCE = 60  # seconds without an acknowledgement after which something is broken


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--annotators", type=int, default=50)
    parser.add_argument("--answers", type=int, default=10_000, help="of all annotators together")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--nginx", action="store_true", help="come through nginx (Debian: nginx-light) and TLS")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        load = Load(Path(folder) / "load", arguments.annotators, arguments.answers, arguments.kills)
        if arguments.nginx:
            https, _ = stack.enter_context(proxied(Path(folder), load.port))
            load.url = f"https://127.0.0.1:{https}"
        print(json.dumps(asyncio.run(load.run())))


class Load:
    """One run: a campaign, its server, and those who answer."""

    def __init__(self, folder, annotators, answers, kills):
        each = -(-answers // annotators)
        rows = [
            {"dataset": "pictures", "target": "t", "attack": "a", "original": n, "label": n % 100} for n in range(each)
        ]
        pictures = [lambda n=n: Image.effect_noise((32, 32), 64).convert("RGB") for n in range(each)]
        images = pd.DataFrame(rows).assign(picture=pictures)
        material = Material(images, images.head(0), CLASSES, "noise")
        self.campaign = make_campaign(folder, material, checks=0, repeats=0, labels_per_image=annotators)
        with closing(Store(self.campaign)) as store, store.transaction():
            self.tokens = [store.invite(None) for _ in range(annotators)]
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.total = each * annotators
        self.kill_at = [self.total * (number + 1) // (kills + 1) for number in range(kills)]
        self.acknowledged, self.milliseconds, self.tries = {}, [], 0
        self.server = None

    async def run(self):
        """Answer everything and return what happened."""
        self.start()
        started = time.perf_counter()
        try:
            with progress_bar(self.total, "label server", unit="answer") as self.bar:
                killer = asyncio.create_task(self.kill())
                await asyncio.gather(*(self.annotate(*who, n) for n, who in enumerate(self.tokens)))
                await killer
            seconds = time.perf_counter() - started
        finally:
            self.server.kill()
            self.server.wait()
        return self.result(seconds)

    def start(self):
        """Start the server; `python -m` takes the library that this script uses."""
        command = [sys.executable, "-m", "semsim.commands", "label", "serve", str(self.campaign.folder)]
        options = ["--public", "--port", str(self.port), "--proxy", "127.0.0.1"]
        self.server = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL)

    async def kill(self):
        """Kill the server each time that enough was answered."""
        for count in self.kill_at:
            while len(self.acknowledged) < count:
                await asyncio.sleep(0.005)
            self.server.kill()
            self.server.wait()
            self.start()

    async def annotate(self, name, token, number):
        """Answer everything that one annotator is asked, from an address of their own."""
        base, trusting = f"{self.url}/a/{token}/", ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        address = f"127.1.{number // 250}.{number % 250 + 1}"
        transport = httpx2.AsyncHTTPTransport(verify=trusting, local_address=address)
        async with httpx2.AsyncClient(timeout=10, transport=transport) as client:
            reply, _ = await self.insist(client, "POST", f"{base}consent", {})
            for position in range(reply["total"]):
                await self.insist(client, "GET", f"{base}images/{position}")
                await asyncio.sleep(random.uniform(*THINKING))
                label = random.randrange(-1, 100)
                answer = {"position": position, "label": label, "seconds": 0.2, "key": secrets.token_hex(12)}
                _, milliseconds = await self.insist(client, "POST", f"{base}answers", answer)
                self.acknowledged[name, position] = label
                if milliseconds is not None:
                    self.milliseconds.append(milliseconds)
                self.bar.update()

    async def insist(self, client, method, url, body=None):
        """Send a request until it is accepted; return the reply, and its time if the first try was."""
        first, begun = True, time.monotonic()
        while time.monotonic() - begun < PATIENCE:
            sent = time.perf_counter()
            self.tries += 1
            try:
                reply = await client.request(method, url, json=body)
                if reply.status_code == 200:
                    milliseconds = 1000 * (time.perf_counter() - sent)
                    return (reply.json() if body is not None else None), (milliseconds if first else None)
                if reply.status_code not in (429, 502, 503, 504):
                    sys.exit(f"{method} {url}: {reply.status_code} {reply.text}")
            except httpx2.TransportError:
                pass
            first = False
            await asyncio.sleep(0.1)
        sys.exit(f"{method} {url}: not accepted within {PATIENCE} s")

    def result(self, seconds):
        """Compare the database with what was acknowledged."""
        items, _ = read_answers(self.campaign)
        stored = items[items["label"].notna()]
        keys = list(zip(stored["annotator"], stored["position"], strict=True))
        labels = dict(zip(keys, stored["label"], strict=True))
        cuts = statistics.quantiles(self.milliseconds, n=100)
        return {
            "through": self.url.partition(":")[0],
            "annotators": len(self.tokens),
            "acknowledged": len(self.acknowledged),
            "kills": len(self.kill_at),
            "lost": sum(int(labels.get(key, -2) != label) for key, label in self.acknowledged.items()),
            "doubled": len(keys) - len(labels) + max(0, len(keys) - len(self.acknowledged)),
            "requests": self.tries,
            "seconds": round(seconds, 1),
            "answers_per_second": round(len(self.acknowledged) / seconds, 1),
            "answer_ms": {"median": round(cuts[49], 2), "p95": round(cuts[94], 2), "p99": round(cuts[98], 2)},
        }


if __name__ == "__main__":
    main()
