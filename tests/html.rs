//! `report.html` as people meet it: opened in a real browser, without a network.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::browser::Browser;
use common::{Folder, analyze, analyze_to, csv_file, pcap, sample};
use serde_json::{Value, json};

/// The demo's report, in a folder of its own with the tables.
fn demo() -> (Folder, PathBuf) {
    let folder = Folder::new("html");
    analyze_to(folder.path(), [sample("demo")]).expect(0);
    let page = folder.join("report.html");
    (folder, page)
}

/// The texts of all that a selector finds.
#[track_caller]
fn texts(browser: &mut Browser, selector: &str) -> Vec<String> {
    let expression =
        format!("[...document.querySelectorAll({selector:?})].map((it) => it.textContent)");
    serde_json::from_value(browser.value(&expression)).unwrap()
}

/// Chooses a value of a control, as somebody who types it.
fn choose(browser: &mut Browser, control: &str, value: &str) {
    browser.value(&format!(
        "(async () => {{ const it = document.getElementById('choose-{control}'); it.value = {value:?}; \
         it.dispatchEvent(new Event(it.tagName === 'SELECT' ? 'change' : 'input')); \
         await new Promise((done) => setTimeout(done, 300)); }})()"
    ));
}

const HOSTS: &str = "#table tbody button.host";

#[test]
fn the_page_is_written_to_a_file_or_to_standard_output_with_equal_bytes() {
    let (_folder, page) = demo();
    let page = fs::read_to_string(page).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"));
    let printed = analyze([sample("demo").as_os_str(), "--html".as_ref(), "-".as_ref()]).expect(0);
    assert!(printed.stdout == page, "both ways give the same");
    let four = ["--threads", "4", "--html", "-"].map(AsRef::as_ref);
    let printed = analyze([sample("demo").as_os_str()].into_iter().chain(four)).expect(0);
    assert!(printed.stdout == page, "any number of workers gives the same");
}

#[test]
fn the_page_of_a_merged_run_is_whole() {
    let (folder, _) = demo();
    let merged = Folder::new("html");
    let arguments =
        ["merge".as_ref(), folder.path().as_os_str(), "--out".as_ref(), merged.path().as_os_str()];
    common::run(arguments).expect(0);
    let page = fs::read_to_string(merged.join("report.html")).unwrap();
    assert!(page.contains("9 of 23 hosts break") && page.ends_with("</html>\n"));
    assert!(page.contains("Office 365 requires at least TLSv1.2"), "the policy is told");
}

#[test]
fn a_browser_shows_every_host_without_an_error_or_a_request() {
    let Some(mut browser) = Browser::start("a_browser_shows_every_host") else { return };
    let (folder, page) = demo();
    browser.open(&page);
    let rows = csv_file(&folder.join("hosts.csv"));
    let mut shown = texts(&mut browser, HOSTS);
    let mut expect: Vec<String> = rows.iter().map(|row| row["host_ip"].clone()).collect();
    shown.sort();
    expect.sort();
    assert_eq!(shown, expect);
    let verdicts = texts(&mut browser, "#table tbody .badge");
    assert_eq!(verdicts[0], "breaks");
    let breaks = rows.iter().filter(|row| row["verdict"] == "breaks").count();
    assert_eq!(verdicts.iter().filter(|verdict| *verdict == "breaks").count(), breaks);
    assert!(browser.text("document.title").contains("9 of 23 hosts break"));
    let (wrong, asked) = browser.complaints();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(asked.len(), 1, "{asked:?}");
}

