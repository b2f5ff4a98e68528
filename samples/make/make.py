"""Makes the sample captures: `python3 make.py [CASE...]`, as root, on Linux. See README.md beside this file."""

import csv
import dataclasses
import os
import pathlib
import subprocess
import sys

import book
import check
from net import Net
from peers import Row

HERE = pathlib.Path(__file__).resolve().parent
SAMPLES = HERE.parent
VERSIONS = {
    "python": ("python3 -c 'import platform, ssl; print(\"Python\", platform.python_version(), \"ssl with\","
               " *ssl.OPENSSL_VERSION.split()[:2])'"),
    "openssl": "openssl version | cut -d' ' -f1-2 | sed 's/$/ (s_client)/'",
    "tlslite": f"{sys.executable} -c 'from importlib.metadata import version as v; print(\"tlslite-ng\", v(\"tlslite-ng\"))'",
    "curl_cffi": (f"{sys.executable} -c 'import curl_cffi as c; print(\"curl_cffi\", c.__version__,"
                  " \"(BoringSSL, impersonating Chrome)\")'"),
    "java": "java -version 2>&1 | head -1 | sed 's/openjdk version/OpenJDK/; s/$/ (keytool)/'",
    "kamailio": "kamailio -v | head -1 | cut -d' ' -f1-3 | sed 's/version: //'",
    "prosody": "dpkg-query -W -f 'Prosody ${Version}' prosody",
    "postfix": "postconf -d mail_version | sed 's/.*= /Postfix /'",
    "tinyproxy": "tinyproxy -v",
    "curl": "curl -V | head -1 | cut -d' ' -f1-2",
    "gnutls": "gnutls-cli --version | head -1",
    "dumpcap": "dumpcap -v 2>/dev/null | head -1",
    "tcpdump": "tcpdump --version 2>&1 | head -1 | sed 's/ version//'",
}
README = """# {name}

{title}.

{text}

| | |
|---|---|
| made by | {programs} |
| captured by | {tool}, in network namespaces without a route outside; time stamps moved to 2026-11-23T08:00:00Z |
| frames | {frames} in `{file}` |
| licence | made for this project, MIT OR Apache-2.0 |

`truth.csv` is what the two ends said about themselves{crosscheck}, with the verdicts of
the policy `office365-tls12`:

{table}
"""


def program(name):
    return subprocess.run(VERSIONS[name], shell=True, text=True, capture_output=True, check=True).stdout.strip()


def table(rows):
    columns = [field.name for field in dataclasses.fields(Row)]
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(str(getattr(row, column)) for column in columns) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def write_truth(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(field.name for field in dataclasses.fields(Row))
        writer.writerows(dataclasses.astuple(row) for row in rows)


def make(case):
    folder = SAMPLES / case.name
    folder.mkdir(exist_ok=True)
    path = folder / case.file
    try:
        rows = check.by_time(path, case.make(path))
    finally:
        Net.remove()
    write_truth(folder / "truth.csv", rows)
    frames = check.frames(path)
    if case.checked:
        check.compare(path, rows)
    crosscheck = ", compared with tshark 4.0" if case.checked else " (tshark can't tell: see above)"
    tool = program("dumpcap" if case.file.endswith("ng") else "tcpdump")
    (folder / "README.md").write_text(README.format(
        name=case.name, title=case.title, text=case.text, programs=", ".join(map(program, case.programs)), tool=tool,
        frames=frames, file=case.file, crosscheck=crosscheck, table=table(rows)))
    print(f"{case.name}: {frames} frames, {path.stat().st_size} bytes, {len(rows)} rows")


def index():
    """samples/README.md: one line per case."""
    lines = [(HERE / "index.md").read_text().rstrip(), "", "| case | what it shows | verdicts |", "|---|---|---|"]
    for case in book.CASES.values():
        truth = SAMPLES / case.name / "truth.csv"
        if truth.exists():
            with truth.open() as file:
                verdicts = dict.fromkeys(row["verdict"] for row in csv.DictReader(file))
            lines.append(f"| [{case.name}]({case.name}/) | {case.title} | {', '.join(verdicts)} |")
    (SAMPLES / "README.md").write_text("\n".join(lines) + "\n")


def main():
    if os.geteuid():
        sys.exit("make.py: needs root for network namespaces and tcpdump")
    for module in sorted(HERE.glob("cases_*.py")):
        __import__(module.stem)
    wanted = sys.argv[1:] or list(book.CASES)
    for name in wanted:
        make(book.CASES[name])
    index()


if __name__ == "__main__":
    main()
