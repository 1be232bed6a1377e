"""Attacks on a public label server: on its rates, its places, its links, its connections, and what it shows."""

import hashlib
import hmac
import http.client
import json
import os
import socket
import ssl
import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import timedelta

import pytest
import uvicorn
from label_campaign import change_settings, small_campaign
from label_proxy import NGINX, OPENSSL, proxied

from semsim.errors import SemsimError
from semsim.labelling import connections, store
from semsim.labelling.campaign import read_campaign_folder
from semsim.labelling.connections import client_of
from semsim.labelling.guards import RateLimit
from semsim.labelling.results import read_answers
from semsim.labelling.server import STRANGER_RATE, LabelServer, configured
from semsim.labelling.store import Conflict, Refused, Store

NOBODY = "a" * 22


@pytest.fixture
def campaign(tmp_path):
    return with_panel(small_campaign(tmp_path))


def with_panel(campaign, **settings):
    settings = json.dumps({"parameter": "PID", "completion_code": "C0DE"} | settings)
    return change_settings(campaign, "panel: null", f"panel: {settings}")


class Live:
    """A server that listens, with its limits as they are at the moment."""

    def __init__(self, store, port):
        self.store, self.port = store, port

    def ask(self, method, path, body=None, headers=(), **options):
        """Send a request on a connection of its own; return status, headers and content."""
        headers = dict(headers)
        if isinstance(body, dict):
            body, headers = json.dumps(body), {"Content-Type": "application/json"} | headers
        return asked(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10), method, path, body, headers)

    def connect(self, sent=b""):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection.sendall(sent)
        return connection

    def invite(self, name=None):
        """Return the link of a new annotator who has agreed."""
        with self.store.transaction():
            token = self.store.invite(name)[1]
            self.store.consent(token)
        return f"/a/{token}/"


def asked(connection, method, path, body, headers):
    with closing(connection):
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()


@contextmanager
def listening(campaign, proxies=(), strangers=1000):
    """Serve a campaign to the public from a thread; so many requests of a stranger pass, and no more with time."""
    with closing(Store(campaign)) as answers, socket.create_server(("127.0.0.1", 0), backlog=500) as listener:
        pages = LabelServer(campaign, answers, public=True)
        pages._strangers = RateLimit(STRANGER_RATE["rate"], strangers, clock=lambda: 0.0)
        server = uvicorn.Server(configured(pages.app(), proxies))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield Live(answers, listener.getsockname()[1])
        finally:
            server.force_exit = server.should_exit = True
            thread.join()


@pytest.fixture
def live(campaign):
    with listening(campaign) as live:
        yield live


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """A server that tests share which change nothing, or only something of an annotator of their own."""
    with listening(with_panel(small_campaign(tmp_path_factory.mktemp("running"), labels_per_image=100))) as live:
        yield live


def do(store, method, *arguments):
    with store.transaction():
        return getattr(store, method)(*arguments)


def refusals(live, count, header):
    """How many of so many guesses of a link are refused as too many."""
    return [live.ask("GET", f"/a/{n}/state", headers=header(n))[0] for n in range(count)].count(429)


# ---- rates


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP"])
def test_addresses_that_a_client_makes_up_do_not_raise_its_rate(campaign, name):
    with listening(campaign, strangers=5) as live:
        assert refusals(live, 9, lambda n: {name: f"for=10.0.0.{n}" if name == "Forwarded" else f"10.0.0.{n}"}) == 4


def test_a_proxy_that_is_named_is_believed_in_what_it_added_itself(campaign):
    with listening(campaign, ["127.0.0.1"], strangers=5) as live:
        assert refusals(live, 9, lambda n: {"X-Forwarded-For": f"10.0.0.{n}"}) == 0
        assert refusals(live, 9, lambda n: {"X-Forwarded-For": f"10.0.0.{n}, 10.9.9.9"}) == 4