#[test]
fn the_table_sorts_searches_and_filters() {
    let Some(mut browser) = Browser::start("the_table_sorts") else { return };
    let (folder, page) = demo();
    let rows = csv_file(&folder.join("hosts.csv"));
    browser.open(&page);
    // By keyboard: the header has the focus and keeps it.
    browser.value("document.querySelector('[data-column=flows]').focus()");
    let flows = |browser: &mut Browser| -> Vec<u64> {
        let cells = texts(browser, "#table tbody tr td:nth-child(6)");
        cells.iter().map(|cell| cell.parse().unwrap()).collect()
    };
    for expect in ["ascending", "descending"] {
        browser.press("Enter", "\r");
        let sorted = browser.text("document.activeElement.parentElement.getAttribute('aria-sort')");
        assert_eq!(sorted, expect);
        let flows = flows(&mut browser);
        match expect {
            "ascending" => assert!(flows.is_sorted(), "{flows:?}"),
            _ => assert!(flows.is_sorted_by(|one, next| one >= next), "{flows:?}"),
        }
    }
    let others = texts(&mut browser, "#table th[aria-sort=none]").len();
    assert_eq!(others, 8, "the other columns say that they are not sorted by");
    browser.value("document.querySelector('[data-column=host]').click()");
    let addresses = texts(&mut browser, HOSTS);
    assert_eq!(addresses.first().map(String::as_str), Some("10.20.1.11"));
    assert_eq!(addresses.last().map(String::as_str), Some("192.168.7.90"));

    let mut check = |control: &str, value: &str, fits: &dyn Fn(&common::Row) -> bool| {
        choose(&mut browser, control, value);
        let shown = texts(&mut browser, HOSTS);
        let expect = rows.iter().filter(|row| fits(row)).count();
        assert_eq!(shown.len(), expect, "{control} {value}: {shown:?}");
        assert!(expect > 0 && expect < rows.len(), "{control} {value} chooses some");
        browser.value("choose({})");
    };
    check("verdict", "breaks", &|row| row["verdict"] == "breaks");
    check("side", "server", &|row| row["side"] == "server");
    check("cause", "middlebox", &|row| row["cause"] == "middlebox");
    check("service", "SharePoint Online", &|row| row["services"].contains("SharePoint Online"));
    check("subnet", "192.168.0.0/16", &|row| row["host_ip"].starts_with("192.168."));
    check("subnet", "10.20.2.0/23", &|row| {
        row["host_ip"].starts_with("10.20.2.") || row["host_ip"].starts_with("10.20.3.")
    });
    check("words", "OPENSSL sharepoint.com", &|row| {
        row["stack"].contains("OpenSSL") && row["server_names"].contains("sharepoint.com")
    });
    choose(&mut browser, "subnet", "10.20.0.0/99");
    assert_eq!(browser.text("fields.subnet.getAttribute('aria-invalid')"), "true");
    choose(&mut browser, "subnet", "");
    // A tile leads to its hosts, a measure to those that it is for.
    browser.value("document.querySelector('a.tile.at-risk').click()");
    assert_eq!(texts(&mut browser, HOSTS).len(), 2);
    browser.value("document.querySelectorAll('[data-group=\"1\"] button')[1].click()");
    assert_eq!(texts(&mut browser, HOSTS), ["10.20.2.5", "10.20.3.25"]);
    assert!(texts(&mut browser, "#table [role=status]")[0].contains("The server selects too old"));
    assert!(browser.complaints().0.is_empty());
}

#[test]
fn addresses_of_both_families_are_ordered_and_found() {
    let Some(mut browser) = Browser::start("addresses_of_both_families") else { return };
    let (_folder, page) = demo();
    browser.open(&page);
    let mut check = |expression: &str, expect: Value| {
        assert_eq!(browser.value(expression), expect, "{expression}");
    };
    check("addressKey('10.0.0.1')", json!("40a000001"));
    check("addressKey('2001:db8::1')", json!("620010db8000000000000000000000001"));
    check("addressKey('::')", json!(format!("6{}", "0".repeat(32))));
    check("addressKey('::ffff:10.0.0.1')", json!("600000000000000000000ffff0a000001"));
    check("addressKey('1:2:3:4:5:6:7:8')", json!("600010002000300040005000600070008"));
    for wrong in
        ["", "10.0.0", "10.0.0.256", "1::2::3", "1:2:3", "x::", "1:2:3:4:5:6:7:8:9", "10.0.0.1.2"]
    {
        check(&format!("addressKey({wrong:?})"), Value::Null);
    }
    check("subnetTest('2001:db8::/33')(addressKey('2001:db8:7fff::1'))", json!(true));
    check("subnetTest('2001:db8::/33')(addressKey('2001:db8:8000::1'))", json!(false));
    check("subnetTest('0.0.0.0/0')(addressKey('10.0.0.1'))", json!(true));
    check("subnetTest('0.0.0.0/0')(addressKey('::1'))", json!(false));
    check("subnetTest('10.0.0.1')(addressKey('10.0.0.1'))", json!(true));
    check("subnetTest('10.0.0.1/33')", Value::Null);
    check("subnetTest('10.0.0.1/x')", Value::Null);
}

