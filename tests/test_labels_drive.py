"""Files on Google Drive: what is made of the pages that a server in its place shows, and what is pinned."""

import hashlib
import io
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from semsim.data import download
from semsim.errors import SemsimError
from semsim.labels.drive import fetch_archive

CONSENT = (  # on one line, as Google Drive has it
    '<html><form id="download-form" action="https://drive.usercontent.google.com/download" method="get">'
    '<input type="hidden" name="id" value="an-id"><input type="hidden" name="confirm" value="t"></form></html>'
)
QUOTA = '<html><p class="uc-error-subcaption">Too many users have viewed or downloaded this file.</p></html>'


def archive(text):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as content:
        content.writestr("a.txt", text)
    return file.getvalue()


@pytest.fixture
def drive(monkeypatch):
    """A server that is asked in place of Google Drive; what it does is in `pages`, and what it was asked in `asked`."""

    class Drive(ThreadingHTTPServer):
        asked, pages, content = [], {}, archive("one")

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            place = urlsplit(self.path)
            self.server.asked.append((place.path, parse_qs(place.query).get("id")))
            page = self.server.pages.get(place.path)
            body = self.server.content if page is None else page.encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/zip" if page is None else "text/html")
            if page is None:
                self.send_header("Content-Disposition", 'attachment; filename="theirs.zip"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = Drive(("127.0.0.1", 0), Answer)
    server.asked, server.pages = [], {}
    send = requests.adapters.HTTPAdapter.send

    def send_here(self, request, **options):
        place = urlsplit(request.url)
        assert place.hostname.endswith("google.com")
        request.url = place._replace(scheme="http", netloc=f"127.0.0.1:{server.server_port}").geturl()
        return send(self, request, **options)

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send_here)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_is_fetched_through_the_page_of_consent_once_and_pinned(drive, tmp_path):
    drive.pages["/uc"] = CONSENT
    path = fetch_archive("an-id", tmp_path / "download" / "ours.zip")
    assert path.read_bytes() == drive.content
    assert drive.asked == [("/uc", ["an-id"]), ("/download", ["an-id"])]
    pin = f"{hashlib.sha256(drive.content).hexdigest()}  ours.zip\n"
    assert (path.parent / "ours.zip.sha256").read_text() == pin
    assert fetch_archive("an-id", path) == path and len(drive.asked) == 2
    assert {each.name for each in path.parent.iterdir()} == {"ours.zip", "ours.zip.sha256"}


def test_another_file_is_refused_from_then_on(drive, tmp_path):
    path = fetch_archive("an-id", tmp_path / "ours.zip")
    path.unlink()
    drive.content = archive("two")
    for _ in range(2):  # fetched anew, and as it lies there then
        with pytest.raises(
            SemsimError, match=r"ours.zip: not the file that was used first: .* delete .*ours.zip.sha256"
        ):
            fetch_archive("an-id", path)
    assert len(drive.asked) == 2
    (tmp_path / "ours.zip.sha256").unlink()
    assert fetch_archive("an-id", path) == path


@pytest.mark.parametrize("page", [QUOTA, "<html>Sign in</html>"])
def test_a_page_in_place_of_the_file_says_what_to_put_where(drive, tmp_path, page):
    drive.pages["/uc"] = page
    with pytest.raises(SemsimError) as caught:
        fetch_archive("an-id", tmp_path / "ours.zip")
    message = str(caught.value)
    assert message.startswith("ours.zip cannot be downloaded from Google Drive") and "\n" not in message
    assert message.endswith(f"from https://drive.google.com/file/d/an-id/view and save it as {tmp_path}/ours.zip.")
    assert ("Too many users" in message) == (page == QUOTA) and not list(tmp_path.iterdir())


@pytest.mark.parametrize("action", ["https://google.com.example.org/x", "http://drive.google.com/x", "//[", ""])
def test_a_form_that_leads_elsewhere_is_not_sent(drive, tmp_path, action):
    drive.pages["/uc"] = CONSENT.replace("https://drive.usercontent.google.com/download", action)
    with pytest.raises(SemsimError, match="ours.zip cannot be downloaded from Google Drive"):
        fetch_archive("an-id", tmp_path / "ours.zip")
    assert drive.asked == [("/uc", ["an-id"])]


def test_without_a_network_the_same_is_said(monkeypatch, tmp_path):
    def fail(*_, **__):
        raise requests.exceptions.ConnectionError("no route")

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", fail)
    monkeypatch.setattr(download, "PAUSE", 0)
    with pytest.raises(SemsimError, match="no route.*save it as"):
        fetch_archive("an-id", tmp_path / "ours.zip")


def test_a_file_that_was_put_there_is_taken_unless_it_is_a_page(drive, tmp_path):
    path = tmp_path / "ours.zip"
    path.write_text(CONSENT)
    with pytest.raises(SemsimError, match=r"ours.zip: not a .zip file; a browser may have saved a page"):
        fetch_archive("an-id", path)
    path.write_bytes(archive("by hand"))
    assert fetch_archive("an-id", path) == path and not drive.asked