def test_another_proxy_than_the_one_that_is_named_is_not_believed(campaign):
    with listening(campaign, ["192.0.2.1"], strangers=5) as live:
        assert refusals(live, 9, lambda n: {"X-Forwarded-For": f"10.0.0.{n}"}) == 4


@pytest.mark.parametrize("proxy", ["*", "", "nginx", "127.0.0.1/8", "127.0.0.1,10.0.0.1", "0x7f000001"])
def test_a_proxy_is_an_address_or_a_network(semsim_in, tmp_path, proxy):
    status, _, errors = semsim_in(tmp_path)("label", "serve", "pilot", "--public", "--proxy", proxy)
    assert status == 2 and "--proxy: not an address such as 127.0.0.1" in errors


def test_a_proxy_goes_with_the_public(semsim_in, campaign):
    status, _, errors = semsim_in(campaign.folder)("label", "serve", str(campaign.folder), "--proxy", "127.0.0.1")
    assert status == 1 and "error: --proxy: only with --public." in errors


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("fe80::1%eth0", "fe80::2", True),
        ("a word", "another", False),
    ],
)
def test_a_client_with_a_network_of_addresses_is_one_client(one, other, same):
    assert (client_of(one) == client_of(other)) is same


# ---- places in a study


def join(store, participant):
    """Let a participant come by the panel's link and agree; return the token."""
    token = store.admit(participant)
    do(store, "consent", token)
    return token


def answer(store, token, position=0, label=-1, key="key-00000000"):
    do(store, "answer", token, position, label, 1.0, key)


def test_participants_who_are_made_up_hold_no_picture_until_they_answer(tmp_path):
    campaign = with_panel(small_campaign(tmp_path, labels_per_image=2, images_per_annotator=24), participants=100)
    with closing(Store(campaign)) as answers:
        tokens = [join(answers, f"made-up-{n}") for n in range(20)]
        assert not answers._expected_labels()
        for token in tokens[:4]:  # 48 images x 2 labels
            answer(answers, token)
        assert set(answers._expected_labels().values()) <= {1, 2, 3}
        taken = sum(answers._expected_labels().values())
        assert taken == 4 * 24
        answer(answers, tokens[4])  # whoever has begun may go on


def test_participants_who_arrive_at_once_are_spread_over_the_pictures(tmp_path):
    with closing(Store(with_panel(small_campaign(tmp_path, labels_per_image=2, images_per_annotator=12)))) as answers:
        for token in [join(answers, f"participant-{n}") for n in range(8)]:
            answer(answers, token)
        assert set(answers._expected_labels().values()) == {2}
        with pytest.raises(Refused, match="Every picture has all the labels"):
            join(answers, "late")


def test_no_more_participants_answer_than_the_panel_has(tmp_path):
    with closing(Store(with_panel(small_campaign(tmp_path), participants=2))) as answers:
        ann, ben, eve = (join(answers, name) for name in ("ann", "ben", "eve"))
        answer(answers, ann)
        answer(answers, ben)
        with pytest.raises(Refused, match="all the participants it needs"):
            answer(answers, eve)
        with pytest.raises(Refused, match="all the participants it needs"):
            join(answers, "late")
        answer(answers, ann, 1, key="key-00000001")
        do(answers, "consent", do(answers, "invite", "invited")[1])


def test_participants_are_twice_as_many_as_needed_where_nothing_is_said(tmp_path):
    campaign = small_campaign(tmp_path, labels_per_image=5, images_per_annotator=7)
    assert campaign.most_participants == 2 * 35  # 48 images x 5 labels, 7 by each


def test_looking_at_the_panels_link_makes_nobody(live):
    for method in ("GET", "HEAD", "GET"):
        status, headers, _ = live.ask(method, f"/p/{live.store.links.panel_key}?PID=5f3c9a7e")
        assert status == 303
    assert live.ask("GET", headers["location"])[0] == 200
    assert live.ask("GET", f"{headers['location']}state")[0] == 200
    assert live.store.annotators().empty
    assert live.ask("POST", f"{headers['location']}consent", {})[0] == 200
    assert len(live.store.annotators()) == 1


