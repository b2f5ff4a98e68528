// Making elements, and the details of one host down to its connections and their evidence.

/** An element with attributes and children; texts are texts and never HTML. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

const badge = (verdict) => {
  const name = verdictName(verdict);
  return make("span", { class: `badge ${name}`, title: data.verdicts[verdict][1] }, name);
};

/** Terms and what they are; those that are empty are left out. */
function terms(pairs) {
  const list = make("dl");
  for (const [term, ...values] of pairs) {
    const full = values.filter((value) => value !== "" && value !== undefined);
    if (full.length > 0) {
      list.append(make("dt", {}, term));
      for (const value of full) list.append(make("dd", {}, value));
    }
  }
  return list;
}

/** Copies a text, and says so in the button. */
async function copy(button, copied, said) {
  const before = button.textContent;
  let done = true;
  try {
    await navigator.clipboard.writeText(copied);
  } catch {
    // Some browsers give the clipboard to no file on disk; then a selection does.
    const area = make("textarea", { class: "copied", "aria-hidden": "true", tabindex: "-1" });
    area.value = copied;
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
    button.focus();
  }
  button.textContent = done ? said : "Could not copy";
  setTimeout(() => { button.textContent = before; }, 2000);
}

/** The address and the port of an end: `10.0.0.1:443`, `[::1]:443`. */
function endOf(socket) {
  const colon = socket.lastIndexOf(":");
  return [socket.slice(0, colon).replace(/[[\]]/g, ""), socket.slice(colon + 1)];
}

/** A display filter that finds a connection in any capture of it. */
function wireshark(flow) {
  const [[client, clientPort], [server, serverPort]] = [endOf(flow.client), endOf(flow.server)];
  const layer = (address) => (address.includes(":") ? "ipv6" : "ip");
  return `${layer(client)}.addr == ${client} && ${layer(server)}.addr == ${server} && `
    + `${flow.transport}.port == ${clientPort} && ${flow.transport}.port == ${serverPort}`;
}

function flowPart(flow) {
  const name = flow.name ? `${flow.name} (${flow.server})` : flow.server;
  const frames = [`first ${count(flow.frame)}`];
  if (flow.helloFrame > 0) frames.push(`ClientHello ${count(flow.helloFrame)}`);
  if (flow.answerFrame > 0) frames.push(`ServerHello ${count(flow.answerFrame)}`);
  const filter = wireshark(flow);
  const copied = make("button", { type: "button", click: () => copy(copied, filter, "Copied") }, "Copy");
  const part = make("div", { class: "flow" }, make("h4", {}, `${flow.client} to ${name}`));
  for (const [policy, judgement] of flow.judgements.entries()) {
    const under = data.policies.length > 1 ? ` under ${data.policies[policy]}` : "";
    part.append(make("p", {}, badge(judgement.verdict), `${under}: ${judgement.cause && `${judgement.cause}: `}${judgement.reason}`));
    part.append(make("p", { class: "cure" }, `Rule: ${judgement.rule}.`));
  }
  part.append(terms([
    ["When (UTC)", `${time(flow.first)} to ${time(flow.last)}`],
    ["Service", [flow.service, flow.direction].filter((it) => it).join(", ")],
    ["Name from", flow.nameFrom],
    ["Protocol", [flow.protocol, flow.upgrade].join(", ")],
    ["Offered", flow.versions || "no ClientHello was captured"],
    ["Offered suites", flow.suites],
    ["Offered groups", flow.groups],
    ["Selected", [flow.negotiated, flow.suite, flow.group].filter((it) => it).join(", ") || "no ServerHello was captured"],
    ["Established", flow.established],
    ["Alert", flow.alert],
    ["Coverage", flow.coverage],
    ["Frames", frames.join(", ")],
    ["JA4", flow.ja4],
    ["Community ID", flow.communityId],
    ["In Wireshark", make("span", {}, make("span", { class: "filter" }, filter), " ", copied)],
  ]));
  return part;
}

/** Everything that the page knows of a host. */
function hostPart(host) {
  const part = make("div");
  for (const [policy, name] of data.policies.entries()) {
    const outcome = host.outcome(policy);
    const under = data.policies.length > 1 ? ` under ${name}` : "";
    part.append(make("h4", {}, badge(outcome.verdict), `${under}${outcome.cause && `: ${outcome.cause}`}`));
    part.append(terms([
      ["Why", outcome.reason],
      ["Fix", outcome.fix],
      ["Probably", outcome.stack && `${outcome.stack}${outcome.evidence ? ` (${outcome.evidence})` : ""}`],
    ]));
  }
  const versions = VERSIONS
    .map((version, place) => [version, host.versions[place]])
    .filter(([, number]) => number > 0)
    .map(([version, number]) => `${version}: ${count(number)}`);
  const left = host.namesLeftOut > 0 ? [`and ${count(host.namesLeftOut)} more`] : [];
  part.append(make("h4", {}, "Seen"), terms([
    ["When (UTC)", host.flows > 0 ? `${time(host.first)} to ${time(host.last)}` : "never"],
    ["Connections", `${count(host.flows)}, ${count(host.office365Flows)} of them to or from Office 365`],
    ["Negotiated", versions.join(", ")],
    ["Server names", [...host.names, ...left].join(", ")],
    ["Inventory", host.inventory],
    ["Sensors", host.sensors],
  ]));
  const shown = host.shown;
  if (shown.length < host.flows) {
    const what = shown.length === 0 ? "Its connections are" : `The worst ${shown.length} of ${countOf(host.flows, "connection")} follow; all are`;
    part.append(make("p", { class: "cure" }, `${what} in flows.csv. "tlsunset explain DIR ${host.label}" tells all of them in words.`));
  }
  for (const flow of shown) part.append(flowPart(flow));
  return part;
}