#[test]
fn a_host_opens_down_to_its_connections() {
    let Some(mut browser) = Browser::start("a_host_opens") else { return };
    let (folder, page) = demo();
    browser.open(&page);
    choose(&mut browser, "words", "10.20.1.11");
    browser.value("document.querySelector('button.host').focus()");
    browser.press("Enter", "\r");
    assert_eq!(browser.text("document.activeElement.getAttribute('aria-expanded')"), "true");
    let details = texts(&mut browser, "tr.more").remove(0);
    let flows: Vec<_> = csv_file(&folder.join("flows.csv"))
        .into_iter()
        .filter(|row| row["client_ip"] == "10.20.1.11")
        .collect();
    assert_eq!(flows.len(), 2);
    for flow in flows {
        for column in ["server_name", "cipher", "ja4", "community_id", "reason", "client_port"] {
            assert!(details.contains(&flow[column]), "{column}: {details}");
        }
    }
    assert!(details.contains("ip.addr == 10.20.1.11 && "), "{details}");
    browser.press("Enter", "\r");
    assert!(texts(&mut browser, "tr.more").is_empty());
    // The clipboard gets every host that is chosen.
    let permissions = json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]});
    browser.call("Browser.grantPermissions", permissions);
    browser.value("choose({ verdict: 'at-risk' })");
    browser.value("document.querySelector('#table .bar-of-buttons button').click()");
    let said = browser.text(
        "(async () => { const it = document.querySelector('#table .bar-of-buttons button'); \
         for (let turn = 0; turn < 50 && it.textContent === 'Copy these hosts'; turn++) \
         await new Promise((done) => setTimeout(done, 20)); return it.textContent; })()",
    );
    assert_eq!(said, "Copied 2 hosts");
    assert!(browser.complaints().0.is_empty());
}

#[test]
fn a_hostile_name_is_shown_and_does_not_run() {
    let Some(mut browser) = Browser::start("a_hostile_name") else { return };
    let folder = Folder::new("html");
    let attack = "</script><img src=x onerror=ran=1><script>ran=1</script>\u{202e}";
    let host = "<svg onload=ran=1>'\"&lt;";
    let inventory = format!(
        "host,product,version\n{},Lync Server 2010,4.0\n",
        "\"<svg onload=ran=1>'\"\"&lt;\""
    );
    let inventory = folder.write("inventory.csv", inventory);
    let capture = folder.write(
        "hostile.pcap",
        renamed(&sample("tls10-client-outlook"), "outlook.office365.com", "<img src=x:onerror=1>"),
    );
    let page = folder.join("report.html");
    let arguments = [
        capture.as_os_str(),
        "--sensor".as_ref(),
        attack.as_ref(),
        "--inventory".as_ref(),
        inventory.as_os_str(),
        "--html".as_ref(),
        page.as_os_str(),
    ];
    analyze(arguments).expect(0);
    browser.open(&page);
    browser.value("document.querySelectorAll('button.host').forEach((it) => it.click())");
    assert_eq!(browser.value("typeof ran"), "undefined");
    assert_eq!(browser.value("document.querySelectorAll('img, script').length"), 2);
    let table = texts(&mut browser, "#table").remove(0);
    assert!(table.contains("</script><img src=x onerror=ran=1>"), "{table}");
    assert!(table.contains("\\u{202e}") && !table.contains('\u{202e}'), "{table}");
    assert!(table.contains("<img src=x:onerror=1>"), "the SNI is shown: {table}");
    assert!(table.contains(host), "{table}");
    let (wrong, asked) = browser.complaints();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(asked.len(), 1, "{asked:?}");
}

/// A capture with a name in its hellos replaced by one of the same length.
fn renamed(path: &Path, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut file = fs::read(path).unwrap();
    let places: Vec<usize> =
        (0..file.len()).filter(|at| file[*at..].starts_with(from.as_bytes())).collect();
    assert!(!places.is_empty());
    for place in places {
        file[place..place + to.len()].copy_from_slice(to.as_bytes());
    }
    file
}

#[test]
fn the_page_s_policy_refuses_what_somebody_adds() {
    let Some(mut browser) = Browser::start("the_page_s_policy") else { return };
    let (folder, page) = demo();
    let html = fs::read_to_string(page).unwrap();
    let added = "<script>ran = 1</script><img src=\"https://example.invalid/x.png\" onerror=\"ran = 1\"></body>";
    let page = folder.write("changed.html", html.replace("</body>", added));
    browser.open(&page);
    assert_eq!(browser.value("typeof ran"), "undefined");
    let sink = "(() => { try { document.body.innerHTML = '<b>x</b>'; return 'taken'; } catch { return 'refused'; } })()";
    assert_eq!(browser.value(sink), "refused");
    let (wrong, _) = browser.complaints();
    assert!(wrong.iter().any(|it| it.contains("Content Security Policy")), "{wrong:#?}");
}

#[test]
fn without_its_script_the_page_still_answers() {
    let Some(mut browser) = Browser::start("without_its_script") else { return };
    let (_folder, page) = demo();
    browser.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    browser.open(&page);
    let seen = browser.text("document.body.innerText");
    for part in [
        "9 of 23 hosts break",
        "at most 2 more are hidden",
        "Windows 7 SP1",
        "10.20.1.11",
        "mirror both directions",
    ] {
        assert!(seen.contains(part), "{part}");
    }
    assert_eq!(browser.value("document.getElementById('table').checkVisibility()"), false);
    assert_eq!(browser.value("document.getElementById('worst').checkVisibility()"), true);
}