def test_agreeing_is_slowed_down_by_address(campaign):
    with listening(campaign, strangers=5) as live:
        links = [f"/a/{live.store.admit(f'made-up-{n}')}/" for n in range(9)]
        assert [live.ask("POST", f"{link}consent", {})[0] for link in links].count(429) == 4


def test_participants_who_never_answer_do_not_fill_the_disk(campaign, monkeypatch):
    monkeypatch.setattr(store, "UNDECIDED", 3)
    with closing(Store(campaign)) as answers:
        ann = join(answers, "ann")
        answer(answers, ann)
        first = join(answers, "first")
        before = answers.state(first)
        for n in range(5):
            join(answers, f"made-up-{n}")
        assert len(answers.annotators()) == 4 and answers.state(ann).position == 1
        assert answers.items()["annotator"].nunique() == 4
        assert not answers.state(first).consented
        with pytest.raises(Conflict):  # after which the page asks again for consent
            answer(answers, first)
        do(answers, "consent", first)
        again = answers.state(first)
        assert again.consented and again.name == before.name
        assert again.assignment != before.assignment  # the browser may still have the earlier pictures


def test_a_clock_that_was_ahead_does_not_reserve_pictures_for_ever(campaign, monkeypatch):
    now = store._now
    with closing(Store(campaign)) as answers:
        with monkeypatch.context() as patch:
            patch.setattr(store, "_now", lambda *ago: now(sum(ago, timedelta(days=3650))))
            ann, ben = (do(answers, "invite", name)[1] for name in ("ann", "ben"))
            do(answers, "consent", ann)
            do(answers, "consent", ben)
            answer(answers, ann)
            assert set(answers._expected_labels().values()) == {2}
        assert sum(answers._expected_labels().values()) <= 1  # what was answered; a check would count for nothing
        answer(answers, ben)
        assert set(answers._expected_labels().values()) <= {1, 2}
        assert answers.state(ann).position == answers.state(ben).position == 1


def test_the_link_of_a_participant_cannot_be_made_up_or_changed(live, tmp_path):
    token = live.store.admit("5f3c9a7e")
    other = Store(small_campaign(tmp_path / "other")).admit("5f3c9a7e")
    changed = [token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :] for place in (0, 21, 22, 43)]
    for wrong in (*changed, other, token[:22] + other[22:], token[22:] + token[:22], token[:43], f"{token}A"):
        assert live.ask("GET", f"/a/{wrong}/state")[0] == 404
    assert live.ask("GET", f"/a/{token}/state")[0] == 200


def test_a_panel_that_signs_its_ids_lets_no_other_in(tmp_path):
    with listening(with_panel(small_campaign(tmp_path), signed=True)) as live:
        links, link = live.store.links, f"/p/{live.store.links.panel_key}?PID=5f3c9a7e"
        # As annotations/README.md has it: printf %s ID | openssl dgst -sha256 -hmac KEY
        right = hmac.new(links.signing_key.encode(), b"5f3c9a7e", hashlib.sha256).hexdigest()
        assert live.ask("GET", f"{link}&signature={right}")[0] == 303
        assert live.ask("GET", f"{link}&signature={right.upper()}")[0] == 303
        for wrong in ("", "&signature=", f"&signature={right[:-1]}", "&signature=%C3%A9", f"&signature={right}0"):
            assert live.ask("GET", f"{link}{wrong}")[0] == 404
        assert live.ask("GET", f"/p/{links.panel_key}?PID=another&signature={right}")[0] == 404
        assert live.ask("GET", f"{link}&PID=another&signature={right}")[0] == 404


# ---- links and files


@pytest.mark.parametrize("host", ["evil.example.org", "evil.example.org:80", "127.0.0.1"])
def test_no_redirect_names_a_host_or_leaves_tls(running, host):
    live, link = running, running.invite()
    status, headers, _ = live.ask("GET", link[:-1], headers={"Host": host})
    assert (status, headers["location"]) == (303, link)
    for path in (
        "/a/short",
        f"/p/{NOBODY}/",
        "/page.js/",
        "//evil.example.org/",
        "/a/%5c%5cevil.example.org",
        f"{link}state/",
    ):
        status, headers, _ = live.ask("GET", path, headers={"Host": host, "X-Forwarded-Host": host})
        assert status == 404 and "location" not in headers


