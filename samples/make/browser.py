"""A browser's hello: curl_cffi (curl with BoringSSL, in Chrome's order and shape) in a process of its own."""

import json
import subprocess
import sys

from net import OFFICE

PROGRAM = """
import json, sys, curl_cffi
from curl_cffi import CurlOpt
source, target, name = json.loads(sys.argv[1])
session = curl_cffi.Session(impersonate="chrome", verify=False, http_version="v1", curl_options={
    CurlOpt.RESOLVE: [f"{name}:{target[1]}:{target[0]}"], CurlOpt.INTERFACE: source[0], CurlOpt.LOCALPORT: source[1]})
print(session.get(f"https://{name}/").status_code)
"""


def fetch(source, target, name):
    command = ["ip", "netns", "exec", OFFICE, sys.executable, "-c", PROGRAM, json.dumps([source, target, name])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "200", done