/// Texts whose contrast with what is behind them is below 4.5.
const CONTRAST: &str = "(() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => {
    const [r, g, b] = color.slice(0, 3).map((it) => it / 255)
      .map((it) => (it <= 0.04045 ? it / 12.92 : ((it + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let it = element; it; it = it.parentElement) {
      const color = parse(getComputedStyle(it).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const low = [];
  let checked = 0;
  for (const it of document.querySelectorAll('body *')) {
    const isText = [...it.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '');
    if (!isText || !it.checkVisibility() || it.matches('script, title, desc, option, :disabled')) continue;
    const style = getComputedStyle(it);
    const color = it.closest('svg') ? style.fill : style.color;
    const [one, other] = [light(parse(color)), light(behind(it))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    checked += 1;
    if (ratio < 4.5) low.push(`${it.tagName}.${it.className} ${ratio.toFixed(2)} ${it.textContent.slice(0, 30)}`);
  }
  return { checked, low };
})()";

#[test]
fn every_text_can_be_read_in_light_and_dark_and_on_paper() {
    let Some(mut browser) = Browser::start("every_text_can_be_read") else { return };
    let (_folder, page) = demo();
    for (medium, scheme) in
        [("screen", "light"), ("screen", "dark"), ("print", "light"), ("print", "dark")]
    {
        browser.media(medium, scheme);
        browser.open(&page);
        browser.value("document.querySelectorAll('button.host').forEach((it) => it.click())");
        browser.value("document.querySelectorAll('details').forEach((it) => { it.open = true; })");
        let contrast = browser.value(CONTRAST);
        assert!(contrast["checked"].as_u64() > Some(500), "{contrast}");
        assert_eq!(contrast["low"], json!([]), "{medium} {scheme}");
    }
}

#[test]
fn nothing_is_wider_than_a_telephone_but_tables_that_scroll() {
    let Some(mut browser) = Browser::start("nothing_is_wider") else { return };
    let (_folder, page) = demo();
    let size = json!({"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": true});
    browser.call("Emulation.setDeviceMetricsOverride", size);
    browser.open(&page);
    browser.value("document.querySelectorAll('button.host').forEach((it) => it.click())");
    assert_eq!(browser.value("document.documentElement.scrollWidth"), 360);
}

#[test]
fn a_hundred_thousand_hosts_stay_usable() {
    let Some(mut browser) = Browser::start("a_hundred_thousand_hosts") else { return };
    let folder = Folder::new("html");
    let capture = folder.write("many.pcap", crowd(100_000));
    let page = folder.join("report.html");
    analyze([capture.as_os_str(), "--html".as_ref(), page.as_os_str()]).expect(0);
    assert!(fs::metadata(&page).unwrap().len() < 64 << 20);
    browser.open(&page);
    let status = |browser: &mut Browser| texts(browser, "#table [role=status]").remove(0);
    assert_eq!(status(&mut browser), "Rows 1 to 50 of 100,000.");
    assert_eq!(texts(&mut browser, HOSTS).len(), 50);
    assert!(
        texts(&mut browser, "#answer h2")[0].starts_with("5,000 of 100,000")
            || texts(&mut browser, "#answer h2")[0].starts_with("5000 of 100000")
    );
    choose(&mut browser, "verdict", "breaks");
    assert_eq!(status(&mut browser), "Rows 1 to 50 of 5,000, chosen from 100,000.");
    choose(&mut browser, "subnet", "10.1.0.0/24");
    assert!(status(&mut browser).starts_with("Rows 1 to 13 of 13, "), "{}", status(&mut browser));
    browser.value("choose({})");
    browser.value("document.querySelector('[data-column=host]').click()");
    assert_eq!(texts(&mut browser, HOSTS)[0], "10.0.0.0");
    browser.value("document.querySelector('[data-page=Last]').click()");
    assert_eq!(texts(&mut browser, HOSTS)[49], "10.1.134.159");
    assert!(browser.complaints().0.is_empty());
}

/// A capture of so many clients, each with the hello of a sample: one in twenty of TLS 1.0.
fn crowd(hosts: u32) -> Vec<u8> {
    let hello = |name: &str| {
        let packets = pcap::read(&sample(name));
        packets.into_iter().find(|it| it.data.len() > 150 && pcap::goes_up(it)).unwrap()
    };
    let (old, new) = (hello("tls10-client-outlook"), hello("tls12-ok"));
    let packets: Vec<pcap::Packet> = (0..hosts)
        .map(|host| {
            let mut packet = if host % 20 == 0 { old.clone() } else { new.clone() };
            packet.time = old.time + i64::from(host) * 36_000_000;
            // The source address of IPv4 behind 14 bytes of Ethernet.
            packet.data[26..30].copy_from_slice(&(0x0a00_0000 + host).to_be_bytes());
            packet
        })
        .collect();
    pcap::write(&packets)
}