def test_nothing_on_disk_is_open_to_others_or_lets_anyone_in(campaign):
    folder = campaign.folder
    folder.chmod(0o755)
    umask = os.umask(0)
    try:
        with closing(Store(campaign)) as answers:
            _, token = do(answers, "invite", "ann")
            participant = join(answers, "5f3c9a7e")
            answer(answers, participant)
            files = sorted(folder.glob("answers*"))
            assert [path.name for path in files] == [
                f"answers.{end}" for end in ("secret", "sqlite", "sqlite-shm", "sqlite-wal")
            ]
            assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
            assert folder.stat().st_mode & 0o777 == 0o700
            content = b"".join(path.read_bytes() for path in files[1:])
            for secret in (token, participant, answers.links.panel_key, answers.links._secret):
                assert secret.encode() not in content
    finally:
        os.umask(umask)


def test_files_that_were_open_to_others_are_closed(campaign):
    with closing(Store(campaign)):
        campaign.database.chmod(0o644)
        campaign.folder.chmod(0o755)
        with closing(Store(campaign)):
            assert campaign.database.stat().st_mode & 0o777 == 0o600
            assert campaign.folder.stat().st_mode & 0o777 == 0o700


def test_a_lost_secret_is_named_and_loses_no_answer(campaign):
    with closing(Store(campaign)) as answers:
        _, ann = do(answers, "invite", "ann")
        do(answers, "consent", ann)
        answer(answers, ann)
    content = campaign.secret.read_text()
    for damage in (campaign.secret.unlink, lambda: campaign.secret.write_text("{}")):
        damage()
        assert read_answers(campaign)[0]["label"].notna().sum() == 1
        with closing(Store(campaign)) as answers, pytest.raises(SemsimError, match="answers.secret: .* from a backup"):
            LabelServer(campaign, answers, public=True)
    campaign.secret.write_text(content)
    with closing(Store(campaign)) as answers:
        assert answers.state(ann).position == 1


def swapped(campaign):
    one, other = sorted((campaign.folder / "images").iterdir())[:2]
    pictures = one.read_bytes(), other.read_bytes()
    one.write_bytes(pictures[1])
    other.write_bytes(pictures[0])


