use super::*;
use crate::sources::linked;

fn check(product: &str, version: &str, expect: Standing) {
    let found = Product::find(product)
        .map_or(Standing::UnknownProduct, |known| known.assess(version, product));
    let name = Product::find(product).map(|known| known.name);
    assert_eq!(found, expect, "{product} {version} as {name:?}");
}

#[test]
fn clients_of_the_article_have_their_minimums() {
    use Standing::*;
    check("Lync 2013", "15.0.5023.1000", Meets);
    check("Lync 2013", "15.0.5023.999", Below);
    check("Lync 2013", "15.0.4420.1017", Below);
    check("Lync 2013 Basic", "0.5023.1000", Meets);
    check("Skype for Business 2015", "15.0.5075.1000", Meets);
    check("Skype for Business 2016", "16.0.4678.1000", Meets);
    check("Skype for Business 2016 MSI", "16.0.4666.1000", Below);
    check("Skype for Business 2016", "0.4678.1000", Meets);
    check("Skype for Business 2016", "16.0.9126.2152", Meets);
    check("Skype for Business 2016 C2R", "16.0.9126.2152", Meets);
    check("Skype for Business 2016 Click-to-Run", "16.0.9126.2151", Below);
    check("Skype for Business 2016 C2R", "16.0.9029.2253", Below);
    check("Skype for Business 2016 C2R", "16.0.8431.2242", Meets);
    check("Skype for Business 2016 C2R", "16.0.8431.2241", Below);
    check("Skype for Business 2016 (Click to Run, Semi-Annual)", "16.0.8500.1", Meets);
    check("Skype for Business 2016 C2R Semi-Annual Targeted", "16.0.8500.1", Below);
    check("Skype for Business 2016", "16.0.9029.2253", Below);
    check("Skype for Business", "15.0.4420.1017", Below);
    check("Skype for Business", "16.0.4678.1000", Meets);
    check("Skype for Business on Mac", "16.15", Meets);
    check("Skype for Business Mac", "16.14.72", Below);
    check("Skype for Business for iOS", "6.19", Meets);
    check("Skype for Business for Android", "v6.18.0.7", Below);
    check("Skype for Business for iOS", "", Undecided);
}

#[test]
fn what_never_learns_it_is_never_supported() {
    for product in [
        "Lync for Mac 2011",
        "Lync 2013 for iPhone",
        "Lync 2013 Mobile (Windows Phone)",
        "Lync Windows Phone",
        "Lync 2010 Mobile",
        "Survivable Branch Appliance 2013",
        "Lync MX",
        "Lync 2010",
        "Lync 2010 Attendee",
        "Lync Phone Edition",
        "Polycom CX600",
        "HP 4110",
        "Aastra 6725ip",
        "Lync Room System",
        "Crestron RL2",
        "Lync Server 2010",
        "Office Communications Server 2007 R2",
        "Windows XP SP3",
        "Windows Vista",
    ] {
        check(product, "99.0", Standing::Never);
    }
}

#[test]
fn devices_and_servers_have_their_minimums() {
    use Standing::*;
    check("Microsoft Teams Rooms", "4.0.64.0", Meets);
    check("Skype Room System v2", "4.0.51.0", Below);
    check("Surface Hub", "15063", AskVendor);
    check("Lync Server 2013", "5.0.8308.866", Below);
    check("Lync Server 2013", "CU10", Meets);
    check("Lync Server 2013", "CU 9", Below);
    check("Lync Server 2013", "5.0.8308.1000", Undecided);
    check("Skype for Business Server 2015", "6.0.9319.516", Meets);
    check("Skype for Business Server 2015 Edge", "6.0.9319.281", Below);
    check("Skype for Business Server 2019", "7.0.2046.0", Meets);
    check("Exchange Server 2010", "SP3 RU18", Below);
    check("Exchange Server 2010", "14.3.382.0", Meets);
    check("Exchange 2013", "CU19", Meets);
    check("Exchange Server 2013", "15.0.1347.2", Below);
    check("Exchange Server 2016", "CU7", Below);
    check("Exchange Server 2019", "", Meets);
    check("Survivable Branch Appliance 2015", "6.0.9319.516", Meets);
    check("Cloud Connector Edition", "2.1", Meets);
}

#[test]
fn systems_and_programs_have_theirs() {
    use Standing::*;
    check("Windows 7", "6.1", NeedsSetting);
    check("Windows Server 2008 R2", "", NeedsSetting);
    check("Windows Server 2008", "", Never);
    check("Windows Server 2012", "", NeedsSetting);
    check("Windows Server 2012 R2", "", Meets);
    check("Windows 8.1", "", Meets);
    check("Windows 8", "", NeedsSetting);
    check("Windows 10 Enterprise", "", Meets);
    check("Android", "4.3", Below);
    check("Android", "4.4.2", Meets);
    check("Java", "7", Below);
    check("Java", "11.0.2", Meets);
    check("Java", "1.8.0_202", Meets);
    check("Java SE 7", "1.7.0_80", Below);
    check("IE", "10.0.9200", Below);
    check("iOS", "9.3", Meets);
    check("Cisco IOS", "12.4", UnknownProduct);
    check("Azure AD Connect Authentication Agent", "1.5.405.0", Below);
    check("Application Proxy Connector", "1.5.1526.0", Meets);
    check("OpenSSL", "0.9.8y", Below);
    check("OpenSSL", "1.0.1h", Meets);
    check("Firefox ESR", "24.2.0", Below);
    check("Notepad", "1", UnknownProduct);
}

#[test]
fn every_product_is_found_by_its_own_name_and_has_a_source() {
    for product in PRODUCTS {
        let source = linked(product.source);
        let is_found = source.contains("](https://") || source.contains("manual");
        assert!(is_found, "{}: {source}", product.name);
        if let Requirement::Minimum(version) = product.requirement {
            assert_eq!(product.assess(version, product.name), Standing::Meets, "{}", product.name);
            assert_eq!(product.assess("0.0.1", product.name), Standing::Below, "{}", product.name);
        }
    }
}

const HEAD: &str = "\
# Products and the versions they need

`--inventory FILE` joins a list of hosts to a run, `tlsunset inventory check FILE` compares it alone. The
file is CSV (commas, semicolons or tabs; UTF-8, UTF-16 or Windows-1252) with a header. Columns are told
by their names, English or German, whatever the case, blanks and punctuation: a host (`host`, `computer name`, `device`, ...)
or an address (`ip`, `IP address`, ...), a product (`product`, `software`, `application`, `model`, ...) and a
version (`version`, `build`, `firmware`, ...). Hosts are joined by address, servers also by name.

A host whose version can't do TLS 1.2 is named even if it was silent: it has a row with `flows` 0 and the
verdict `breaks` under policies about Office 365. Where traffic decides, traffic counts; what contradicts
the inventory stands in the column `inventory` and in the summary.

| product | kind | needs | note | source |
|---|---|---|---|---|
";

#[test]
fn the_documentation_shows_the_tables() {
    let mut text = String::from(HEAD);
    for product in PRODUCTS {
        let Product { name, requirement, note, source, .. } = product;
        text.push_str(&format!(
            "| {name} | {} | {requirement} | {note} | {} |\n",
            product.kind.name(),
            linked(source)
        ));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/products.md");
    if std::env::var_os("TLSUNSET_WRITE_DOCS").is_some() {
        std::fs::write(path, &text).expect("docs/products.md can be written");
    }
    let written = std::fs::read_to_string(path).expect("docs/products.md is there");
    assert_eq!(written, text, "run with TLSUNSET_WRITE_DOCS=1 to write it anew");
}
