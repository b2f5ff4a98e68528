// Puts the page together: controls, the table, and what the plain page could not do.

/** Subnets that are proposed. */
const SUBNETS_MAX = 200;

const fields = {};

function field(name, title, control, change, isWide = false) {
  const id = `choose-${name}`;
  control.id = id;
  control.addEventListener(control.tagName === "SELECT" ? "change" : "input", () => {
    chosen.page = 0;
    change(control.value);
  });
  fields[name] = control;
  return make("div", { class: isWide ? "wide" : "" }, make("label", { for: id }, title), control);
}

const choices = (options) => make("select", {}, ...options.map(([value, title]) => make("option", { value }, title)));

/** Draws when nothing was typed for a moment. */
let waiting = 0;
function drawSoon() {
  clearTimeout(waiting);
  waiting = setTimeout(draw, 150);
}

/** Every different value over all hosts, sorted. */
function values(of) {
  const all = new Set();
  for (const host of hosts) for (const value of of(host)) if (value) all.add(value);
  return [...all].sort();
}

function subnets() {
  const counts = new Map();
  for (const host of hosts) {
    const key = hostKeys[host.place];
    if (key === null) continue;
    const parts = host.addr.split(".");
    const block = key[0] === "4" ? `${parts.slice(0, 3).join(".")}.0/24`
      : `${key.slice(1, 17).match(/.{4}/g).map((part) => parseInt(part, 16).toString(16)).join(":")}::/64`;
    counts.set(block, (counts.get(block) ?? 0) + 1);
  }
  return [...counts].sort((one, other) => other[1] - one[1]).slice(0, SUBNETS_MAX);
}

function chooseSubnet(value) {
  const block = value.trim();
  const isWrong = block !== "" && subnetTest(block) === null;
  fields.subnet.setAttribute("aria-invalid", String(isWrong));
  fields.subnet.classList.toggle("wrong", isWrong);
  subnetProblem.textContent = isWrong ? "No subnet: write 10.20.0.0/16 or 2001:db8::/32" : "";
  if (!isWrong) {
    chosen.subnet = block;
    drawSoon();
  }
}

const subnetProblem = make("span", { class: "problem", id: "subnet-problem", role: "alert" });

function controls() {
  const both = (name) => (value) => { chosen[name] = value; draw(); };
  const verdicts = data.verdicts.map(([name]) => [name, name]);
  const named = (list) => list.map((value) => [value, value]);
  const causes = values((host) => data.policies.map((_, policy) => host.outcome(policy).cause));
  const parts = [];
  if (data.policies.length > 1) {
    parts.push(field("policy", "Policy", choices(data.policies.map((name, place) => [String(place), name])), (value) => {
      chosen.policy = Number(value);
      chosen.group = -1;
      draw();
    }));
  }
  const search = make("input", { type: "search", placeholder: "address, name, service, reason", autocomplete: "off", spellcheck: "false" });
  const subnet = make("input", { type: "text", list: "subnets", placeholder: "10.20.0.0/16", autocomplete: "off", spellcheck: "false", "aria-describedby": "subnet-problem" });
  const proposals = make("datalist", { id: "subnets" }, ...subnets().map(([block, number]) => make("option", { value: block }, countOf(number, "row"))));
  parts.push(
    field("words", "Search", search, (value) => { chosen.words = value; drawSoon(); }, true),
    field("verdict", "Verdict", choices([["", "all"], ["acted-on", "to be worked on"], ...verdicts]), both("verdict")),
    field("cause", "Cause", choices([["", "all"], ...named(causes)]), both("cause")),
    field("service", "Service", choices([["", "all"], ...named(values((host) => host.services))]), both("service")),
    field("side", "Side", choices([["", "all"], ["client", "client"], ["server", "server"]]), both("side")),
    field("subnet", "Subnet", subnet, chooseSubnet),
    field("size", "Rows on a page", choices([["50", "50"], ["100", "100"], ["500", "500"]]), (value) => { chosen.size = Number(value); draw(); }),
  );
  fields.subnet.parentElement.append(proposals, subnetProblem);
  return make("div", { class: "controls", role: "search", "aria-label": "Choose hosts" }, ...parts);
}

/** Nothing chosen but what is given; the controls say so too. */
function choose(wanted) {
  Object.assign(chosen, { words: "", verdict: "", side: "", service: "", cause: "", subnet: "", group: -1, page: 0 }, wanted);
  for (const name of ["words", "verdict", "side", "service", "cause", "subnet"]) fields[name].value = chosen[name];
  if (fields.policy) fields.policy.value = String(chosen.policy);
  chooseSubnet(chosen.subnet);
  clearTimeout(waiting);
  draw();
}

const addressesOf = (list) => [...new Set(list.map((host) => host.label))];

function buttons() {
  const copied = make("button", {
    type: "button", click: () => {
      const addresses = addressesOf(found);
      copy(copied, addresses.join("\n"), `Copied ${countOf(addresses.length, "host")}`);
    },
  }, "Copy these hosts");
  const clear = make("button", { type: "button", click: () => choose({}) }, "Show all");
  return make("div", { class: "bar-of-buttons" }, copied, clear);
}

/** Buttons for each measure: its hosts, copied or shown in the table. */
function enrichFixes() {
  for (const part of document.querySelectorAll("[data-group]")) {
    const group = Number(part.dataset.group);
    const policy = Number(part.dataset.policy);
    const members = () => addressesOf(hosts.filter((host) => host.outcome(policy).group === group));
    const copied = make("button", {
      type: "button", click: () => {
        const addresses = members();
        copy(copied, addresses.join("\n"), `Copied ${countOf(addresses.length, "host")}`);
      },
    }, "Copy the hosts");
    const show = make("button", {
      type: "button", click: () => {
        choose({ group, policy });
        document.getElementById("hosts").scrollIntoView();
      },
    }, "Show them in the table");
    part.append(make("div", { class: "bar-of-buttons" }, copied, show));
  }
}

function enrichLinks() {
  for (const link of document.querySelectorAll("a[data-verdict]")) {
    link.addEventListener("click", () => {
      choose({ verdict: link.dataset.verdict, policy: Number(link.dataset.policy) });
    });
  }
}

/** On paper all details are open but the numbers that the plot shows. */
function enrichPrint() {
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details:not([open], .numbers)")];
    for (const part of opened) part.open = true;
  });
  addEventListener("afterprint", () => { for (const part of opened) part.open = false; });
}

function start() {
  const place = document.getElementById("table");
  place.append(
    controls(), table.status, buttons(),
    make("div", { class: "scroll", role: "region", "aria-label": "Hosts", tabindex: "0" },
      make("table", {}, table.caption, make("thead", {}, table.head), table.body)),
    table.pager,
  );
  place.hidden = false;
  document.getElementById("worst").hidden = true;
  draw();
  enrichFixes();
  enrichLinks();
  enrichPrint();
}

start();
