"""The label server from outside: who gets in, what gets through, and that a kill loses nothing."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing

import pytest
from label_campaign import change_settings, served, small_campaign
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from semsim.labelling.guards import HEADERS, LARGEST_BODY, RateLimit
from semsim.labelling.results import export, read_answers
from semsim.labelling.server import LabelServer
from semsim.labelling.store import Store

KEY = "0123456789ab"


@pytest.fixture
def campaign(tmp_path):
    return small_campaign(tmp_path, images_per_annotator=12)


@pytest.fixture
def client(campaign):
    """The page of whoever sits at this machine."""
    yield from open_client(campaign, public=False)


@pytest.fixture
def public(campaign):
    """The page of those who have a link."""
    campaign = change_settings(campaign, "panel: null", "panel: {parameter: PROLIFIC_PID, completion_code: C0DE}")
    yield from open_client(campaign, public=True)


def open_client(campaign, public):
    with closing(Store(campaign)) as store:
        app = LabelServer(campaign, store, public).app()
        with TestClient(app, base_url="http://127.0.0.1:8765", follow_redirects=False) as client:
            client.store = store
            yield client


@pytest.fixture
def ann(client):
    """The link of an annotator who has consented."""
    link = client.post("/join", json={"name": "ann"}).json()["link"]
    assert client.post(f"{link}consent", json={}).status_code == 200
    return link


def answer(position=0, label=-1, key=KEY, **changes):
    return {"position": position, "label": label, "seconds": 1.5, "key": key} | changes


def test_a_session_from_joining_to_the_end(client, ann, campaign):
    texts = client.get(f"{ann}campaign").json()
    assert texts["name"] == "ann" and texts["classes"] == campaign.classes and "voluntary" in texts["consent"]
    state = client.get(f"{ann}state").json()
    assert state["total"] > 12 and state["position"] == 0
    for position in range(state["total"]):
        assert client.get(f"{ann}images/{position}").headers["content-type"] == "image/png"
        state = client.post(f"{ann}answers", json=answer(position, key=f"key-{position:08}")).json()
    assert state["done"] and state["code"] is None
    assert client.post(f"{ann}undo", json={"position": position, "key": KEY}).json()["position"] == position


def test_the_page_is_not_told_what_it_shows_or_why(client, ann):
    state = client.get(f"{ann}state").json()
    assert set(state) == {"consented", "done", "position", "total", "dataset", "assignment", "code", "completion_url"}
    image = client.get(f"{ann}images/0")
    assert not {"etag", "last-modified", "content-disposition"} & set(image.headers)


def test_a_double_submit_is_one_answer_and_a_second_tab_is_told_where_it_is(client, ann, campaign):
    for _ in range(2):
        assert client.post(f"{ann}answers", json=answer(label=1)).json()["position"] == 1
    conflict = client.post(f"{ann}answers", json=answer(label=0, key="another-key"))
    assert conflict.status_code == 409 and conflict.json()["state"]["position"] == 1
    assert read_answers(campaign)[0]["label"].dropna().tolist() == [1]


def test_requests_at_the_same_time_leave_one_answer(client, ann, campaign):
    replies = []
    threads = [
        threading.Thread(
            target=lambda n=n: replies.append(client.post(f"{ann}answers", json=answer(label=n % 3, key=f"key-{n:06}")))
        )
        for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(reply.status_code for reply in replies) == [200] + [409] * 11
    assert read_answers(campaign)[0]["label"].notna().sum() == 1


@pytest.mark.parametrize(
    "body",
    [
        answer(label=-2),
        answer(label=3.5),
        answer(label=True),
        answer(label="1"),
        answer(label=None),
        answer(position=-1),
        answer(position=10**30),
        answer(seconds=-1),
        answer(seconds=float("nan")),
        answer(seconds="1"),
        answer(key="short"),
        answer(key="with spaces in it"),
        answer(key=["0123456789ab"]),
        answer(more=1),
        {"position": 0},
        [],
        None,
    ],
)
def test_answers_of_another_form_are_refused(client, ann, campaign, body):
    content = json.dumps(body)
    reply = client.post(f"{ann}answers", content=content, headers={"content-type": "application/json"})
    assert reply.status_code == 400 and reply.json()["error"]
    assert read_answers(campaign)[0]["label"].isna().all()


def test_a_class_that_does_not_exist_is_refused(client, ann):
    reply = client.post(f"{ann}answers", json=answer(label=999))
    assert reply.status_code == 422 and "not one of them" in reply.json()["error"]


def test_bodies_are_bounded_and_of_one_type(client, ann):
    url, json_type = f"{ann}answers", {"content-type": "application/json"}
    assert client.post(url, content=b"[" * LARGEST_BODY, headers=json_type).status_code == 400
    assert client.post(url, content=b" " * (LARGEST_BODY + 1), headers=json_type).status_code == 413
    assert client.post(url, content=iter([b" " * 1000] * 10), headers=json_type).status_code == 413
    assert client.post(url, content=b"{not json", headers=json_type).status_code == 400
    assert client.post(url, data=answer()).status_code == 415  # what a form of another page could send
    assert client.post(url, content=json.dumps(answer()), headers={"content-type": "text/plain"}).status_code == 415


@pytest.mark.parametrize(
    "path",
    [
        "images/../../../campaign.yaml",
        "images/%2e%2e%2fcampaign.yaml",
        "images/..%2f..%2fanswers.sqlite",
        "images/0001.png",
        "images/-1",
        "images/2",
        "images/99999999999999999999",
        "images/" + "9" * 5000,
        "images/٣",
        "../../page.js/../server.py",
        "",
    ],
)
def test_only_pictures_whose_turn_it_is_can_be_had(client, ann, path):
    content = client.get(f"{ann}{path}").content
    assert client.get(f"{ann}images/0").content.startswith(b"\x89PNG")
    assert path == "" or (b"PNG" not in content and b"SQLite" not in content and b"classes:" not in content)


@pytest.mark.parametrize(
    "name", ["campaign.yaml", "answers.sqlite", "page/page.js", "notice.html", "index.html", "..%2f"]
)
def test_no_other_file_is_served(client, name):
    assert client.get(f"/{name}").status_code == 404


@pytest.mark.parametrize(
    "path", ["/", "/page.css", "/page.js", "/icon.svg", "/nothing", "/a/nobody/", "/a/nobody/state"]
)
def test_every_response_has_the_headers(client, path):
    reply = client.get(path)
    assert {name: reply.headers[name] for name in HEADERS} == HEADERS
    assert "unsafe" not in reply.headers["content-security-policy"]
    assert reply.headers["cache-control"] == "no-store"


def test_headers_are_there_when_something_is_refused(client, ann):
    for reply in (client.post(f"{ann}answers", json={}), client.delete(f"{ann}state"), client.put("/")):
        assert 400 <= reply.status_code < 500 and reply.headers["x-content-type-options"] == "nosniff"


def test_the_page_has_nothing_inline_and_nothing_from_elsewhere(client):
    page = client.get("/").text
    assert not re.search(r"<style|style=|\son\w+=|<script(?! src=)", page)
    for text in (page, client.get("/page.js").text, client.get("/page.css").text):
        assert not re.search(r"(src|href|url|fetch)\W{1,3}https?:|//\w+\.\w+/", text)


def test_another_host_name_for_this_machine_is_refused(client):
    assert client.get("/", headers={"host": "evil.example.org"}).status_code == 400
    assert client.get("/", headers={"host": "localhost:8765"}).status_code == 200


def test_whoever_gives_a_name_again_goes_on(client, ann):
    client.post(f"{ann}answers", json=answer())
    assert client.post("/join", json={"name": "ann"}).json()["link"] == ann
    assert client.post("/join", json={"name": "<b>"}).status_code == 422
    half = b'{"name": "\\ud83d"}'  # of a character
    assert client.post("/join", content=half, headers={"content-type": "application/json"}).status_code in (400, 422)
    assert client.get(f"{ann}state").json()["position"] == 1


def test_the_public_lets_nobody_in_without_a_link(public):
    assert public.get("/").status_code == 404 and "own link" in public.get("/").text
    assert public.post("/join", json={"name": "ann"}).status_code == 404
    assert public.get("/a/guessed/").status_code == 404
    for method, path in (
        ("get", "state"),
        ("get", "campaign"),
        ("get", "images/0"),
        ("post", "answers"),
        ("post", "undo"),
    ):
        body = {"json": answer() if path == "answers" else {"position": 0, "key": KEY}} if method == "post" else {}
        assert getattr(public, method)(f"/a/guessed/{path}", **body).status_code == 404


def test_links_are_long_and_their_pictures_are_not_each_others(public):
    with public.store.transaction():
        links = [f"/a/{public.store.invite(None)[1]}/" for _ in range(2)]
    assert all(len(link) >= 22 + len("/a//") for link in links) and links[0] != links[1]
    for link in links:
        public.post(f"{link}consent", json={})
    public.post(f"{links[0]}answers", json=answer())
    assert public.get(f"{links[1]}state").json()["position"] == 0
    assert public.post(f"{links[1]}undo", json={"position": 0, "key": KEY}).status_code == 409


def test_a_panel_sends_participants_and_gets_them_back_with_a_code(public):
    panel = f"/p/{public.store.links.panel_key}"
    link = public.get(panel, params={"PROLIFIC_PID": "5f3c9a7e", "STUDY_ID": "x"}).headers["location"]
    assert public.get(panel, params={"PROLIFIC_PID": "5f3c9a7e"}).headers["location"] == link
    state = public.post(f"{link}consent", json={}).json()
    assert state["code"] is None
    for position in range(state["total"]):
        state = public.post(f"{link}answers", json=answer(position, key=f"key-{position:08}")).json()
    assert state["code"] == "C0DE"


@pytest.mark.parametrize(
    "query", ["", "?PROLIFIC_PID=", "?PROLIFIC_PID=a%20b", "?PROLIFIC_PID=" + "a" * 101, "?other=5f3c9a7e"]
)
def test_a_panels_link_without_an_id_leads_nowhere(public, query):
    reply = public.get(f"/p/{public.store.links.panel_key}{query}")
    assert reply.status_code == 404 and "PROLIFIC_PID" in reply.text
    assert public.get("/p/guessed?PROLIFIC_PID=5f3c9a7e").status_code == 404


def test_one_annotator_cannot_flood_the_server_and_others_do_not_notice(client, ann):
    ben = client.post("/join", json={"name": "ben"}).json()["link"]
    codes = [client.get(f"{ann}state") for _ in range(60)]
    refused = [reply for reply in codes if reply.status_code == 429]
    assert 5 < len(refused) <= 21 and int(refused[0].headers["retry-after"]) >= 1
    assert client.get(f"{ben}state").status_code == 200


def test_guessing_links_is_slowed_down(client):
    assert [client.get(f"/a/{n}/state").status_code for n in range(50)].count(429) > 5


def test_a_rate_limit_refills_and_forgets():
    now = [0.0]
    limit = RateLimit(rate=2, burst=3, known=5, clock=lambda: now[0])
    for _ in range(3):
        limit.spend("ann")
    with pytest.raises(HTTPException):
        limit.spend("ann")
    now[0] = 0.5
    limit.spend("ann")
    for number in range(100):
        limit.spend(number)
    assert len(limit._seen) == 5


def test_a_full_disk_is_an_error_after_which_the_page_tries_again(client, ann, campaign, monkeypatch):
    def full(requests):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(client.store, "carry_out", full)
        reply = client.post(f"{ann}answers", json=answer())
    assert reply.status_code == 503 and reply.headers["retry-after"]
    assert client.post(f"{ann}answers", json=answer()).json()["position"] == 1


def request(url, body=None):
    """Return the status and the JSON of a real server's reply."""
    data = None if body is None else json.dumps(body).encode()
    question = urllib.request.Request(url, data, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(question, timeout=10) as reply:
            return reply.status, json.loads(reply.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_what_was_acknowledged_outlives_a_kill_and_a_retry_adds_nothing(campaign):
    with served(campaign) as (process, address):
        link = address + request(f"{address}/join", {"name": "ann"})[1]["link"]
        total = request(f"{link}consent", {})[1]["total"]
        acknowledged = []

        def annotate():
            for position in range(total):
                try:
                    status, _ = request(f"{link}answers", answer(position, position % 3, f"key-{position:08}"))
                except OSError:
                    return
                if status == 200:
                    acknowledged.append((position, position % 3))

        work = threading.Thread(target=annotate)
        work.start()
        while len(acknowledged) < 5:
            time.sleep(0.001)
        os.kill(process.pid, signal.SIGKILL)
        work.join()
    assert 5 <= len(acknowledged) < total
    items = read_answers(campaign)[0]
    on_disk = items[items["label"].notna()]
    stored = list(zip(on_disk["position"], on_disk["label"], strict=True))
    assert stored[: len(acknowledged)] == acknowledged and len(stored) <= len(acknowledged) + 1

    with served(campaign) as (process, address):
        link = address + request(f"{address}/join", {"name": "ann"})[1]["link"]
        last = len(acknowledged) - 1
        status, state = request(f"{link}answers", answer(last, last % 3, f"key-{last:08}"))
        assert status == 200 and state["position"] == len(stored)
        labels, _ = export(campaign)  # while the server runs
        assert len(labels) <= len(stored)


def test_two_servers_do_not_share_a_port(campaign):
    with served(campaign) as (_, address):
        port = address.rsplit(":", 1)[1]
        second = serve_once(campaign, "--port", port)
    assert second.returncode == 1
    assert re.fullmatch(rf"error: 127.0.0.1, port {port}: cannot be used .*\n", second.stderr)


def serve_once(campaign, *options):
    command = [sys.executable, "-m", "semsim.commands", "label", "serve", str(campaign.folder), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=20)


def test_only_loopback_is_listened_to_unless_links_are_needed(campaign):
    refused = serve_once(campaign, "--host", "0.0.0.0")
    assert refused.returncode == 1 and "Add --public" in refused.stderr and "Traceback" not in refused.stderr
    with served(campaign) as (_, address):
        assert address.startswith("http://127.0.0.1:")
        with pytest.raises(OSError), socket.create_connection(("127.0.0.2", int(address.rsplit(":", 1)[1])), timeout=2):
            pass
