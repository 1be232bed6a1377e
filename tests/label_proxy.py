"""The real nginx in front of a label server, with the documented configuration: for its tests and its load test."""

import os
import re
import shutil
import socket
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

NGINX, OPENSSL = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin"), shutil.which("openssl")
SAMPLE = Path(__file__).parents[1] / "docs" / "label-server.nginx.conf"
CERTIFICATE = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=label.example.org"
MAIN = """
{user}
daemon off;
pid {folder}/pid;
error_log {folder}/errors.log;
worker_processes 1;
events {{ worker_connections 4096; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/sample.conf;
}}
"""


@contextmanager
def proxied(folder, port):
    """Run nginx in front of a port, until the block ends; give its ports for https and http.

    The sample is taken as it is, with other ports and a certificate made on the spot.
    """
    https, http = free_ports(2)
    subprocess.run(
        [OPENSSL, *CERTIFICATE.split(), "-keyout", folder / "key.pem", "-out", folder / "certificate.pem"],
        check=True,
        capture_output=True,
    )
    sample = SAMPLE.read_text()
    for what, other in {
        r"server 127\.0\.0\.1:8765;": f"server 127.0.0.1:{port};",
        r"listen \[::\]:.*\n": "\n",
        r"listen 443 ": f"listen 127.0.0.1:{https} ",
        r"listen 80;": f"listen 127.0.0.1:{http};",
        r"ssl_certificate [^;]*": f"ssl_certificate {folder}/certificate.pem",
        r"ssl_certificate_key [^;]*": f"ssl_certificate_key {folder}/key.pem",
    }.items():
        sample, count = re.subn(what, other, sample)
        assert count, what
    (folder / "sample.conf").write_text(sample)
    (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user="user root;" if os.getuid() == 0 else ""))
    command = [NGINX, "-c", folder / "nginx.conf", "-p", folder, "-e", folder / "errors.log"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for(https, process)
            yield https, http
        finally:
            process.terminate()


def free_ports(count):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [listener.getsockname()[1] for listener in listeners]
    finally:
        for listener in listeners:
            listener.close()


def wait_for(port, process):
    """Wait until nginx listens."""
    for _ in range(200):
        if process.poll() is not None:
            raise RuntimeError(f"nginx ended: {process.stderr.read()}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError("nginx does not listen")
