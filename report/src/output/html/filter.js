// Which hosts are shown, and in which order.

/** What somebody chose. */
const chosen = {
  policy: 0, words: "", verdict: "", side: "", service: "", cause: "", subnet: "", group: -1,
  column: "verdict", descending: false, page: 0, size: 50,
};

/** The verdicts that somebody has to act on come first of all. */
const ACTED_ON = 4;

/** All that can be searched of a host, put together when it is first asked for. */
const haystacks = [];

function haystack(host) {
  let found = haystacks[host.place];
  if (found === undefined) {
    const outcomes = data.policies.map((_, policy) => host.outcome(policy));
    found = [
      host.addr, host.name, host.side, host.sensors, host.offered, host.inventory,
      ...host.services, ...host.names,
      ...outcomes.flatMap((it) => [verdictName(it.verdict), it.cause, it.reason, it.stack]),
    ].join("\n").toLowerCase();
    haystacks[host.place] = found;
  }
  return found;
}

/** The hosts that are chosen, in the order that is chosen. */
function selected() {
  const words = chosen.words.toLowerCase().split(/\s+/).filter((word) => word !== "");
  const inSubnet = chosen.subnet === "" ? null : subnetTest(chosen.subnet);
  const fits = (host) => {
    const outcome = host.outcome(chosen.policy);
    if (chosen.group >= 0 && outcome.group !== chosen.group) return false;
    if (chosen.verdict === "acted-on" && outcome.verdict >= ACTED_ON) return false;
    if (chosen.verdict !== "" && chosen.verdict !== "acted-on"
      && verdictName(outcome.verdict) !== chosen.verdict) return false;
    if (chosen.side !== "" && host.side !== chosen.side) return false;
    if (chosen.cause !== "" && outcome.cause !== chosen.cause) return false;
    if (chosen.service !== "" && !host.services.includes(chosen.service)) return false;
    if (inSubnet !== null && !inSubnet(hostKeys[host.place])) return false;
    return words.every((word) => haystack(host).includes(word));
  };
  const found = hosts.filter(fits);
  const key = columns.find((column) => column.id === chosen.column).key;
  const keyed = found.map((host) => ({ host, key: key(host) }));
  const sign = chosen.descending ? -1 : 1;
  // Equals stay the worst first, whichever way the column goes.
  keyed.sort((one, other) => {
    if (one.key < other.key) return -sign;
    if (one.key > other.key) return sign;
    return one.host.place - other.host.place;
  });
  return keyed.map((it) => it.host);
}

/** Versions in their order; what offers none comes last. */
const offeredRank = (version) => {
  const rank = VERSIONS.indexOf(version);
  return rank < 0 ? VERSIONS.length : rank;
};

/** The table's columns: title, what they are sorted by, and what a cell shows. */
const columns = [
  { id: "host", title: "Host", key: (host) => hostKeys[host.place] ?? "9" + host.name },
  { id: "side", title: "Side", key: (host) => host.side, cell: (host) => host.side },
  { id: "verdict", title: "Verdict", key: (host) => host.outcome(chosen.policy).verdict },
  {
    id: "cause", title: "Cause", style: "short", key: (host) => host.outcome(chosen.policy).cause || "~",
    cell: (host) => host.outcome(chosen.policy).cause,
  },
  {
    id: "offers", title: "Offers", key: (host) => offeredRank(host.offered),
    cell: (host) => host.offered,
  },
  {
    id: "flows", title: "Connections", style: "n", key: (host) => host.flows,
    cell: (host) => count(host.flows),
  },
  {
    id: "services", title: "Services", style: "list", key: (host) => host.services.join(", ") || "~",
    cell: (host) => host.services.join(", "),
  },
  {
    id: "stack", title: "Probably", style: "list", key: (host) => host.outcome(chosen.policy).stack || "~",
    cell: (host) => host.outcome(chosen.policy).stack,
  },
  {
    id: "last", title: "Last seen (UTC)", style: "short", key: (host) => host.last,
    cell: (host) => (host.flows === 0 ? "never" : time(host.last)),
  },
];
