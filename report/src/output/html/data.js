"use strict";
// What the page knows: hosts, connections and texts, as the report wrote them.

const data = JSON.parse(document.getElementById("data").textContent);

/** Negotiated versions, in the order of a host's counts. */
const VERSIONS = ["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3", "not seen"];

/** A text that stands in the table, or for itself. */
const text = (it) => (typeof it === "number" ? data.texts[it] : it);

const verdictName = (verdict) => data.verdicts[verdict][0];

/** What one policy makes of a host. */
class Outcome {
  constructor(row) { this.row = row; }
  get verdict() { return this.row[0]; }
  get cause() { return text(this.row[1]); }
  get reason() { return text(this.row[2]); }
  get fix() { return text(this.row[3]); }
  get group() { return this.row[4]; }
  get stack() { return text(this.row[5]); }
  get evidence() { return text(this.row[6]); }
  get count() { return this.row[7]; }
}

/** A connection, with what decides it. */
class Flow {
  constructor(row) { this.row = row; }
  get client() { return this.row[0]; }
  get server() { return text(this.row[1]); }
  get transport() { return this.row[2] === 1 ? "udp" : "tcp"; }
  get first() { return this.row[3]; }
  get last() { return this.row[4]; }
  get name() { return text(this.row[5]); }
  get nameFrom() { return text(this.row[6]); }
  get service() { return text(this.row[7]); }
  get direction() { return text(this.row[8]); }
  get protocol() { return text(this.row[9]); }
  get upgrade() { return text(this.row[10]); }
  get versions() { return text(this.row[11]); }
  get suites() { return text(this.row[12]); }
  get groups() { return text(this.row[13]); }
  get negotiated() { return text(this.row[14]); }
  get suite() { return text(this.row[15]); }
  get group() { return text(this.row[16]); }
  get established() { return ["", "no", "yes"][this.row[17] + 1]; }
  get alert() { return text(this.row[18]); }
  get coverage() { return text(this.row[19]); }
  get frame() { return this.row[20]; }
  get helloFrame() { return this.row[21]; }
  get answerFrame() { return this.row[22]; }
  get ja4() { return text(this.row[23]); }
  get communityId() { return this.row[24]; }
  get judgements() {
    return this.row[25].map((it) => ({
      verdict: it[0], cause: text(it[1]), reason: text(it[2]), rule: text(it[3]), fix: text(it[4]),
    }));
  }
}

/** A host on one side. */
class Host {
  constructor(row, place) { this.row = row; this.place = place; }
  get addr() { return this.row[0]; }
  get name() { return this.row[1]; }
  get side() { return this.row[2] === 1 ? "server" : "client"; }
  get sensors() { return text(this.row[3]); }
  get first() { return this.row[4]; }
  get last() { return this.row[5]; }
  get flows() { return this.row[6]; }
  get office365Flows() { return this.row[7]; }
  get versions() { return this.row[8]; }
  get offered() { return text(this.row[9]); }
  get services() { return this.row[10].map(text); }
  get names() { return this.row[11].map(text); }
  get namesLeftOut() { return this.row[12]; }
  get inventory() { return text(this.row[13]); }
  get label() { return this.addr || this.name; }
  outcome(policy) { return new Outcome(this.row[14][policy]); }
  get shown() { return this.row[15].map((row) => new Flow(row)); }
}

const hosts = data.hosts.map((row, place) => new Host(row, place));

/** A count with its thousands set apart. */
const count = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

const countOf = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;

/** A time, in microseconds since the report's start, as a person reads it. */
function time(micros) {
  const date = new Date((data.start + micros) / 1000);
  return Number.isNaN(date.getTime()) ? "" : date.toISOString().slice(0, 19).replace("T", " ");
}

/** An address as `4` or `6` and its hexadecimal digits, so that text order is address order. */
function addressKey(address) {
  const octets = (dotted) => {
    const parts = dotted.split(".").map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : 256));
    if (parts.length !== 4 || parts.some((part) => part > 255)) return null;
    return parts.map((part) => part.toString(16).padStart(2, "0")).join("");
  };
  if (!address.includes(":")) {
    const digits = octets(address);
    return digits && "4" + digits;
  }
  const halves = address.split("::");
  if (halves.length > 2) return null;
  const digits = (half) => {
    if (half === "") return "";
    let all = "";
    for (const part of half.split(":")) {
      const more = part.includes(".") ? octets(part) : /^[0-9a-f]{1,4}$/i.test(part) && part.padStart(4, "0");
      if (!more) return null;
      all += more.toLowerCase();
    }
    return all;
  };
  const [head, tail] = [digits(halves[0]), digits(halves[1] ?? "")];
  if (head === null || tail === null) return null;
  const zeros = 32 - head.length - tail.length;
  if (zeros < 0 || (halves.length === 1 && zeros > 0)) return null;
  return "6" + head + "0".repeat(zeros) + tail;
}

/** A test for addresses in a CIDR block or equal to an address; null when the text is neither. */
function subnetTest(block) {
  const [address, length] = block.split("/");
  const key = addressKey(address.trim());
  if (!key) return null;
  const bitsMax = (key.length - 1) * 4;
  const bits = length === undefined ? bitsMax : /^\d{1,3}$/.test(length) ? Number(length) : 999;
  if (bits > bitsMax) return null;
  const whole = 1 + Math.floor(bits / 4);
  const rest = 4 - (bits % 4);
  const nibble = (it) => parseInt(it[whole] ?? "0", 16) >> rest;
  return (other) => other !== null && other.length === key.length
    && other.startsWith(key.slice(0, whole)) && (bits % 4 === 0 || nibble(other) === nibble(key));
}

const hostKeys = hosts.map((host) => addressKey(host.addr));