CHANGES = {
    "pictures": swapped,
    "words of the question": lambda campaign: change_settings(campaign, "question: What", "question: Tell, what"),
    "instructions": lambda campaign: (campaign.folder / "instructions.txt").write_text("If in doubt, guess."),
    "classes": lambda campaign: change_settings(campaign, "[square, disc,", "[disc, square,"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_was_asked_stays_as_it_was_when_the_first_was_invited(campaign, what):
    with closing(Store(campaign)):
        pass
    if what != "pictures":  # before, everything may change
        CHANGES[what](campaign)
        campaign = read_campaign_folder(campaign.folder)
    with closing(Store(campaign)) as answers:
        do(answers, "invite", "ann")
    with closing(Store(read_campaign_folder(campaign.folder))):
        pass
    swapped(campaign)
    with pytest.raises(SemsimError, match="pictures have changed since the first annotator was invited"):
        Store(read_campaign_folder(campaign.folder))
    swapped(campaign)
    if what != "pictures":
        change_back = {"classes": ("[disc, square,", "[square, disc,"), "words of the question": ("Tell, what", "What")}
        if what == "instructions":
            (campaign.folder / "instructions.txt").write_text("Something else.")
        else:
            change_settings(campaign, *change_back[what])
        with pytest.raises(SemsimError, match=f"{what} have changed"):
            Store(read_campaign_folder(campaign.folder))


def test_titles_and_numbers_may_change_while_people_answer(campaign):
    with closing(Store(campaign)) as answers:
        do(answers, "invite", "ann")
    with closing(Store(change_settings(campaign, "labels_per_image: 5", "labels_per_image: 6"))):
        pass


@pytest.mark.parametrize("target", ["../../secret.png", "../answers.secret", "/dev/zero", "itself"])
def test_a_link_in_images_that_leads_elsewhere_is_refused_and_not_served(campaign, live, target):
    (campaign.folder.parent / "secret.png").write_bytes(b"\x89PNG secret")
    link = live.invite()
    picture = campaign.path_of(live.store.image(link.split("/")[2], 0))
    content = picture.read_bytes()
    assert live.ask("GET", f"{link}images/0")[2] == content
    picture.unlink()
    picture.symlink_to(picture.name if target == "itself" else target)
    status, _, reply = live.ask("GET", f"{link}images/0")
    assert status == 503 and b"secret" not in reply
    with pytest.raises(SemsimError, match=f"no such PNG file in images/: {picture.name}"):
        read_campaign_folder(campaign.folder)
    picture.unlink()
    picture.write_bytes(b"\x89PNG another")
    assert live.ask("GET", f"{link}images/0")[0] == 503
    picture.write_bytes(content)
    assert live.ask("GET", f"{link}images/0")[0] == 200


# ---- answers


def given(live, link):
    """The labels that an annotator has given."""
    with closing(Store(read_campaign_folder(live.store._campaign.folder))) as answers:
        items = answers.items()
    return items["label"][items["annotator"] == live.store.state(link.split("/")[2]).name].dropna().tolist()


def test_a_key_that_comes_again_with_something_else_is_a_conflict(running):
    live, body = running, {"position": 0, "label": 1, "seconds": 1.0, "key": "key-00000000"}
    link = live.invite()
    assert [live.ask("POST", f"{link}answers", body)[0] for _ in range(2)] == [200, 200]
    for other in ({"label": 2}, {"label": -1}, {"position": 1}):
        assert live.ask("POST", f"{link}answers", body | other)[0] == 409
    assert given(live, link) == [1]
    assert live.ask("POST", f"{link}answers", body | {"position": 1, "key": "key-00000001"})[0] == 200
    undo = {"position": 1, "key": "undo-0000000"}
    assert [live.ask("POST", f"{link}undo", undo)[0] for _ in range(2)] == [200, 200]
    assert live.ask("POST", f"{link}undo", undo | {"position": 0})[0] == 409
    assert given(live, link) == [1]


def test_answers_at_once_lose_and_double_nothing(running):
    live, link, codes = running, running.invite(), []

    def work(n):
        for position in range(6):
            body = {"position": position, "label": n % 3, "seconds": 1.0, "key": f"key-{n}-{position}-00"}
            codes.append(live.ask("POST", f"{link}answers", body)[0])

    threads = [threading.Thread(target=work, args=(n,)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(codes) <= {200, 409, 429}
    assert len(given(live, link)) == codes.count(200) <= 6


@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        ("POST", "undo", {"Content-Type": "application/x-www-form-urlencoded"}, '{"position": 0, "key": "12345678"}'),
        ("POST", "undo", {"Content-Type": "text/plain"}, '{"position": 0, "key": "12345678"}'),
        ("POST", "undo", {"Content-Type": "multipart/form-data; boundary=application/json"}, "{}"),
        ("PUT", "undo", {}, {"position": 0, "key": "12345678"}),
        ("GET", "undo", {"X-HTTP-Method-Override": "POST"}, {"position": 0, "key": "12345678"}),
        ("OPTIONS", "undo", {"Origin": "https://evil.example.org", "Access-Control-Request-Method": "POST"}, None),
    ],
)
def test_no_other_page_can_send_anything_in_an_annotators_name(running, method, path, headers, body):
    live, link = running, running.invite()
    do(live.store, "answer", link.split("/")[2], 0, 1, 1.0, "key-00000000")
    status, answered, _ = live.ask(method, f"{link}{path}", body, headers)
    assert 400 <= status < 500 and not any(name.startswith("access-control") for name in answered)
    assert given(live, link) == [1]


@pytest.mark.parametrize(
    "path",
    [
        "/a/%ff%fe/state",
        "/a/%00/state",
        f"/a/{'%F0%9F%99%82' * 22}/state",
        f"/a/{'%D9%A3' * 22}/state",
        f"/a/{'A' * 12000}/state",
        "/a/..%2f..%2fanswers.secret",
        "/a/%0d%0aSet-Cookie:x=1/",
        "/p/%00?PID=1",
        "/p/%ff?PID=%ff",
        "/p/{key}?PID=%0d%0aSet-Cookie:%20x=1",
        "/p/{key}?PID=%F0%9F%99%82",
        "/p/{key}?PID=../../x",
        "/p/{key}?PID=1&PID=%00",
        "/%2e%2e/answers.secret",
        "/../answers.secret",
        "http://evil.example.org/",
        "*",
    ],
)
def test_strange_addresses_and_methods_are_refused_in_words(running, path):
    for method in ("GET", "HEAD", "TRACE", "b-r_e.w"):
        status, headers, content = running.ask(method, path.replace("{key}", running.store.links.panel_key))
        assert status in (400, 404, 405) and "set-cookie" not in headers and "location" not in headers
        assert b"Traceback" not in content and b"secret" not in content


@pytest.mark.parametrize(
    "head",
    [
        b"POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /join HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /page.css HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 30 + b"\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 10**6 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\x00\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\r\n" * 5 + b"\x00",
    ],
)
def test_requests_that_are_none_are_ended(running, head):
    with closing(running.connect()) as connection:
        with suppress(ConnectionError):
            connection.sendall(head)
        reply = b""
        while part := received(connection):
            reply += part
        assert reply.startswith(b"HTTP/1.1 4") and reply.count(b"HTTP/1.1") == 1
    assert running.ask("GET", "/page.css")[0] == 200


# ---- connections


def received(connection):
    """What comes next; nothing where the connection is over."""
    try:
        return connection.recv(65536)
    except ConnectionError:
        return b""


def is_over(connection, seconds, sending=b""):
    """Whether the server ends a connection within so many seconds, even if something is sent now and then."""
    until = time.monotonic() + seconds
    connection.settimeout(0.05)
    while time.monotonic() < until:
        try:
            if sending:
                connection.sendall(sending)
            if connection.recv(65536) == b"":
                return True
        except TimeoutError:
            continue
        except ConnectionError:
            return True
    return False


HEAD = b"POST /a/" + NOBODY.encode() + b"/answers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("sent", "then"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b""),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"a"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b""),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nX: ", b"a"),
        (HEAD + b"Content-Length: 1000\r\n\r\n{", b" "),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (HEAD.replace(b"json", b"xml") + b"Content-Length: 1000\r\n\r\n{", b" "),
        (HEAD + b"Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n", b""),
    ],
    ids=["idle", "half", "dribbling", "kept", "kept-dribbling", "body", "chunked", "body-after-reply", "continue"],
)
def test_nobody_holds_a_connection_without_using_it(campaign, monkeypatch, sent, then):
    monkeypatch.setattr(connections, "SLOWEST_HEADER", 0.3)
    monkeypatch.setattr(connections, "SLOWEST_REQUEST", 0.3)
    with listening(campaign) as live, closing(live.connect(sent)) as connection:
        assert is_over(connection, 3, then)
        assert live.ask("GET", "/page.js")[0] == 200


