use super::*;

fn read(text: &str) -> Vec<(String, String, Standing)> {
    let inventory = Inventory::read(text.as_bytes()).unwrap();
    let row = |item: &InventoryItem| (item.host.clone(), item.version.clone(), item.standing);
    inventory.items().iter().map(row).collect()
}

fn row(host: &str, version: &str, standing: Standing) -> (String, String, Standing) {
    (host.to_owned(), version.to_owned(), standing)
}

#[test]
fn headers_and_separators_are_forgiven() {
    let expect = [
        row("PC1", "15.0.4420.1017", Standing::Below),
        row("PC2", "16.0.4678.1000", Standing::Meets),
    ];
    for header in [
        "host,product,version",
        "Host , PRODUCT, Version",
        "Computer Name;Software;Build",
        "computer_name\tApplication Name\tDisplay-Version",
        "\u{feff}HOSTNAME,Title,Ver.",
        "Rechnername;Produkt;Version",
        "Gerät;Anwendung;Versionsnummer",
        "sep=;\r\nMachine;\"Product Name\";\"Product Version\"",
    ] {
        let separator = if header.contains('\t') {
            "\t"
        } else if header.contains(';') {
            ";"
        } else {
            ","
        };
        let rows = "PC1,Lync 2013,15.0.4420.1017\r\nPC2,Skype for Business 2016,16.0.4678.1000";
        let text = format!("{header}\r\n{}\r\n", rows.replace(',', separator));
        assert_eq!(read(&text), expect, "{header}");
    }
}

#[test]
fn columns_may_be_in_any_order_and_more_than_needed() {
    let text = "id,Version,Owner,IP Address,Product\n7,6.18,Ann,10.1.2.3,Skype for Business iOS\n";
    assert_eq!(read(text), [row("10.1.2.3", "6.18", Standing::Below)]);
    let inventory = Inventory::read(text.as_bytes()).unwrap();
    assert_eq!(inventory.items()[0].addr, Some("10.1.2.3".parse().unwrap()));
    assert_eq!(inventory.items()[0].line, 2);
}

#[test]
fn short_and_empty_rows_do_no_harm() {
    let text = "host,product,version\n\nPC1\nPC2,Lync 2010\n,Lync 2010,4.0\nPC3,\"Lync\n2010\",4\n";
    assert_eq!(read(text), [row("PC2", "", Standing::Never), row("PC3", "4", Standing::Never)]);
}

#[test]
fn utf16_of_a_spreadsheet_is_read() {
    let mut bytes = vec![0xff, 0xfe];
    let text = "host\tproduct\tversion\r\nBüro-1\tLync 2010\t4.0\r\n";
    bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(Inventory::read(&bytes).unwrap().items()[0].host, "Büro-1");
    assert!(matches!(Inventory::read(&[0xff, 0xfe, 0]), Err(InventoryError::NotText)));
    let unmarked: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(Inventory::read(&unmarked).unwrap().items()[0].host, "Büro-1");
    assert!(matches!(Inventory::read(b"host\xc0\0"), Err(InventoryError::NotText)));
    assert!(matches!(Inventory::read(b"h\0\0"), Err(InventoryError::NotText)));
}

#[test]
fn plain_csv_of_a_western_spreadsheet_is_read() {
    let text =
        b"Ger\xe4t;IP-Adresse;Produkt;Version\r\nB\xfcro\x961;10.0.0.5;Skype f\xfcr Business;\r\n";
    let inventory = Inventory::read(text).unwrap();
    assert_eq!(inventory.items()[0].host, "Büro–1");
    assert_eq!(inventory.items()[0].product, "Skype für Business");
    assert!(matches!(Inventory::read(b"host,product\n\x81,x"), Err(InventoryError::NotText)));
}

#[test]
fn years_and_updates_count_wherever_they_stand() {
    let text = "host,product,version\na,Lync,2013\nb,Lync,2010\nc,Windows,7\nd,Windows XP,2002\n\
                e,Exchange 2013 CU18,\nf,Exchange 2010 SP3 RU19,\ng,Windows,10.0.19045\n";
    let expect = [
        row("a", "2013", Standing::Undecided),
        row("b", "2010", Standing::Never),
        row("c", "7", Standing::NeedsSetting),
        row("d", "2002", Standing::Never),
        row("e", "", Standing::Below),
        row("f", "", Standing::Meets),
        row("g", "10.0.19045", Standing::Meets),
    ];
    assert_eq!(read(text), expect);
}

#[test]
fn a_missing_column_is_named() {
    let error = Inventory::read(b"product,version\nx,1\n").unwrap_err().to_string();
    assert!(error.contains("host") && error.contains("product,version"), "{error}");
    let error = Inventory::read(b"host,colour\nx,1\n").unwrap_err().to_string();
    assert!(error.contains("product") && error.contains("software"), "{error}");
}

#[test]
fn an_empty_file_is_said_to_be_empty() {
    for text in ["", "\n", "\u{feff}", "sep=;\n"] {
        let error = Inventory::read(text.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("the file is empty"), "{text:?}: {error}");
    }
}

#[test]
fn findings_say_what_is_needed() {
    let text = "host,product,version\na,Lync 2013,15.0.1\nb,Surface Hub,\nc,Notepad,1\n";
    let inventory = Inventory::read(text.as_bytes()).unwrap();
    let findings: Vec<String> = inventory.items().iter().map(InventoryItem::finding).collect();
    assert!(findings[0].contains("below the minimum") && findings[0].contains("15.0.5023.1000"));
    assert!(findings[1].contains("May 2019"), "{}", findings[1]);
    assert!(findings[2].contains("none of the tables"));
}