def test_a_client_that_does_not_take_its_reply_is_left(campaign, monkeypatch):
    monkeypatch.setattr(connections, "SLOWEST_REQUEST", 0.4)
    with listening(campaign) as live:
        connection = socket.socket()
        with closing(connection):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.connect(("127.0.0.1", live.port))
            with pytest.raises(ConnectionError):
                for _ in range(400):
                    connection.sendall(b"GET /page.js HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
                    time.sleep(0.01)


def test_one_address_has_a_bounded_number_of_connections(campaign, monkeypatch):
    monkeypatch.setattr(connections, "CONNECTIONS_EACH", 10)
    for proxies, most in (((), 10), (["127.0.0.0/8"], 15)):
        with listening(campaign, proxies) as live, ExitStack() as stack:
            opened = [stack.enter_context(closing(live.connect())) for _ in range(15)]
            time.sleep(0.2)
            assert sum(not is_over(connection, 0.02) for connection in opened) == most
            for connection in opened:
                connection.close()
            time.sleep(0.2)
            assert live.ask("GET", "/page.css")[0] == 200  # they count only as long as they are open


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_large_body_is_not_taken_once_it_is_refused(running, monkeypatch, chunked):
    monkeypatch.setattr(connections, "FAREWELL", 0.2)
    live = running
    block = b" " * 2**20
    length = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (300 * 2**20)
    with closing(live.connect(HEAD + length + b"\r\n\r\n")) as connection:
        taken = 0
        with pytest.raises(ConnectionError):
            while True:
                connection.sendall(b"100000\r\n" + block + b"\r\n" if chunked else block)
                taken += 1
        assert taken < 30  # what fits in the buffers of both ends
    with closing(live.connect(HEAD + length + b"\r\n\r\n" + b"8000\r\n" * chunked + block[:0x8000])) as connection:
        assert received(connection).startswith(b"HTTP/1.1 413")


def test_a_small_rest_of_a_body_does_not_end_the_connection(running):
    head = HEAD.replace(b"json", b"xml") + b"Content-Length: 5000\r\n\r\n"
    with closing(running.connect(head + b"a" * 100)) as connection, connection.makefile("rb") as replies:
        assert replies.readline().startswith(b"HTTP/1.1 415")
        connection.sendall(b"a" * 4900 + b"GET /page.css HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"HTTP/1.1 200 OK" in replies.read()


# ---- behind the real proxy


@pytest.mark.skipif(not (NGINX and OPENSSL), reason="needs nginx and openssl (Debian: nginx-light)")
@pytest.mark.skipif(sys.platform != "linux", reason="needs more than one address of this machine, as Linux has them")
def test_the_sample_configuration_of_nginx_keeps_its_promises(campaign, tmp_path):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def ask(method, path, body=None, headers=(), source="127.0.0.1"):
        connection = http.client.HTTPSConnection(
            "127.0.0.1", https, timeout=10, context=context, source_address=(source, 0)
        )
        headers = {"Content-Type": "application/json", **dict(headers)}
        return asked(connection, method, path, None if body is None else json.dumps(body), headers)

    (tmp_path / "nginx").mkdir()
    with (
        listening(campaign, ["127.0.0.1"], strangers=5) as live,
        proxied(tmp_path / "nginx", live.port) as (https, plain),
    ):
        spoofed = [ask("GET", f"/a/{n}/state", headers={"X-Forwarded-For": f"10.0.0.{n}"})[0] for n in range(9)]
        assert spoofed.count(429) == 4  # whatever a client says about itself
        assert ask("GET", "/a/guess/state", source="127.0.0.2")[0] == 404  # another address has its own rate
        link = live.invite()
        assert ask("GET", link)[0] == 200
        body = {"position": 0, "label": 1, "seconds": 1.0, "key": "key-00000000"}
        assert [ask("POST", f"{link}answers", body)[0] for _ in range(2)] == [200, 200]
        assert ask("POST", f"{link}answers", {"position": "x" * 9000})[0] == 413
        status, headers, _ = ask("GET", link[:-1], headers={"Host": "evil.example.org"})
        assert (status, headers["location"]) == (303, link) and "strict-transport-security" in headers
        insecure = http.client.HTTPConnection("127.0.0.1", plain, timeout=10)
        status, headers, _ = asked(insecure, "GET", link, None, {"Host": "evil.example.org"})
        assert (status, headers["location"]) == (301, f"https://label.example.org{link}")
    assert not [log for log in (tmp_path / "nginx").glob("*.log") if link.split("/")[2] in log.read_text()]
